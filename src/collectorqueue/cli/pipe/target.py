"""`module:queue`: from an import path to a queue.

Rules of residence: importing, and saying clearly what went wrong with it.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from collectorqueue import CollectorQueue
from collectorqueue.cli.errors import CommandError
from collectorqueue.cli.words import describe

__all__ = ["load"]


def load(path: str) -> CollectorQueue:
    """Import a queue, or call the function that makes it; the current folder counts.

    Raises CommandError.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise CommandError(f"the queue must be named as module:queue, got {path!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    module = _import(module_name)
    found: object = module
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise CommandError(
            f"no {name!r} in {module_name!r}; queues in it: {_queues(module)}"
        ) from error
    if not isinstance(found, CollectorQueue) and callable(found):
        found = _call(found, path)
    if not isinstance(found, CollectorQueue):
        raise CommandError(
            f"{path!r} must be a CollectorQueue or a function that makes one, "
            f"got {found!r}"
        )
    return found


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise _failed(f"importing {name!r}", error) from error  # it imports another
        raise CommandError(
            f"no module {name!r}; looked in {os.getcwd()!r} and on sys.path"
        ) from error
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise _failed(f"importing {name!r}", error) from error


def _call(function: Callable[[], object], path: str) -> object:
    try:
        return function()
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise _failed(f"calling {path!r}", error) from error


def _failed(doing: str, error: BaseException) -> CommandError:
    *_, at = traceback.extract_tb(error.__traceback__)
    place = f"{Path(at.filename).name}:{at.lineno}"
    return CommandError(f"{doing} raised {describe(error)} ({place})")


def _queues(module: ModuleType) -> str:
    names = [
        repr(name)
        for name, value in vars(module).items()
        if isinstance(value, CollectorQueue)
    ]
    return ", ".join(names) or "none"
