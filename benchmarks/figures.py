"""The figures that the queue is to reach beside its rivals."""

from __future__ import annotations

from benchmarks.harness.verdicts import Figure

__all__ = ["FIGURES"]

# Of the time for each name when there are twice as many: linear is 1, quadratic 2, and
# this lies half-way, because larger tables miss the processor's caches more often.
LINEAR = 1.41


def _figures() -> list[Figure]:
    figures = []

    def at_least(case: str, entry: str, against: str, bound: float) -> None:
        figures.append(Figure(case, entry, against, True, bound))

    def at_most(case: str, entry: str, against: str | None, bound: float) -> None:
        figures.append(Figure(case, entry, against, False, bound))

    nearest = "event-collector send"
    for pool in ("1", "8", "100", "100-fixed"):
        case = f"windowed-{pool}"
        at_least(case, "collectorqueue send", nearest, 25)
        at_least(case, "collectorqueue send", "floor", 0.38)
        for mode, times, share in (("send_nowait", 40, 0.5), ("send_many", 30, 0.45)):
            at_least(case, f"collectorqueue {mode}", nearest, times)
            at_least(case, f"collectorqueue {mode}", "floor", share)
            at_least(case, f"collectorqueue {mode}", "25-line loop send_nowait", 1.0)
    at_least("burst", "collectorqueue send", nearest, 10)
    at_least("burst", "collectorqueue send_nowait", nearest, 15)
    at_most("round-trip", "collectorqueue send", nearest, 1 / 3)
    at_most("memory", "collectorqueue", "event-collector", 0.5)
    for mode in ("send", "send_nowait"):
        for by in ("key", "topic"):
            entry = f"1000 collectors, {by}, {mode}"
            at_least("routing", entry, f"one collector, broadcast, {mode}", 0.85)
    at_most("dispatch", "100000 keys", "10 keys", 1.25)
    at_most("dispatch", "1000000 topics", "10 topics", 1.25)
    at_least(
        "dispatch-in-queue",
        "100000 collectors, key, send_nowait",
        "10 collectors, key, send_nowait",
        1 / 1.25,
    )
    at_most("index-build", "100000 keys", "50000 keys", LINEAR)
    at_most("index-build", "1000000 topics", "500000 topics", LINEAR)
    at_least("sleeping", "collectorqueue", "event-collector", 5)
    at_most("responsiveness", "collectorqueue", None, 5)
    return figures


FIGURES = _figures()
"""What this project set out to reach, on CPython 3.13 and uvloop."""
