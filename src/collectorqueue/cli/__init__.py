"""The commands: `collectorqueue demo` and `collectorqueue pipe`.

Rules of residence: arguments in, an exit code out. The work is done in the rooms below.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from collectorqueue.cli import demo, pipe
from collectorqueue.cli.errors import CommandError, Exit
from collectorqueue.errors import WorkersFailed

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns 0 all well, 1 some of it failed, 2 could not run.

    Interrupted, it returns 130. It ends quietly when nobody reads its output any more.
    """
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # source text is what it is
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return Exit.OK
    # A path that no file can have, say; no file or process free.
    except (CommandError, OSError, WorkersFailed) as error:
        print(f"collectorqueue {arguments.command}: {error}", file=sys.stderr)
        return Exit.COULD_NOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="collectorqueue", description="An event queue inside one Python program."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_pipe(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="index a source tree into a searchable file, and watch a queue do it",
        description="Sends every file and every line of the *.py files under PATH "
        "through a queue, into a searchable SQLite file.",
    )
    parser.add_argument(
        "path",
        nargs="?",
        type=_path,
        metavar="PATH",
        help="a folder or a file (default: this Python's standard library)",
    )
    parser.add_argument(
        "--find",
        metavar="TEXT",
        help="ask the index of an earlier run; exit code 1 where it has none",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--max-files", type=_positive(int), metavar="N", help="take N files at most"
    )
    parser.add_argument(
        "--seconds", type=_positive(float), metavar="S", help="send for S seconds"
    )
    parser.add_argument(
        "--out",
        type=_path,
        metavar="FILE",
        help="the index (default: demo.sqlite in your cache folder)",
    )
    parser.add_argument(
        "--chaos", action="store_true", help="kill a worker process every second"
    )
    parser.set_defaults(run=_run_demo)


def _add_pipe(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "pipe",
        help="feed JSON lines to a queue of your own",
        description=pipe.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "queue",
        metavar="module:queue",
        help="a CollectorQueue, or a function without arguments that makes one",
    )
    parser.add_argument(
        "--ordered", action="store_true", help="write results in the order of the lines"
    )
    parser.set_defaults(run=_run_pipe)


def _run_demo(arguments: argparse.Namespace) -> Exit:
    options = demo.DemoOptions(
        path=arguments.path,
        find=arguments.find,
        json=arguments.json,
        max_files=arguments.max_files,
        seconds=arguments.seconds,
        out=arguments.out,
        chaos=arguments.chaos,
    )
    if sys.stdout is None:
        raise CommandError("standard output must be open")
    return demo.run(options, sys.stdout)


def _run_pipe(arguments: argparse.Namespace) -> Exit:
    if sys.stdin is None or sys.stdout is None:
        raise CommandError("standard input and output must be open")
    sys.stdout.flush()
    return pipe.run(
        arguments.queue,
        arguments.ordered,
        source=sys.stdin.fileno(),
        sink=sys.stdout.fileno(),
    )


def _path(text: str) -> Path:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"no file can be called {text!r}") from None
    return Path(text)


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = 0
        if not 0 < number < math.inf:
            raise argparse.ArgumentTypeError(
                f"must be a number above 0 and finite, got {text!r}"
            )
        return number

    return parse


def _forget_stdout() -> None:
    """Nobody reads it: what is buffered must not raise once more when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
