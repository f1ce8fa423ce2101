"""A program is run, in virtual time, and what goes wrong is said.

Rules of residence: how a program's deeds are done, and what must hold. The kinds of fault:

HANG    something has not ended long after all could have
FALSE   WouldDeadlock was raised, and the event could have ended
EARLY   publisher.wait() was over, and an event was not that could have ended before
ORDER   an event has begun before one that comes before it by their ordering key
LEFT    nothing is left to do, and the queue is not at rest
ERROR   something raised what it must not
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from collectorqueue import Batch, Collector, CollectorQueue, Payload, RateLimit, Retry
from collectorqueue.errors import CollectorQueueError, WouldDeadlock
from collectorqueue.flow.router import SimpleRouter
from collectorqueue.testing import VirtualLoop
from tests.waits.book import Book, Run
from tests.waits.program import Act, Deed, Program, Station, deeds_of

__all__ = ["Fault", "play"]

BOUND_S = 5000.0  # virtual; a program's sleeps, delays and pauses are some dozens of seconds
REST_S = 60.0  # after which the pool has its least size again
MOST_TURNS = 300_000  # of the loop, for one program


class Fault(Exception):
    """`kind` and what of it."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind} {what}")
        self.kind = kind
        self.what = what


class Failing(Exception):
    """What a handler raises on purpose."""


def play(program: Program) -> list[Fault]:
    """Run a program; what went wrong, the first first."""
    loop = TurnsLoop()
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
    with loop.clock.followed():
        asyncio.set_event_loop(loop)
        world = World(program)
        try:
            task = loop.create_task(world.run())
            task.add_done_callback(lambda _: loop.stop())
            loop.run_forever()
            if not task.done():
                what = "turns for ever" if loop.turns > MOST_TURNS else "nothing is scheduled"
                world.faults.append(Fault("HANG", what))
            elif task.exception() is not None:
                world.faults.append(Fault("ERROR", repr(task.exception())))
        finally:
            loop.end_all()
            asyncio.set_event_loop(None)
            loop.close()
    world.faults += [Fault("ERROR", each) for each in complaints]
    return world.faults


class TurnsLoop(VirtualLoop):
    """Stops after very many turns."""

    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > MOST_TURNS:
            self.stop()
        super()._run_once()  # type: ignore[misc]

    def end_all(self) -> None:
        """Cancel what is left, whatever it is."""
        self.turns = 0
        self.set_exception_handler(lambda *_: None)
        for each in asyncio.all_tasks(self):
            each.cancel()
        for _ in range(20):
            self.call_soon(self.stop)
            self.run_forever()


class Select(SimpleRouter):
    """Selects what the queue's own would."""

    def select(self, payload: Payload[Any]) -> list[str]:
        return list(super().select(payload))


class Whole(SimpleRouter):
    """Runs the collectors itself."""

    async def handle_event(self, payload: Payload[Any]) -> Any:
        return await super().handle_event(payload)


ROUTERS = {"": SimpleRouter, "select": Select, "whole": Whole}


class World:
    """One program that runs."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.book = Book(program)
        self.faults: list[Fault] = []
        self.plans = {each.number: each for each in program.events}
        self.stations = {each.key: each for each in program.stations}
        self.deeds = {
            (each.number, key): deeds for each in program.events for key, deeds in each.deeds
        }
        self.tasks: list[asyncio.Task[Any]] = []
        self.asked: set[int] = set()  # numbers that are being sent, or were
        # What the oracle does not know about.
        strays = any(each.how == "stray" for each in deeds_of(program))
        removals = any(each.kind in ("remove", "replace") for each in program.acts)
        self.has_oracle = not strays and not removals
        self.collectors = {each.key: self.collector(each) for each in program.stations}
        self.queue = CollectorQueue(
            self.collectors.values(),
            autoscale=program.autoscale,
            min_consumers=min(program.least, program.consumers),
            max_consumers=program.consumers,
            queue_type=program.order,
            capacity=program.capacity,
            overflow=program.overflow,
            propagate_context=program.propagates,
            router=ROUTERS[program.router],
            dead_letter=lambda letter: None,
        )
        if program.observed:
            self.queue.observe(self)

    def collector(self, station: Station) -> Collector:
        options: dict[str, Any] = {"topics": station.topics}
        if station.limit:
            options["max_concurrency"] = station.limit
        if station.rate:
            options["rate_limit"] = RateLimit(station.rate, 1, 1)
        if station.batch:
            options["batch"] = Batch(station.batch, wait=station.batch_wait)
        if station.tries > 1:
            options["retry"] = Retry(station.tries, backoff=station.backoff, jitter=0)
        if station.timeout:
            options["timeout"] = station.timeout
        return Collector(station.key, self.handler(station), **options)

    # -- from outside -------------------------------------------------------------------

    async def run(self) -> None:
        queue, loop = self.queue, asyncio.get_running_loop()
        await queue.start()
        begun = loop.time()
        closes_at = self.program.closes_at
        for act in self.program.acts:
            if closes_at is not None and act.at > closes_at:
                break
            await asyncio.sleep(begun + act.at - loop.time())
            self.do_from_outside(act)
        if closes_at is None:
            await self.come_to_rest()
        else:
            await asyncio.sleep(begun + closes_at - loop.time())
        closing = asyncio.create_task(queue.close(None))
        if not await self.ends([closing], BOUND_S):
            self.complain("HANG", f"close: {queue.ledger}")
            await queue.close(0)
        await self.ends(self.tasks, REST_S)

    def do_from_outside(self, act: Act) -> None:
        if act.kind == "request" and self.program.observed:
            self.begin(self.request(act.number))
        elif act.kind in ("send", "request"):
            self.begin(self.send(act.number))
        elif act.kind == "cancel" and act.number in self.book.events:
            self.book.events[act.number].cancel()
        elif act.kind == "limit":
            self.set_limit(act.key, act.number)
        elif act.kind == "bounds":
            self.queue.max_consumers = max(self.queue.min_consumers, act.number)
        elif act.kind in ("remove", "replace"):
            self.begin(self.remove(act))

    def begin(self, what: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(what)
        self.tasks.append(task)
        return task

    async def remove(self, act: Act) -> None:
        if act.key not in self.queue.collectors:
            return
        with contextlib.suppress(CollectorQueueError):
            await self.queue.remove_collector(act.key)
            if act.kind == "replace":
                again = self.collector(self.stations[act.key])
                again.max_concurrency = act.number or None
                self.collectors[act.key] = again
                await self.queue.add_collector(again)

    async def ends(self, tasks: list[asyncio.Task[Any]], seconds: float) -> bool:
        """Whether all these are done by then."""
        left = [each for each in tasks if not each.done()]
        return not left or not (await asyncio.wait(left, timeout=seconds))[1]

    async def come_to_rest(self) -> None:
        """All that was sent ends by itself, and then nobody is left who waits."""
        queue = self.queue
        end = asyncio.get_running_loop().time() + BOUND_S
        while await self.is_busy():
            left = end - asyncio.get_running_loop().time()
            everything = asyncio.create_task(queue.publisher.wait())
            if left <= 0 or not await self.ends([everything], left):
                return self.complain("HANG", self.what_is_left())
            await self.ends(self.tasks, min(1.0, left))
        await asyncio.sleep(REST_S)
        metrics = queue.metrics
        least = queue.min_consumers if self.program.autoscale else queue.max_consumers
        fits = least <= queue.consumers <= queue.max_consumers
        if metrics.blocked or not fits or not queue.ledger.closes:
            self.complain("LEFT", f"blocked={metrics.blocked} consumers={queue.consumers}")
        return None

    async def is_busy(self) -> bool:
        """Whether something is left to do, once what was begun has had its turn."""
        await asyncio.sleep(0)
        has_ended = await self.ends(self.tasks, 0)
        return not has_ended or bool(self.queue.ledger.queued or self.queue.ledger.in_flight)

    def what_is_left(self) -> str:
        book = self.book
        waits = [
            f"{run.key}{run.numbers} waits for {run.waits}{' and all' * bool(run.for_all)}"
            for run in book.runs
        ]
        left = sorted(number for number in book.events if not book.is_over(number))
        return f"events {left} are left; {'; '.join(waits)}; consumers {self.queue.consumers}"

    def complain(self, kind: str, what: str) -> None:
        self.faults.append(Fault(kind, what))

    # -- sends --------------------------------------------------------------------------

    def payload(self, number: int) -> Payload[int]:
        plan = self.plans[number]
        options: dict[str, Any] = {}
        if plan.keys:
            options["keys"] = plan.keys
        elif plan.topic:
            options["topics"] = plan.topic
        return Payload(
            number,
            ordering_key=plan.ordering_key or None,
            delay=plan.delay or None,
            ttl=plan.ttl or None,
            priority=plan.priority,
            **options,
        )

    async def send(self, number: int) -> None:
        """Send an event, unless it has been."""
        if number in self.asked:
            return
        self.asked.add(number)
        try:
            event = await self.queue.publisher.send(self.payload(number))
        except CollectorQueueError:
            self.asked.discard(number)
        else:
            self.note_accepted(number, event)

    async def request(self, number: int) -> None:
        """Send it by a request."""
        if number not in self.asked:
            self.asked.add(number)
            with contextlib.suppress(CollectorQueueError):
                await self.queue.publisher.request(self.payload(number))

    def send_nowait(self, number: int) -> None:
        if number in self.asked:
            return
        with contextlib.suppress(CollectorQueueError):
            event = self.queue.publisher.send_nowait(self.payload(number))
            self.asked.add(number)
            self.note_accepted(number, event)

    def note_accepted(self, number: int, event: Any) -> None:
        if number not in self.book.events:
            self.book.accepted(number, event, asyncio.get_running_loop().time())

    def on_sent(self, event: Any) -> None:
        """Called by the queue, where it is observed."""
        self.note_accepted(event.payload.value, event)

    def set_limit(self, key: str, limit: int) -> None:
        self.book.set_limit(key, limit)
        self.collectors[key].max_concurrency = limit or None
        asyncio.get_running_loop().call_soon(self.book.new_turn, self.book.judged)

    # -- handlers -----------------------------------------------------------------------

    def handler(self, station: Station) -> Callable[[Any], Any]:
        async def handle(given: Any) -> None:
            numbers = [each.value for each in given] if station.batch else [given.value]
            run = self.begun(station.key, numbers)
            is_good = False
            try:
                for number in numbers:
                    await self.do_all(run, number)
                is_good = True
            finally:
                self.book.end(run, is_good=is_good)

        def plain(payload: Payload[int]) -> None:
            run = self.begun(station.key, [payload.value])
            is_good = False
            try:
                for deed in self.deeds.get((payload.value, station.key), ()):
                    self.do_now(run, payload.value, deed)
                is_good = True
            finally:
                self.book.end(run, is_good=is_good)

        def lazy(payload: Payload[int]) -> Any:
            return handle(payload)

        return {"async": handle, "plain": plain, "lazy": lazy}[station.form]

    def begun(self, key: str, numbers: list[int]) -> Run:
        run = self.book.begin(key, numbers)
        if passed := self.book.passed(run):
            self.complain("ORDER", f"{key}{numbers} begins before {passed}")
        return run

    async def do_all(self, run: Run, number: int) -> None:
        catches = self.plans[number].catches
        for deed in self.deeds.get((number, run.key), ()):
            try:
                await self.do(run, number, deed)
            except (CollectorQueueError, TimeoutError, ExceptionGroup):
                if not catches:
                    raise

    def do_now(self, run: Run, number: int, deed: Deed) -> None:
        """What takes no time; a plain function leaves out the rest."""
        if deed.kind == "fail":
            if self.book.attempts[number, run.key] <= deed.number:
                raise Failing
        elif deed.kind == "limit":
            self.set_limit(deed.key, deed.number)
        elif deed.kind == "cancel":
            if deed.number in self.book.events:
                self.book.events[deed.number].cancel()
        elif deed.kind == "send":
            self.send_nowait(deed.number)

    async def do(self, run: Run, number: int, deed: Deed) -> None:
        if deed.kind == "sleep":
            await asyncio.sleep(deed.seconds)
        elif deed.kind == "several":
            await together(deed.how, [self.do(run, number, each) for each in deed.inner])
        elif deed.kind in ("ask", "request", "all"):
            await self.somehow(deed, self.wait_as(run, deed))
        else:
            self.do_now(run, number, deed)

    async def somehow(self, deed: Deed, waiting: Coroutine[Any, Any, None]) -> None:
        if deed.how == "timeout":
            async with asyncio.timeout(deed.seconds):
                await waiting
        elif deed.how == "task":
            await asyncio.create_task(waiting)
        elif deed.how == "stray":
            self.begin(quietly(waiting))
            await asyncio.sleep(0)
        elif deed.how == "plain":
            await waiting
        else:
            await together(deed.how, [waiting, asyncio.sleep(0)])

    async def wait_as(self, run: Run, deed: Deed) -> None:
        if deed.kind == "all":
            return await self.wait_for_all(run)
        if deed.kind == "request" and self.program.observed and deed.number not in self.asked:
            self.asked.add(deed.number)
            publisher = self.queue.publisher
            asked = publisher.request(self.payload(deed.number))
            return await self.wait_for(run, deed.number, asked)
        self.send_nowait(deed.number)
        if deed.number in self.book.events:
            await self.wait_for(run, deed.number, self.book.events[deed.number].wait())
        return None

    async def wait_for(self, run: Run, number: int, waiting: Awaitable[Any]) -> None:
        with self.book.waiting(run, number):
            try:
                await waiting
            except WouldDeadlock as error:
                self.judge(number, error)
                raise

    def judge(self, number: int, error: WouldDeadlock) -> None:
        """A handler was refused to wait: rightly?"""
        asyncio.get_running_loop().call_soon(self.book.new_turn, self.book.judged)
        if self.has_oracle and number in self.book.events and self.book.could_end(number):
            waits = [(run.key, run.numbers, run.waits) for run in self.book.runs if run.waits]
            self.complain("FALSE", f"event {number} could end: {error}; waits: {waits}")

    async def wait_for_all(self, run: Run) -> None:
        with self.book.waiting_for_all(run) as wait:
            await self.queue.publisher.wait()
            if self.has_oracle and (left := self.book.left_out(wait)):
                self.complain("EARLY", f"{run.key}{run.numbers} did not wait for {left}")


async def together(how: str, all_of: list[Coroutine[Any, Any, Any]]) -> None:
    """Do several things at once, and wait for all of them; raise the first error after that."""
    if how == "gather":
        found = await asyncio.gather(*all_of, return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return
    async with asyncio.TaskGroup() as group:
        for each in all_of:
            group.create_task(each)


async def quietly(waiting: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(CollectorQueueError, TimeoutError):
        await waiting
