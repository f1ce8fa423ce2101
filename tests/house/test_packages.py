"""What is packed: an sdist that builds, a wheel with types and without sources."""

from __future__ import annotations

import re
import shutil
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.house.checkout import NATIVE, ROOT, module_name, python_files, run_python

pytestmark = pytest.mark.slow

LEFT_BEHIND = shutil.ignore_patterns(
    # Last time's file list among them: it would hide what MANIFEST.in forgets.
    *(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "*.so")
)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, with generated files where careless builds leave them."""
    tree = tmp_path_factory.mktemp("tree") / "collectorqueue"
    shutil.copytree(ROOT, tree, ignore=LEFT_BEHIND)
    (tree / "README.md").touch()
    for stray in ("stray.c", "stray.html", "stray.so", "stray.pyd"):
        (tree / "cext/collectorqueue/_native" / stray).touch()
        (tree / "src/collectorqueue/_native" / stray).touch()
    return tree


@pytest.fixture(scope="module")
def sdist(tree: Path) -> set[str]:
    """The files of the sdist, named from its top."""
    made = run_python(
        *("-c", "import setuptools.build_meta as b; b.build_sdist('packed')"), cwd=tree
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (packed,) = (tree / "packed").glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def wheel(tree: Path) -> set[str]:
    """The files of the wheel, but for the compiled ones: they come from build_ext."""
    made = run_python("setup.py", "-q", "build_py", "-d", "purelib", cwd=tree)
    assert made.returncode == 0, made.stdout + made.stderr
    purelib = tree / "purelib"
    return {
        file.relative_to(purelib).as_posix()
        for file in purelib.rglob("*")
        if file.is_file()
    }


def test_an_sdist_holds_every_source_it_is_built_from(sdist: set[str]) -> None:
    sources = {
        file.relative_to(ROOT).as_posix()
        for folder in (NATIVE, ROOT / "src")
        for file in folder.rglob("*")
        if file.suffix in {".pyx", ".pxd", ".py", ".pyi", ".typed"}
    }
    needed = sources | {"setup.py", "pyproject.toml", "README.md", "LICENSE"}
    assert needed <= sdist, sorted(needed - sdist)


def test_an_sdist_holds_the_tests(sdist: set[str]) -> None:
    assert {"tests/conftest.py", "tests/house/test_packages.py"} <= sdist


def test_an_sdist_holds_nothing_generated(sdist: set[str]) -> None:
    generated = (".c", ".so", ".pyd", ".html", ".pyc", ".o")
    assert not [name for name in sdist if name.endswith(generated)]


def test_a_wheel_holds_every_module_and_says_it_is_typed(wheel: set[str]) -> None:
    modules = {file.relative_to(ROOT / "src").as_posix() for file in python_files()}
    modules.add("collectorqueue/py.typed")
    assert modules <= wheel, sorted(modules - wheel)


def test_a_wheel_holds_the_types_of_every_compiled_module(wheel: set[str]) -> None:
    stubs = {
        f"{module_name(file).replace('.', '/')}.pyi" for file in NATIVE.glob("*.pyx")
    }
    assert stubs <= wheel, sorted(stubs - wheel)


def test_a_wheel_holds_no_sources_of_the_hot_path_and_no_tests(wheel: set[str]) -> None:
    kinds = {name.rpartition(".")[2] for name in wheel}
    assert kinds <= {"py", "pyi", "typed"}
    assert all(name.startswith("collectorqueue/") for name in wheel)


def test_a_release_has_a_wheel_for_every_python_that_is_supported(
    project: dict[str, Any],
) -> None:
    start = "Programming Language :: Python :: "
    classifiers = project["project"]["classifiers"]
    supported = [each.removeprefix(start) for each in classifiers if start + "3." in each]
    built = project["tool"]["cibuildwheel"]["build"]
    assert built == [f"cp{each.replace('.', '')}-*" for each in supported]
    assert project["project"]["requires-python"] == f">={supported[0]}"


def test_the_wheels_of_a_release_are_built_and_tried_on_every_platform() -> None:
    release = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    runners = re.findall(r"^ {10}- (\S+)$", release, re.MULTILINE)
    platforms = {each.partition("-")[0] for each in runners}
    assert platforms == {"ubuntu", "macos", "windows"}
    assert any(each.endswith("-arm") for each in runners)


@pytest.mark.parametrize("name", ["ci", "release"])
def test_a_workflow_uses_no_action_that_may_change(name: str) -> None:
    text = (ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert not [each for each in used if not re.fullmatch(r"[\w/-]+@v\d+(\.\d+)*", each)]
