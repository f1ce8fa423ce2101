"""How the hot path is compiled. All metadata stands in pyproject.toml.

Every ``cext/collectorqueue/_native/NAME.pyx`` becomes ``collectorqueue._native.NAME``.
Five switches, read from the environment, change the build:

    CQ_DEBUG     bounds and None checks, assertions and symbols stay in
    CQ_ANNOTATE  Cython's yellow pages, as HTML beside the generated C
    CQ_COVERAGE  line tracing, so that coverage sees inside the .pyx files
    CQ_SANITIZE  AddressSanitizer and UBSan watch it, and no freed object is kept for later
    CQ_JOBS      how many compilers run at once (default: one a core)
"""

import json
import os
import sys
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("CQ_DEBUG", "") not in ("", "0")
ANNOTATE = os.environ.get("CQ_ANNOTATE", "") not in ("", "0")
COVERAGE = os.environ.get("CQ_COVERAGE", "") not in ("", "0")
SANITIZE = os.environ.get("CQ_SANITIZE", "") not in ("", "0")
JOBS = int(os.environ.get("CQ_JOBS") or os.cpu_count() or 1)

DIRECTIVES = {
    "language_level": 3,
    "binding": True,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    "auto_pickle": False,
    # For what is not `binding`, where signatures would be lost.
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
LINK_ARGS = ["-Wl,-s"] if sys.platform == "linux" and not DEBUG else []
if SANITIZE:
    COMPILE_ARGS["unix"] += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
    LINK_ARGS += ["-fsanitize=address,undefined"]

# Coverage looks for the generated C beside its .pyx; nobody else should see it there.
GENERATED = None if COVERAGE else "build/cython"
RECIPE = Path("build/cython/recipe.json")


class BuildNative(build_ext):
    """Translates and compiles the hot path with the flags above, in parallel."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or JOBS

    def build_extensions(self) -> None:
        # Not at import: making an sdist or reading the metadata translates nothing.
        translated = {each.name: each for each in self.translate()}
        for extension in self.extensions:
            extension.sources = translated[extension.name].sources
            extension.extra_compile_args = self.compile_args()
            extension.extra_link_args = self.link_args()
        super().build_extensions()

    def compile_args(self) -> list[str]:
        return list(COMPILE_ARGS.get(self.compiler.compiler_type, []))

    def link_args(self) -> list[str]:
        return list(LINK_ARGS) if self.compiler.compiler_type == "unix" else []

    def translate(self) -> list[Extension]:
        """From .pyx to C, where its text, a .pxd that it uses or the recipe changed."""
        recipe = json.dumps([Cython.__version__, DIRECTIVES, MACROS, COMPILE_ARGS])
        changed = not RECIPE.exists() or RECIPE.read_text() != recipe
        extensions = cythonize(
            self.extensions,
            include_path=["cext"],
            build_dir=GENERATED,
            compiler_directives=DIRECTIVES,
            annotate=ANNOTATE,
            force=bool(self.force or changed or ANNOTATE),
            # Elsewhere the translators' processes would import this file again.
            nthreads=JOBS if sys.platform == "linux" else 0,
        )
        RECIPE.parent.mkdir(parents=True, exist_ok=True)
        RECIPE.write_text(recipe)
        return extensions


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
