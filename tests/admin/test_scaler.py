"""The scaling rule alone: numbers in, decisions out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectorqueue.admin.scaler import Decision, PoolScaler, PoolState


def state(queued: int, busy: int, pool: int, **more: Any) -> PoolState:
    return PoolState(queued=queued, busy=busy, pool=pool, **more)


@pytest.mark.parametrize(
    ("now", "target"),
    [
        (state(0, 0, 1), 1),
        (state(1, 0, 1), 1),  # one is free for it
        (state(1, 1, 1), 2),
        (state(10, 1, 1), 11),
        (state(10, 1, 4, starting=2), 11),  # one is idle, two are on their way
        (state(2, 4, 4), 6),
        (state(1, 16, 16), 18),  # at least half the root of the pool
        (state(1000, 16, 16), 64),
        (state(1000, 64, 64), 64),
    ],
)
def test_it_grows_by_what_is_short(now: PoolState, target: int) -> None:
    decision = PoolScaler(1, 64).on_send(5.0, now)
    assert decision.target == target
    assert decision.reason == ("short" if target != now.pool else "")
    assert (decision.next_timer is None) == (decision.target == 1)


def test_it_shrinks_to_the_peak_of_the_hold_time_at_most_by_half() -> None:
    scaler = PoolScaler(1, 64, hold_s=2.0)
    decision = scaler.on_send(0.0, state(40, 1, 1))
    pool, log = decision.target, [(0.0, decision.target)]
    while decision.next_timer is not None:
        now = decision.next_timer
        decision = scaler.on_timer(now, state(0, 0, pool))
        if decision.target != pool:
            assert decision.reason == "spare"
            pool = decision.target
            log.append((round(now, 6), pool))
    # The peak is of the first bucket of 0.4 s, and counts until five more have ended.
    assert log == [(0.0, 41), (2.4, 21), (2.8, 11), (3.2, 6), (3.6, 3), (4.0, 2), (4.4, 1)]


def test_a_peak_between_two_timers_counts() -> None:
    scaler = PoolScaler(1, 64)
    decision = scaler.on_send(0.0, state(40, 1, 1))
    for _ in range(20):
        assert decision.next_timer is not None
        decision = scaler.on_timer(decision.next_timer, state(0, 0, 41, peak=38))
        assert decision.target == 41


def test_what_is_hardly_spare_stays() -> None:
    scaler = PoolScaler(1, 200)
    decision = scaler.on_send(0.0, state(99, 1, 1))
    for _ in range(20):
        assert decision.next_timer is not None
        decision = scaler.on_timer(decision.next_timer, state(0, 0, 100, peak=85))
        assert decision.target == 100  # 94 are wanted, and 10 % of it are a dead band


def test_workers_are_made_only_for_what_has_waited_as_long_as_a_start_takes() -> None:
    scaler = PoolScaler.for_workers(1, 4, spawn_s=0.15)
    decision = scaler.on_send(10.0, state(3, 1, 1, oldest=10.0))
    assert (decision.target, decision.next_timer) == (1, 10.15)
    decision = scaler.on_timer(10.15, state(3, 1, 1, oldest=10.0))
    assert (decision.target, decision.reason) == (4, "short")
    # Those are on their way: nothing more is short.
    assert scaler.on_send(10.2, state(3, 1, 4, starting=3, oldest=10.0)).target == 4
    assert scaler.on_timer(10.2, state(0, 0, 4)).next_timer == 10.15 + 12


def test_patience_follows_how_long_starts_take() -> None:
    scaler = PoolScaler.for_workers(1, 4, spawn_s=0.1)
    for _ in range(60):
        scaler.note_start(0.5)
    assert scaler.patience_s == pytest.approx(0.5, abs=1e-3)


def test_new_bounds_are_kept_at_once() -> None:
    scaler = PoolScaler(1, 64)
    scaler.smallest, scaler.largest = 4, 8
    assert scaler.on_timer(0.0, state(0, 0, 20)) == Decision(8, 0.4, "bounds")
    assert scaler.on_timer(0.0, state(0, 0, 2)) == Decision(4, None, "bounds")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "finish", "timer"]),
        st.integers(0, 200),
        st.integers(0, 80),
        st.floats(0.0, 3.0),
    ),
    max_size=60,
)


@given(STEPS, st.integers(0, 5), st.integers(1, 60))
def test_whatever_happens_the_bounds_hold_and_nobody_grows_unasked(
    steps: list[tuple[str, int, int, float]], smallest: int, more: int
) -> None:
    largest = smallest + more
    logs = []
    for _ in range(2):
        scaler = PoolScaler(smallest, largest)
        now, pool, log, peaks = 0.0, smallest, [], []
        for kind, queued, running, passed in steps:
            now += passed
            busy = min(pool, running)
            ask = {"send": scaler.on_send, "finish": scaler.on_finish}.get(
                kind, scaler.on_timer
            )
            peaks.append((now, min(queued + busy, largest)))
            decision = ask(now, state(queued, busy, pool))
            assert smallest <= decision.target <= largest
            if decision.target > pool:
                assert queued > pool - busy
            if decision.target < pool:
                # 1.6 s: four full buckets of the hold time; the fifth is the one that ends.
                recent = max(peak for at, peak in peaks if at >= now - 1.6)
                assert decision.target >= min(recent, largest)
                assert decision.target >= pool // 2
            if decision.target == smallest:
                assert decision.next_timer is None
            pool = decision.target
            log.append(decision)
        logs.append(log)
    assert logs[0] == logs[1]
