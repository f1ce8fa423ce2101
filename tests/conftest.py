"""Before the first test: is it this tree's code, freshly compiled, that will run?

And what tests of several rooms ask for.
"""

from __future__ import annotations

import gc
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


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of tests that wait stay to the end: no pass of the garbage collector, of
    which many ask for some, need look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def small_heap() -> None:
    """The collector looks only at what this test makes, so its passes are quick.

    What earlier tests have left made some of them thrice as slow.
    """
    gc.collect()
    gc.freeze()
