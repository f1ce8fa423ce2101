"""`collectorqueue demo`: indexes a source tree, and shows a queue at work on it.

    sources -> publishing -> the queue (topology, collectors) -> index -> search
    phases  ------^             monitor -> view, report, findings
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

import collectorqueue
from collectorqueue.cli.demo.index import check_writable, default_path
from collectorqueue.cli.demo.indexing import Indexing
from collectorqueue.cli.demo.report import Report, report_parts
from collectorqueue.cli.demo.search import answer_lines, find
from collectorqueue.cli.demo.sources import (
    NOT_STANDARD,
    Found,
    discover,
    standard_library,
)
from collectorqueue.cli.demo.view import PlainView, SilentView, View, open_view
from collectorqueue.cli.errors import CommandError, Exit

__all__ = ["DemoOptions", "run"]


class DemoOptions(msgspec.Struct, frozen=True):
    """What the user asked for."""

    path: Path | None = None
    find: str | None = None
    json: bool = False
    max_files: int | None = None
    seconds: float | None = None
    out: Path | None = None
    chaos: bool = False


def run(options: DemoOptions, stream: TextIO) -> Exit:
    """Index a tree, or ask an index; returns what the shell gets.

    Raises CommandError when it cannot run as asked.
    """
    index = options.out or default_path()
    if options.find is not None:
        return _search(options, index, stream)
    check_writable(index)
    root = options.path or standard_library()
    if not (root.is_dir() or root.is_file()):
        raise CommandError(f"PATH must be a folder or a file, got {str(root)!r}")
    view = SilentView() if options.json else open_view(stream)
    with quiet(), contextlib.closing(view):
        view.say(f"indexing the *.py files of {root} into {index}")
        indexing = Indexing(
            root, _files(options, root), index, view, chaos=options.chaos
        )
        report = collectorqueue.run(indexing.run(options.seconds))
    if options.json:
        _print_json(report, stream)
    else:
        _show(report, view)
    if report.interrupted:
        return Exit.INTERRUPTED
    return Exit.OK if report.ledger.closes else Exit.SOME_FAILED


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep off the terminal what is shown otherwise, or is others' business.

    Failures are counted in the ledger and shown by the report; the warnings are those
    of the sources that are parsed.
    """
    log = logging.getLogger("collectorqueue")
    handler = logging.NullHandler()  # else the root's last resort prints to stderr
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)  # the same, before 3.12
            yield
    finally:
        log.removeHandler(handler)


def _files(options: DemoOptions, root: Path) -> list[Found]:
    skip = frozenset() if options.path else NOT_STANDARD
    files = discover(root, skip)[: options.max_files]
    if not files:
        raise CommandError(f"no *.py file under {str(root)!r}")
    return files


def _show(report: Report, view: View) -> None:
    if report.interrupted:
        view.say("interrupted; what was accepted has been drained")
    for part in report_parts(report):
        if isinstance(part, str):
            view.say(part)
        else:
            view.table(part)


def _search(options: DemoOptions, index: Path, stream: TextIO) -> Exit:
    assert options.find is not None
    if options.path is not None:
        raise CommandError(
            f"--find asks the index of an earlier run and takes no PATH, "
            f"got {str(options.path)!r}"
        )
    answer = find(options.find, index)
    if options.json:
        _print_json(answer, stream)
    else:
        view = PlainView(stream)
        for line in answer_lines(answer):
            view.say(line)
    return Exit.OK if answer.lines or answer.definitions else Exit.SOME_FAILED


def _print_json(record: msgspec.Struct, stream: TextIO) -> None:
    text = json.dumps(msgspec.to_builtins(record), indent=2)  # in ASCII, for any stream
    print(text, file=stream, flush=True)
