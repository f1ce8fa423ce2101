"""The figures that collectors in worker processes are to reach."""

from __future__ import annotations

from benchmarks.harness.verdicts import Figure

__all__ = ["FIGURES"]

EXECUTOR = "ProcessPoolExecutor"


def _figures() -> list[Figure]:
    figures = []

    def at_least(case: str, entry: str, against: str, bound: float) -> None:
        figures.append(Figure(case, entry, against, True, bound))

    def at_most(case: str, entry: str, against: str | None, bound: float) -> None:
        figures.append(Figure(case, entry, against, False, bound))

    for mode in ("send", "send_nowait"):
        ours = f"collectorqueue {mode}"
        at_least("payload-100B", ours, EXECUTOR, 50)
        at_least("payload-100B", ours, "Pool.imap chunksize=64", 1)
        at_least("payload-10KB", ours, EXECUTOR, 4)
        at_least("payload-1MB", ours, EXECUTOR, 4)
        at_least("work-2ms", ours, "bare processes", 0.95)
        at_most("loop-lag", ours, None, 10)
        at_most("parent-cpu", ours, EXECUTOR, 1 / 40)
    at_most("round-trip", "collectorqueue send", EXECUTOR, 1 / 6)
    return figures


FIGURES = _figures()
"""Set for CPython 3.13, uvloop and two cores that have nothing else to do."""
