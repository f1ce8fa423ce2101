"""Histogram: durations in, quantiles out, within two percent."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue._native.counters import Histogram

# Every power of two as likely as any other.
DURATIONS = st.builds(
    lambda bits, share: int((1 << bits) * share), st.integers(0, 62), st.floats(0, 1)
)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(values=st.lists(DURATIONS, min_size=1, max_size=60), q=st.floats(0, 1))
def test_a_quantile_is_within_two_percent_of_that_of_the_sorted_list(
    values: list[int], q: float
) -> None:
    exact = sorted(values)[max(0, math.ceil(q * len(values)) - 1)]
    nearby = sorted(values)[max(0, math.ceil(q * len(values) - 1e-5) - 1)]
    found = filled(values).quantile(q)
    assert any(abs(found - one) <= 0.02 * one + 0.5 for one in (exact, nearby))


def test_small_durations_are_exact() -> None:
    for value in range(32):
        assert filled([value]).quantile(0.5) == value


def test_quantiles_of_a_known_distribution() -> None:
    random.seed(1)
    values = [random.randrange(1, 10**8) for _ in range(5000)]
    histogram = filled(values)
    for q in (0.01, 0.5, 0.9, 0.99, 1.0):
        exact = sorted(values)[math.ceil(q * 5000) - 1]
        assert histogram.quantile(q) == pytest.approx(exact, rel=0.02)
    assert histogram.mean() == pytest.approx(sum(values) / 5000)


def test_quantiles_rise_with_their_share() -> None:
    histogram = filled([2**n for n in range(60)])
    found = [histogram.quantile(q / 20) for q in range(21)]
    assert found == sorted(found)


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().quantile(0.5) == 0
    assert Histogram().mean() == 0.0


def test_a_negative_duration_counts_as_zero() -> None:
    assert filled([-5]).quantile(1) == 0
    assert filled([-5, 10]).mean() == 5.0


def test_merging_is_as_if_one_had_counted_all() -> None:
    one, other = [3, 70, 10**6], [5, 10**12]
    merged = filled(one)
    merged.merge(filled(other))
    both = filled(one + other)
    for q in (0, 0.2, 0.4, 0.6, 0.8, 1):
        assert merged.quantile(q) == both.quantile(q)
    assert merged.mean() == both.mean()


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_bounds_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="a quantile is") as caught:
        Histogram().quantile(q)
    assert str(caught.value) == f"a quantile is between 0 and 1, got {q!r}"


def test_a_bucket_counts_on_where_its_sixteen_bits_end() -> None:
    times = 3 * 2**16 + 5
    histogram = Histogram()
    for _ in range(times):
        histogram.record(1000)
    histogram.record(7)
    assert histogram.count == times + 1
    assert histogram.total_ns == 1000 * times + 7
    assert histogram.quantile(0.5) == pytest.approx(1000, rel=0.02)
    assert histogram.quantile(0) == 7


def test_what_was_carried_is_still_there_when_the_range_grows_both_ways() -> None:
    histogram = Histogram()
    for _ in range(2**16):
        histogram.record(1000)
    histogram.record(10**9)
    histogram.record(1)
    histogram.record(1000)
    assert histogram.count == 2**16 + 3
    assert histogram.quantile(0) == 1
    assert histogram.quantile(0.5) == pytest.approx(1000, rel=0.02)
    assert histogram.quantile(1) == pytest.approx(10**9, rel=0.02)


def test_merging_adds_what_either_has_carried() -> None:
    one, other = Histogram(), Histogram()
    for _ in range(2**16 + 2):
        one.record(500)
        other.record(10**6)
    one.merge(other)
    one.merge(Histogram())
    assert one.count == 2 * (2**16 + 2)
    assert one.quantile(0.25) == pytest.approx(500, rel=0.02)
    assert one.quantile(0.75) == pytest.approx(10**6, rel=0.02)
    assert one.total_ns == (2**16 + 2) * (500 + 10**6)


@pytest.mark.parametrize(("own", "others"), [(5, 10**9), (10**9, 5), (1000, 1000)])
def test_what_is_merged_keeps_its_octave(own: int, others: int) -> None:
    one, other = Histogram(), Histogram()
    one.record(own)
    other.record(others)
    one.merge(other)
    assert one.quantile(0) == pytest.approx(min(own, others), rel=0.02)
    assert one.quantile(1) == pytest.approx(max(own, others), rel=0.02)


def test_counts_go_on_beyond_what_thirty_two_bits_hold() -> None:
    histogram = Histogram()
    histogram.record(1000)
    for _ in range(40):
        double = Histogram()
        double.merge(histogram)
        histogram.merge(double)
    assert histogram.count == 2**40
    assert histogram.total_ns == 1000 * 2**40
    assert histogram.mean() == 1000.0
