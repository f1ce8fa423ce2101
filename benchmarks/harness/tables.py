"""What a run prints: a table for each case, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from benchmarks.harness.case import Case
from benchmarks.harness.runner import EntryResult
from benchmarks.harness.verdicts import Verdict, ratios

__all__ = ["case_table", "short", "verdict_table"]


def case_table(case: Case, results: list[EntryResult]) -> str:
    """Medians with their spread, and the ratios to what the case compares with."""
    by_label = {result.entry.label: result for result in results}
    against = [label for label in case.against if by_label[label].measured]
    rows = [
        [case.unit.name, "median", "min", "max", "spread", *(f"/ {a}" for a in against)]
    ]
    notes = []
    for result in results:
        label = result.entry.label
        if result.lacks is not None:
            notes.append(f"  {label}: {result.lacks}")
            continue
        notes += [f"  {label} FAILED: {error}" for error in result.errors[:1]]
        found = result.measured
        if not found:
            continue
        middle = median(found)
        spread = (max(found) - min(found)) / middle if middle else 0.0
        row = [label, *map(short, (middle, min(found), max(found))), f"{spread:.0%}"]
        for other in against:
            pairs = ratios(result.samples, by_label[other].samples)
            row.append(short(median(pairs)) if pairs else "")
        rows.append(row)
    return "\n".join([f"{case.name}: {case.title}", *_aligned(rows), *notes])


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Each figure to reach, what was measured, and whether it holds."""
    rows = [["case", "figure", "target", "median", "min..max", "n", ""]]
    held = judged = 0
    for verdict in verdicts:
        figure = verdict.figure
        name = figure.entry
        if figure.against is not None:
            name += f" / {figure.against}"
        if verdict.value is None:
            rows.append([figure.case, name, figure.target, "", "", "0", "not measured"])
            continue
        judged += 1
        held += bool(verdict.holds)
        rows.append(
            [
                figure.case,
                name,
                figure.target,
                short(verdict.value),
                f"{short(verdict.low)}..{short(verdict.high)}",
                str(verdict.repeats),
                "holds" if verdict.holds else "DOES NOT HOLD",
            ]
        )
    return "\n".join([*_aligned(rows, 2), f"{held} of {judged} figures hold"])


def short(value: float) -> str:
    """A value with three or four digits."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def _aligned(rows: list[list[str]], left: int = 1) -> list[str]:
    """Columns of equal width; the first `left` and words at the end to the left."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at < left or not rows[0][at] else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines
