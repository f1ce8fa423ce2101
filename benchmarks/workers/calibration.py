"""How many turns of an empty loop a microsecond takes, found once for a whole run."""

from __future__ import annotations

from time import perf_counter

from benchmarks.workers.handlers import spin

__all__ = ["rounds_per_us"]

ROUNDS = 200_000
TRIES = 25  # the best counts: what is slower was disturbed


def rounds_per_us() -> float:
    """By the fastest of several tries; it takes a tenth of a second."""
    best = float("inf")
    for _ in range(TRIES):
        begun = perf_counter()
        spin(ROUNDS)
        best = min(best, perf_counter() - begun)
    return round(ROUNDS / best / 1e6, 3)
