"""How the hot path is compiled. All metadata stands in pyproject.toml.

Every ``cext/collectorqueue/_native/NAME.pyx`` becomes ``collectorqueue._native.NAME``.
A build for installing is guided by a profile, with gcc on Linux: compiled once so that
it counts, then run (cext/practice.py), then compiled by what was counted. That lays the
code out along the way that events take, and is worth a fifth of their time. Where it
does not work, the build says so and does without. Seven switches, read from the
environment:

    CQ_DEBUG     bounds and None checks, assertions and symbols stay in
    CQ_ANNOTATE  Cython's yellow pages, as HTML beside the generated C
    CQ_COVERAGE  line tracing, so that coverage sees inside the .pyx files
    CQ_SANITIZE  AddressSanitizer and UBSan watch it, no freed object is kept for later
    CQ_SYMBOLS   functions keep their names, for profilers
    CQ_PGO       guided by a profile: 0 never, 1 in place too
    CQ_JOBS      how many compilers run at once (default: one a core)
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError
from setuptools.modified import newer_group

DEBUG = os.environ.get("CQ_DEBUG", "") not in ("", "0")
ANNOTATE = os.environ.get("CQ_ANNOTATE", "") not in ("", "0")
COVERAGE = os.environ.get("CQ_COVERAGE", "") not in ("", "0")
SANITIZE = os.environ.get("CQ_SANITIZE", "") not in ("", "0")
SYMBOLS = os.environ.get("CQ_SYMBOLS", "") not in ("", "0")
PGO = os.environ.get("CQ_PGO", "")
JOBS = int(os.environ.get("CQ_JOBS") or os.cpu_count() or 1)

DIRECTIVES = {
    "language_level": 3,
    # Whoever calls a method past an object is told what it needs: a binding one would take
    # anything for that. The signatures are kept as text.
    "binding": False,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    "auto_pickle": False,
    "embedsignature": True,
    "embedsignature.format": "clinic",
    "linetrace": COVERAGE,
}

MACROS: list[tuple[str, str | None]] = []
if not DEBUG:
    MACROS += [("CYTHON_WITHOUT_ASSERTIONS", "1")]
if COVERAGE:
    # Through sys.monitoring, Python 3.13 would show no line of a .pyx, and no error.
    MACROS += [
        ("CYTHON_TRACE", "1"),
        ("CYTHON_TRACE_NOGIL", "1"),
        ("CYTHON_USE_SYS_MONITORING", "0"),
    ]
if SANITIZE:
    MACROS += [("CYTHON_USE_FREELISTS", "0"), ("CQ_POOL_SIZE", "0")]

# Said here and not left to CFLAGS: a CFLAGS in the environment replaces Python's own
# flags, the -O3 among them, and the wheel would come out ten times slower, silently.
COMPILE_ARGS = {
    "unix": ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-g0"],
    "msvc": ["/Od", "/Zi", "/UNDEBUG"] if DEBUG else ["/O2"],
}
COMPILE_ARGS["unix"] += ["-fvisibility=hidden"]
if sys.platform == "linux":
    # Each call into Python without a stop in a table: 4 % of a windowed event.
    COMPILE_ARGS["unix"] += ["-fno-plt"]
LINK_ARGS = ["-Wl,-s"] if sys.platform == "linux" and not (DEBUG or SYMBOLS) else []
if SANITIZE:
    COMPILE_ARGS["unix"] += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
    LINK_ARGS += ["-fsanitize=address,undefined"]

COUNTING = ["-fprofile-generate"]
# What the practice did not run is compiled as if nothing had been counted.
COUNTED = ["-fprofile-use", "-fprofile-partial-training", "-Wno-missing-profile"]
PRACTICE = Path("cext/practice.py")
# What every event goes through; the rest is not worth compiling twice.
USUAL = """
    clock collecting consumer context core counters door driver event intake lanes
    payload plan results router seats sender
""".split()  # noqa: SIM905

# Coverage looks for the generated C beside its .pyx; nobody else should see it there.
GENERATED = None if COVERAGE else "build/cython"
RECIPE = Path("build/cython/recipe.json")


class BuildNative(build_ext):
    """Translates and compiles the hot path with the flags above, in parallel."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or JOBS
        self.for_use = not self.inplace  # which setuptools forgets while it builds

    def build_extensions(self) -> None:
        # Not at import: making an sdist or reading the metadata translates nothing.
        self.translate()
        everything = self.extensions
        usual = [each for each in everything if each.name.rpartition(".")[2] in USUAL]
        if self.wants_profile(usual):
            self.compile(
                [each for each in everything if each not in usual], [], LINK_ARGS
            )
            self.compile(usual, COUNTED if self.count(usual) else [], LINK_ARGS)
        else:
            self.compile(everything, [], LINK_ARGS)
        self.extensions = everything

    def compile(
        self, some: list[Extension], more: list[str], link_args: list[str]
    ) -> None:
        kind = self.compiler.compiler_type
        for extension in some:
            extension.extra_compile_args = COMPILE_ARGS.get(kind, []) + more
            extension.extra_link_args = link_args if kind == "unix" else []
        self.extensions = some
        super().build_extensions()

    def wants_profile(self, usual: list[Extension]) -> bool:
        """Whether something of it is to be built, for use, by a compiler that can."""
        if PGO == "0" or DEBUG or COVERAGE or SANITIZE or sys.platform != "linux":
            return False
        if not (self.for_use or PGO) or not PRACTICE.exists():
            return False
        if not any(
            newer_group(each.sources, self.get_ext_fullpath(each.name))
            for each in usual
        ):
            return False
        asked = [*self.compiler.compiler_so[:1], "--version"]
        if shutil.which(asked[0]) is None:
            return False  # the build will say so
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        return "Free Software Foundation" in told

    def count(self, usual: list[Extension]) -> bool:
        """Compile these so that they count, and run all; False, said, if that fails."""
        for old in Path(self.build_temp).rglob("*.gcda"):
            old.unlink()
        try:
            with self.set_aside() as folder:
                self.compile(usual, COUNTING, COUNTING)
                path = os.pathsep.join(
                    [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
                )
                subprocess.run(
                    [sys.executable, PRACTICE],
                    env={**os.environ, "PYTHONPATH": path},
                    check=True,
                    timeout=300,
                )
        except (CompileError, LinkError, OSError, subprocess.SubprocessError) as error:
            self.warn(f"not guided by a profile, and slower for it: {error}")
            return False
        return True

    @contextmanager
    def set_aside(self) -> Iterator[str]:
        """What is built meanwhile goes to a package of its own; its path is given."""
        folder = Path(self.build_temp, "counting")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(
            "src", folder, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
        )
        for extension in self.extensions:  # what is built already
            built = self.get_ext_fullpath(extension.name)
            shutil.copy(built, Path(folder, self.get_ext_filename(extension.name)))
        kept = self.build_lib, self.force
        self.build_lib, self.force = str(folder), True
        try:
            yield str(folder.resolve())
        finally:
            self.build_lib, self.force = kept

    def translate(self) -> None:
        """From .pyx to C, where its text, a .pxd that it uses or the recipe changed."""
        flags = [MACROS, COMPILE_ARGS, LINK_ARGS]
        recipe = json.dumps([Cython.__version__, DIRECTIVES, *flags])
        changed = not RECIPE.exists() or RECIPE.read_text() != recipe
        anew = bool(changed or self.force or ANNOTATE)
        if anew or not self.is_translated():
            translated = cythonize(
                self.extensions,
                include_path=["cext"],
                build_dir=GENERATED,
                compiler_directives=DIRECTIVES,
                annotate=ANNOTATE,
                force=anew,
                # Elsewhere the translators' processes would import this file again.
                nthreads=JOBS if sys.platform == "linux" else 0,
            )
            sources = {each.name: each.sources for each in translated}
        else:
            sources = {each.name: [str(c_of(each))] for each in self.extensions}
        for extension in self.extensions:
            extension.sources = sources[extension.name]
        RECIPE.parent.mkdir(parents=True, exist_ok=True)
        RECIPE.write_text(recipe)

    def is_translated(self) -> bool:
        """Whether all C is newer than all that it was made of here.

        Cython also asks for the age of its own files, which are new in every isolated
        environment: each build there would begin from nothing.
        """
        made = [c_of(each) for each in self.extensions]
        latest = max(file.stat().st_mtime for file in Path("cext").rglob("*.p[yx][xd]"))
        return all(each.exists() and each.stat().st_mtime > latest for each in made)


def c_of(extension: Extension) -> Path:
    return Path(GENERATED or "", extension.sources[0]).with_suffix(".c")


setup(
    ext_modules=[
        Extension(
            f"collectorqueue._native.{source.stem}",
            [source.as_posix()],
            define_macros=MACROS,
        )
        for source in sorted(Path("cext/collectorqueue/_native").glob("*.pyx"))
    ],
    cmdclass={"build_ext": BuildNative},
)
