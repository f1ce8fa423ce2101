"""How large two pools were during one burst, and how long events waited meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["plotted"]

COLOURS = {"collectorqueue": "#0b6fb8", "event-collector": "#c2410c"}
AROUND_S = (2.0, 8.0)  # of the burst's peak: before, after


def plotted(path: Path, title: str, samples: dict[str, dict[str, Any]]) -> None:
    """Draw the samples around the time when the first pool was largest."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    first = next(iter(samples.values()))
    peak = max(first["sizes"], key=lambda each: each[1])[0]
    start, end = max(0.0, peak - AROUND_S[0]), peak + AROUND_S[1]
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5.5))
    for name, found in samples.items():
        colour = COLOURS[name]
        sizes = [(at, size) for at, size in found["sizes"] if start <= at <= end]
        above.step(*zip(*sizes, strict=True), where="post", color=colour, label=name)
        waits = [(at, 1e3 * wait) for at, wait in found["waits"] if start <= at <= end]
        below.plot(*zip(*waits, strict=True), ".", markersize=3, color=colour)
    above.set_title(title)
    above.set_ylabel("consumers")
    above.legend()
    below.set_ylabel("wait of an event, ms")
    below.set_yscale("log")
    below.set_xlabel("seconds since the start of the replay")
    figure.tight_layout()
    figure.savefig(path)
