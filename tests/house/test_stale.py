"""The guard in tests/conftest.py sees what would go unnoticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.house.stale import SUFFIX, stale_modules

OLD, BUILT, NEW = 1_000, 2_000, 3_000


@pytest.fixture
def native(tmp_path: Path) -> Path:
    """Two built modules: `lanes` uses `event`, `clock` stands alone."""
    folder = tmp_path / "collectorqueue" / "_native"
    folder.mkdir(parents=True)
    sources = {
        "event.pxd": "cdef class Event:\n    pass\n",
        "event.pyx": "",
        "lanes.pxd": "from collectorqueue._native.event cimport (\n    Event,\n)\n",
        "lanes.pyx": "",
        "clock.pyx": "",
    }
    for name, text in sources.items():
        (folder / name).write_text(text)
        os.utime(folder / name, (OLD, OLD))
    for stem in ("event", "lanes", "clock"):
        (folder / f"{stem}{SUFFIX}").touch()
        os.utime(folder / f"{stem}{SUFFIX}", (BUILT, BUILT))
    return folder


def test_a_fresh_build_is_not_stale(native: Path) -> None:
    assert stale_modules(native, native) == []


def test_an_edited_pyx_makes_its_module_stale(native: Path) -> None:
    os.utime(native / "clock.pyx", (NEW, NEW))
    assert stale_modules(native, native) == ["clock: older than clock.pyx"]


def test_an_edited_pxd_makes_every_module_that_uses_it_stale(native: Path) -> None:
    os.utime(native / "event.pxd", (NEW, NEW))
    assert stale_modules(native, native) == [
        "event: older than event.pxd",
        "lanes: older than event.pxd",
    ]


def test_a_module_that_was_never_built_is_stale(native: Path) -> None:
    (native / f"lanes{SUFFIX}").unlink()
    assert stale_modules(native, native) == ["lanes: not built for this Python"]
