"""`python -m tests.builds sanitized|covered [PYTEST ARGUMENTS]`: see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.builds.covered import run_covered
from tests.builds.sanitized import run_sanitized


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.builds")
    parser.add_argument("build", choices=["sanitized", "covered"])
    parser.add_argument(
        "--collect", action="store_true", help="with gc.set_threshold(1)"
    )
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.build == "sanitized":
            return run_sanitized(Path(scratch), options.collect, arguments)
        return run_covered(Path(scratch), arguments)


if __name__ == "__main__":
    sys.exit(main())
