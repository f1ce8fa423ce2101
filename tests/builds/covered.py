"""Which lines and branches of the package, the compiled part with it, the tests reach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.builds.copies import built_copy, run_pytest

__all__ = ["run_covered"]


def run_covered(scratch: Path, arguments: list[str]) -> int:
    copy = built_copy(scratch, {"CQ_COVERAGE": "1"})
    code = run_pytest(
        copy, arguments, ["-m", "coverage", "run"], {"CQ_COVERAGE": "1"}
    )
    subprocess.run(
        [sys.executable, "-m", "coverage", "report", "--show-missing"],
        cwd=copy,
        check=True,
    )
    return code
