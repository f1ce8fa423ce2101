"""`collectorqueue pipe`: JSON lines in, through a queue of the user's own, results out.

    target names the queue; carrying moves the lines; records says what is in them;
    lines and blocking know of bytes only.
"""

from __future__ import annotations

import contextlib
import sys

import collectorqueue
from collectorqueue.cli.errors import CommandError, Exit
from collectorqueue.cli.pipe.carrying import Carrying
from collectorqueue.cli.pipe.target import load

__all__ = ["DESCRIPTION", "run"]

DESCRIPTION = """\
Reads JSON lines from standard input:
  {"value": ..., "topics": "order.paid"}      or "keys"; neither means broadcast
  {"value": ..., "priority": 10}              lower first, for a PRIORITY queue
  {"value": ..., "ordering_key": "a"}         one of a key at a time, in order
  {"value": ..., "delay": 1.5, "ttl": 60}     seconds
and writes one for each event to standard output, as soon as it has ended:
  {"line": 1, "outcome": "ok", "results": [{"collector": "receipt", "ok": 42}]}
  {"line": 2, "outcome": "failed", "results": [{"collector": "receipt",
                                                "error": "..."}]}

Malformed lines are reported on standard error. What collectors print goes there, too.
Exit code: 0 all well, 1 some lines failed, 2 could not run.
"""


def run(path: str, ordered: bool, *, source: int, sink: int) -> Exit:
    """Carry lines from one file descriptor to the other; returns what the shell gets.

    Raises CommandError when it cannot run. A closed sink ends it quietly.
    """
    with contextlib.redirect_stdout(sys.stderr):  # the sink is for results alone
        return collectorqueue.run(_run(path, ordered, source, sink))


async def _run(path: str, ordered: bool, source: int, sink: int) -> Exit:
    carrying = Carrying(load(path), ordered, _complain)
    is_wanted = True
    try:
        await carrying.run(source, sink)
    except* BrokenPipeError:
        is_wanted = False
    except* (CommandError, OSError) as refused:
        raise first_of(refused) from None
    if carrying.unreadable:
        raise CommandError(carrying.unreadable)
    has_failures = bool(carrying.failed or carrying.malformed)
    if has_failures and is_wanted:
        _complain(
            f"{carrying.well:,} ok, {carrying.failed:,} failed, "
            f"{carrying.malformed:,} malformed"
        )
    if carrying.is_interrupted:
        return Exit.INTERRUPTED
    return Exit.SOME_FAILED if has_failures else Exit.OK


def first_of(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first that is no group itself."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _complain(text: str) -> None:
    print(f"collectorqueue pipe: {text}", file=sys.stderr, flush=True)
