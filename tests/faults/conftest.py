"""Fixtures of the fault tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def small_heap() -> Iterator[None]:
    """The collector looks only at what this test makes, so its passes are quick."""
    gc.freeze()
    yield
    gc.unfreeze()
