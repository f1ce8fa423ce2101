"""`python -m benchmarks.page OUT`: all suites on a page, with charts and where we lose.

Runs them and keeps their raw numbers beside the page, or makes the page of files that
are there already (`--from`). `OUT/index.html` needs no network and no script.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.page.html import page
from benchmarks.page.plan import SECTIONS, measured
from benchmarks.page.results import read

NAMES = tuple(section.file.partition(".")[0] for section in SECTIONS)


def main() -> int:
    """Write the page; 1 if a sample could not be taken."""
    about = (__doc__ or "").partition("\n\n")[2]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page", description=about
    )
    parser.add_argument("folder", type=Path, metavar="OUT", help="made if need be")
    parser.add_argument("--from", dest="files", nargs="+", type=Path, metavar="JSON",
                        help="make the page of these, run nothing")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES,
                        help="run these suites only")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=float, default=1.0, metavar="FACTOR",
                        help="of the number of events")  # fmt: skip
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--quick", action="store_true",
                        help="few events, 2 repeats: whether it runs")  # fmt: skip
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    files, failed = options.files or [], 0
    if options.files is None:
        for path, failures in measured(options):
            files.append(path)
            failed |= failures
    target = options.folder / "index.html"
    target.write_text(page(read(files)))
    print(f"\n{target}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
