"""Arguments of the commands: whatever they are, a command does as asked or says why not.

It ends with one of its exit codes, 2 with a message; no other exception comes out of it, and
nothing is written but where it was told to.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from collectorqueue.cli import main
from collectorqueue.cli.errors import Exit
from tests.fuzz.rounds import Fuzzer, Verdict, Violation

__all__ = ["ArgumentFuzzer"]

WORDS = (
    "", " ", "-", "--", "---", "=", ":", "::", "x:", ":x", "a:b", "\udcff", "\ud800", "\n",
    "é", "\u202e", "~", "*", "%s", "%", "{}", "'", '"', ";", "x" * 300, "x/" * 3000, "\\",
    "select", "NEAR", "AND", "a*", '"a', "(", "os:path", "os:getcwd", "os.path:join", "..",
    "tests.fuzz.lines:queue", "tests.fuzz.lines:nothing", "tests.fuzz.lines:LineFuzzer",
    "sys:exit", "this.is.nothing:x", ".:x", "a..b:c", "__main__:x", "tests.fuzz.lines:_",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "1", "1e3", "nan", "inf", "-inf", "1e400", "9" * 30, "9" * 5000, "0x10",
    "1_0", "\u0661", " 1", "1.5", "", "-0", "1e-400", str(2**63), str(2**31),
)  # fmt: skip
PATHS = (
    "tree",
    "tree/one.py",
    "absent",
    "index.sqlite",
    "no/index.sqlite",
    "file",
    ".",
    "/",
)
COMMANDS = ("demo", "pipe", "dem", "", "--help", "-h", "--version", "DEMO")
KEPT = {"tree", "file", "index.sqlite", "cache"}
FLAGS = ("--json", "--chaos", "--ordered", "--help", "--js", "-j", "--json=1")
VALUED = ("--find", "--max-files", "--seconds", "--out", "--max-file", "--sec", "--o")


class ArgumentFuzzer(Fuzzer):
    """Runs commands in this process, in a folder of their own, with an empty input."""

    def __enter__(self) -> Self:
        self._open = contextlib.ExitStack()
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        (self._folder / "tree").mkdir()
        (self._folder / "tree" / "one.py").write_text("import os\n\ndef one(): ...\n")
        (self._folder / "file").write_text("no index\n")
        self._open.enter_context(contextlib.chdir(self._folder))
        self._open.callback(os.environ.update, dict(os.environ))
        os.environ["XDG_CACHE_HOME"] = str(self._folder / "cache")
        run(["demo", "tree", "--json", "--out", "index.sqlite"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def make(self, chance: random.Random) -> list[str]:
        if chance.random() < 0.4:  # most of an index is asked, which takes no time
            found = ["demo", "--find", chance.choice(WORDS), "--out", "index.sqlite"]
        else:
            found = [chance.choice(COMMANDS if chance.random() < 0.2 else COMMANDS[:2])]
        for _ in range(chance.randrange(5)):
            found.append(chance.choice(chance.choice((WORDS, NUMBERS, PATHS, FLAGS))))
            if chance.random() < 0.5:
                found.append(chance.choice(VALUED))
                kind = chance.choice((WORDS, NUMBERS, NUMBERS, PATHS))
                found.append(chance.choice(kind))
        if takes_long(found):
            found += ["--find", chance.choice(WORDS)]
        return found

    def check(self, given: list[str]) -> Verdict:
        code, complaints = run(given)
        if code not in (Exit.OK, Exit.SOME_FAILED, Exit.COULD_NOT_RUN):
            raise Violation(f"the exit code is {code}")
        if code == Exit.COULD_NOT_RUN and not complaints.strip():
            raise Violation("it does not say why it could not run")
        if "Traceback" in complaints:
            raise Violation(f"it shows its insides: {complaints}")
        asked = {os.path.basename(each) for each in given}
        for each in set(os.listdir()) - KEPT:
            if each not in asked:
                raise Violation(f"it has written {each!r}")
            os.unlink(each)
        return Verdict.REFUSED if code == Exit.COULD_NOT_RUN else Verdict.EQUAL


def takes_long(arguments: list[str]) -> bool:
    """Whether it would index more than the small tree of this folder."""
    if arguments[:1] != ["demo"] or any(each.startswith("--fi") for each in arguments):
        return False
    return not {"tree", "tree/one.py"} & set(arguments)


def run(arguments: list[str]) -> tuple[int, str]:
    """A command's exit code, and what it wrote to standard error."""
    complaints = io.StringIO()
    with (
        open(os.devnull) as empty,
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(complaints),
    ):
        before, sys.stdin, path = sys.stdin, empty, sys.path[:]
        try:
            return main(arguments), complaints.getvalue()
        except SystemExit as end:
            return int(end.code or 0), complaints.getvalue()
        finally:
            sys.stdin, sys.path[:] = before, path
