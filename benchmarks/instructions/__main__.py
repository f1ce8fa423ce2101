"""What counting, and an observer, cost an event; what it spends where.

By itself: a build that counts nothing for metrics (CQ_NO_METRICS; its ledger still closes),
the ordinary build, and that with an observer of every event. `--against COMMIT` compares
the ordinary build with another commit's instead; `--functions` says where the
instructions go.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.instructions.builds import built
from benchmarks.instructions.callgrind import by_function, per_event
from benchmarks.instructions.paths import PATHS

__all__ = ["main"]

Found = list[tuple[str, float, float]]
"""What costs how much more, and how much it may at most."""


def with_and_without(scratch: Path, repeats: int) -> Found:
    """Metrics and an observer."""
    bare = built(scratch / "bare", "-DCQ_NO_METRICS")
    whole = built(scratch / "whole")
    without = per_event(bare, "windowed", repeats)
    ordinary = per_event(whole, "windowed", repeats)
    observed = per_event(whole, "observed", repeats)
    print(f"instructions an event: {without:.0f} without metrics, {ordinary:.0f} with "
          f"them, {observed:.0f} with an observer of each event")  # fmt: skip
    return [
        ("metrics", ordinary / without - 1, 0.05),
        ("an observer", observed / ordinary - 1, 0.25),
    ]


def beside(scratch: Path, commit: str, repeats: int) -> Found:
    """What was changed since a commit."""
    before = per_event(built(scratch / "before", commit=commit), "windowed", repeats)
    now = per_event(built(scratch / "now"), "windowed", repeats)
    print(f"instructions an event: {before:.0f} at {commit}, {now:.0f} now")
    return [(f"since {commit}", now / before - 1, 0.03)]


def show_functions(scratch: Path, paths: list[str], rows: int) -> None:
    """A table a path."""
    package = built(scratch / "package")
    for path in paths:
        counts = by_function(package, path)
        total = counts.total()
        shown = counts.most_common(rows)
        print(f"\n{path}: {PATHS[path].__doc__}\n")
        print("| instructions an event | | in |\n| --: | --: | --- |")
        for name, count in shown:
            print(f"| {count} | {count / total:.1%} | `{name}` |")
        rest = total - sum(count for _, count in shown)
        print(f"| {rest} | {rest / total:.1%} | {len(+counts) - len(shown)} others |")
        print(f"| **{total}** | | |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--functions", nargs="*", choices=PATHS, metavar="PATH",
                        help=f"of {', '.join(PATHS)} (all)")  # fmt: skip
    parser.add_argument("--rows", type=int, default=20, help="of a table of functions (20)")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if options.functions is not None:
            show_functions(scratch, options.functions or list(PATHS), options.rows)
            return 0
        found = (
            with_and_without(scratch, options.repeats)
            if options.against is None
            else beside(scratch, options.against, options.repeats)
        )
    for what, more, most in found:
        failed += more > most
        print(f"  {what}: {more:+.1%}, at most {most:.0%}: "
              f"{'DOES NOT HOLD' if more > most else 'holds'}")  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
