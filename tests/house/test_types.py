"""The types hold: the package's own, and the stubs of what is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.checkout import NATIVE, PACKAGE, module_name, run_python

pytestmark = pytest.mark.slow
pytest.importorskip("mypy")

# What Cython adds to its modules and classes, and no stub should show.
CYTHONS_OWN = r"""
.*\.__test__
.*\.__pyx_capi__
.*\.__reduce_cython__
.*\.__setstate_cython__
"""


def test_the_package_passes_mypy_strict() -> None:
    checked = run_python("-m", "mypy", "--strict", "src")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_compiled_module_has_a_stub() -> None:
    stubs = {file.stem for file in (PACKAGE / "_native").glob("*.pyi")}
    assert {file.stem for file in NATIVE.glob("*.pyx")} - stubs == set()


def test_the_stubs_say_what_the_compiled_modules_are(tmp_path: Path) -> None:
    allowlist = tmp_path / "allowlist"
    allowlist.write_text(CYTHONS_OWN)
    checked = run_python(
        *("-m", "mypy.stubtest"),
        *("--mypy-config-file", "pyproject.toml"),
        *("--allowlist", str(allowlist), "--ignore-unused-allowlist"),
        *(module_name(file) for file in sorted(NATIVE.glob("*.pyx"))),
        MYPYPATH="src",
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
