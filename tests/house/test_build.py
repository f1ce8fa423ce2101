"""The build does what nobody would notice if it did not.

A small core of two modules, built by the real setup.py in a folder of its own.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.house.checkout import ROOT, run_python

pytestmark = pytest.mark.slow

SHEET = """
cdef class Drop:
    cdef readonly long long size
"""
DROP = '''
cdef extern from *:
    """
    #ifdef __OPTIMIZE__
    static int optimised = 1;
    #else
    static int optimised = 0;
    #endif
    """
    bint optimised

cdef class Drop:
    pass

def is_optimised():
    return optimised

def has_assertions():
    try:
        assert optimised == 2
    except AssertionError:
        return True
    return False
'''
TICK = "__import__('collectorqueue._native.clock', fromlist=['tick']).tick()"
BUCKET = """
from collectorqueue._native.drop cimport Drop

cdef class Bucket(Drop):
    pass
"""


class Trial:
    """One copy of the house with a core small enough to build in a second or two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.native = folder / "cext/collectorqueue/_native"
        self.native.mkdir(parents=True)
        shutil.copy(ROOT / "setup.py", folder)
        (self.native / "drop.pxd").write_text(SHEET)
        (self.native / "drop.pyx").write_text(DROP)
        (self.native / "bucket.pyx").write_text(BUCKET)
        # Real packages: a bare folder would give way to the collectorqueue under test.
        for package in ("built/collectorqueue", "built/collectorqueue/_native"):
            (folder / package).mkdir(parents=True)
            (folder / package / "__init__.py").touch()

    def build(self, **environment: str) -> str:
        switches = dict.fromkeys(
            ("CQ_DEBUG", "CQ_ANNOTATE", "CQ_COVERAGE", "CQ_SYMBOLS", "CQ_PGO"), ""
        )
        built = run_python(
            *("setup.py", "build_ext", "--build-lib", "built"),
            cwd=self.folder,
            **{**switches, "CFLAGS": "", **environment},
        )
        assert built.returncode == 0, built.stdout + built.stderr
        return built.stdout + built.stderr

    def ask(self, expression: str) -> str:
        answer = run_python(
            "-c",
            f"from collectorqueue._native import bucket, drop; print({expression})",
            cwd=self.folder / "built",
            PYTHONPATH=".",
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()


    def has(self, section: bytes) -> bool:
        """Whether a module that was built has a section of that name."""
        (module,) = (self.folder / "built/collectorqueue/_native").glob("drop.*")
        return section in module.read_bytes()


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_a_wheel_is_optimised_and_bare_whatever_cflags_says(trial: Trial) -> None:
    """CFLAGS replaces Python's own flags, -O3 too: ten times slower, without a word."""
    output = trial.build(CFLAGS="-g0")
    compiles = [line for line in output.splitlines() if " -c " in line]
    assert len(compiles) == 2
    assert all(" -O3" in line.partition(" -o ")[2] for line in compiles)
    assert trial.ask("drop.is_optimised()") == "True"
    assert trial.ask("drop.has_assertions()") == "False"
    assert not trial.has(b".debug_info"), "five times what is run"
    assert not trial.has(b".symtab") or sys.platform != "linux"


def test_a_touched_pxd_rebuilds_every_module_that_uses_it(trial: Trial) -> None:
    trial.build()
    before = int(trial.ask("bucket.Bucket.__basicsize__"))
    (trial.native / "drop.pxd").write_text(SHEET + "    cdef readonly long long age\n")
    trial.build()
    assert int(trial.ask("bucket.Bucket.__basicsize__")) == before + 8


def test_nothing_is_compiled_twice_for_nothing(trial: Trial) -> None:
    trial.build()
    assert " -c " not in trial.build()


def test_a_debug_build_keeps_assertions_and_does_not_outlive_its_switch(
    trial: Trial,
) -> None:
    """The C that was generated for one recipe is not taken for another."""
    trial.build(CQ_DEBUG="1")
    assert trial.ask("drop.has_assertions()") == "True"
    trial.build()
    assert trial.ask("drop.has_assertions()") == "False"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they stay")
def test_names_of_functions_stay_for_profilers(trial: Trial) -> None:
    trial.build()
    trial.build(CQ_SYMBOLS="1")
    assert trial.has(b".symtab")
    assert not trial.has(b".debug_info")


def test_generated_c_stays_out_of_the_sources(trial: Trial) -> None:
    trial.build(CQ_ANNOTATE="1")
    assert {file.suffix for file in trial.native.iterdir()} == {".pyx", ".pxd"}
    assert list(trial.folder.glob("build/cython/**/drop.html"))


@pytest.fixture
def counted(tmp_path: Path) -> Trial:
    """One whose `clock`, a module that every event goes through, can be practised."""
    trial = Trial(tmp_path)
    trial.native.joinpath("clock.pyx").write_text("def tick():\n    return 1\n")
    package = tmp_path / "src/collectorqueue/_native"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (tmp_path / "cext/practice.py").write_text(
        "from collectorqueue._native import bucket, clock, drop\n"
        "assert clock.tick() == 1\n"
        "print('practised with', clock.__file__)\n"
    )
    return trial


def compiled_by(output: str, flag: str) -> list[str]:
    """The modules that a compiler was given with this flag."""
    lines = [
        line for line in output.splitlines() if " -c " in line and flag in line.split()
    ]
    return [line.partition(" -c ")[2].split()[0].rpartition("/")[2] for line in lines]


@pytest.mark.skipif(sys.platform != "linux", reason="gcc's profiles are used on Linux")
def test_what_is_for_use_is_guided_by_a_profile(counted: Trial) -> None:
    output = counted.build()
    assert compiled_by(output, "-fprofile-generate") == ["clock.c"]
    assert compiled_by(output, "-fprofile-use") == ["clock.c"]
    assert "practised with" in output
    assert list((counted.folder / "build").rglob("clock.gcda"))
    assert counted.ask(TICK) == "1"
    (module,) = (counted.folder / "built/collectorqueue/_native").glob("clock.*")
    assert b"gcda" not in module.read_bytes(), "what counts was installed"
    assert " -c " not in counted.build(), "counted again for nothing"


@pytest.mark.skipif(sys.platform != "linux", reason="gcc's profiles are used on Linux")
@pytest.mark.parametrize(
    "practice", ["import this_is_nowhere", "import os; os.kill(os.getpid(), 9)"]
)
def test_a_practice_that_fails_costs_the_profile_and_not_the_build(
    counted: Trial, practice: str
) -> None:
    (counted.folder / "cext/practice.py").write_text(practice)
    output = counted.build()
    assert compiled_by(output, "-fprofile-use") == []
    assert "not guided by a profile, and slower for it" in output
    assert counted.ask(TICK) == "1"


def test_a_build_in_place_is_for_work_and_takes_no_profile(counted: Trial) -> None:
    (counted.folder / "collectorqueue/_native").mkdir(parents=True)
    built = run_python(
        *("setup.py", "build_ext", "--inplace"),
        cwd=counted.folder,
        CFLAGS="",
        CQ_PGO="",
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert compiled_by(built.stdout, "-fprofile-generate") == []
    assert compiled_by(counted.build(CQ_PGO="0"), "-fprofile-generate") == []
