"""Cancelling from outside at every turn of the loop, and of what that was done.

Rules of residence: how it is cancelled. What must hold then is said by the tests.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import collectorqueue
import collectorqueue.testing
from tests.faults.harness import me
from tests.support import ticks

__all__ = ["COVERED", "Steps", "at_every_tick", "cancelled_after", "public_awaits"]

OFFSETS = 51  # turns of the loop after which it is cancelled: 0 to 50

COVERED: set[str] = set()  # the public awaits that tests cancel


class Steps:
    """A lifecycle that takes some turns, and remembers what was entered and left."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.left: list[str] = []

    def __call__(self, key: str) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def lifecycle(ctx: Any) -> AsyncIterator[None]:
            await ticks(2)
            self.entered.append(key)
            try:
                yield
                await ticks(2)
            finally:
                self.left.append(key)

        return lifecycle

    @property
    def balanced(self) -> bool:
        return sorted(self.entered) == sorted(self.left)


async def cancelled_after(offset: int, operation: Any) -> Any:
    """Cancel it then. What it returned; None if it was cancelled."""

    async def run() -> Any:
        try:
            return await operation
        except asyncio.CancelledError:
            assert me().cancelling() == 1
            raise

    task = asyncio.create_task(run())
    await ticks(offset)
    cancelled = task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.done(), "it hangs"
    if offset == 0:
        operation.close()  # it was not even begun
    else:
        assert task.cancelled() == cancelled, "a cancellation was swallowed"
    return None if task.cancelled() else task.result()


def at_every_tick(*names: str, first: int = 0, step: int = 1) -> Callable[[Any], Any]:
    """A test that takes an `offset` runs with each, and none leaves a task behind.

    `names`: the public awaits that it cancels. `first` is 1 for what must have begun.
    """
    COVERED.update(names)

    def repeated(test: Any) -> Any:
        @functools.wraps(test)
        async def run(**arguments: Any) -> None:
            before = asyncio.all_tasks()
            for offset in range(first, OFFSETS, step):
                try:
                    await test(offset=offset, **arguments)
                    await ticks(5)
                    assert asyncio.all_tasks() == before, "it leaves tasks"
                except BaseException as exc:
                    exc.add_note(f"cancelled after {offset} turns of the loop")
                    raise

        signature = inspect.signature(test)
        others = [
            each for each in signature.parameters.values() if each.name != "offset"
        ]
        run.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return run

    return repeated


def public_awaits() -> set[str]:
    """All that a program may await of this package, as Class.method."""
    return {
        f"{owner.__name__}.{name}"
        for module in (collectorqueue, collectorqueue.testing)
        for exported in map(module.__dict__.get, module.__all__)
        if inspect.isclass(exported)
        for owner in exported.__mro__
        if owner.__module__.startswith("collectorqueue")
        and not owner.__name__.startswith("_")
        for name in awaited_methods(owner)
    }


def awaited_methods(owner: type) -> Iterator[str]:
    """The public methods of a class that are to be awaited."""
    for name, method in vars(owner).items():
        inner = getattr(method, "__wrapped__", method)
        is_awaited = inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(
            inner
        )
        if is_awaited and (
            not name.startswith("_") or name in ("__aenter__", "__aexit__")
        ):
            yield name
    if "._native." in owner.__module__:
        yield from awaited_by_stub(owner)


def awaited_by_stub(owner: type) -> Iterator[str]:
    """The same of a compiled class, as its type stub has it."""
    package = Path(collectorqueue.__file__).parent / "_native"
    stub = package / f"{owner.__module__.rpartition('.')[2]}.pyi"
    classes = [
        each
        for each in ast.parse(stub.read_text()).body
        if isinstance(each, ast.ClassDef)
    ]
    awaitables = ["Coroutine"] + [
        each.name
        for each in classes
        if any("Coroutine" in ast.unparse(base) for base in each.bases)
    ]
    for each in classes:
        if each.name != owner.__name__:
            continue
        for method in each.body:
            if not isinstance(method, ast.FunctionDef) or method.returns is None:
                continue
            returned = ast.unparse(method.returns)
            if method.name == "__await__" or any(
                name in returned for name in awaitables
            ):
                yield method.name
