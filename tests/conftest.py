"""Before the first test: is it this tree's code, freshly compiled, that will run?"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.house.checkout import NATIVE, SOURCE
from tests.house.stale import stale_modules


def pytest_sessionstart(session: pytest.Session) -> None:
    spec = find_spec("collectorqueue")
    if spec is None or spec.origin is None:
        pytest.exit(
            "collectorqueue is not installed; run: pip install -e '.[test]'",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )
    package = Path(spec.origin).resolve().parent
    if not package.is_relative_to(SOURCE):
        return  # an installed wheel, built elsewhere
    stale = stale_modules(NATIVE, package / "_native")
    if stale:
        pytest.exit(
            "compiled modules are out of date; run: python setup.py build_ext --inplace"
            + "".join(f"\n  {line}" for line in stale),
            returncode=pytest.ExitCode.USAGE_ERROR,
        )
