"""What workers say at the wrong time, or to somebody who cannot hear it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from collectorqueue import Ok
from collectorqueue.workers.messages import Ended, FromWorker, LogLine, Ready
from tests.fuzz.processors import same
from tests.fuzz.puppets import Frame, Puppet, stage
from tests.support import both_loops
from tests.workers.support import queue_of, stats_of

LINE = LogLine("tests.deaf", logging.WARNING, "text", 0.0, "file", 1, None, None, None)


class Deaf(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("it cannot hear")


def saying(*messages: FromWorker) -> Any:
    """A part: begin an event, say this, and run what there is if that was nothing wrong."""

    def part(puppet: Puppet, frame: Frame) -> None:
        for each in messages:
            puppet.line.tell(each)
        asyncio.get_running_loop().call_later(0.05, run_if_alive, puppet, frame)

    return part


def run_if_alive(puppet: Puppet, frame: Frame) -> None:
    if not puppet.is_dead:
        puppet.run(frame)


@both_loops
async def test_a_log_filter_that_raises_costs_no_other_message() -> None:
    logger = logging.getLogger("tests.deaf")
    deaf = Deaf()
    logger.addFilter(deaf)
    try:
        with stage() as play:
            play.first_words = [LINE]
            async with asyncio.timeout(5), queue_of(same, workers=1) as queue:
                assert await queue.publisher.call("same", 5) == 5
    finally:
        logger.removeFilter(deaf)


@both_loops
async def test_a_worker_that_is_ready_twice_or_ends_unasked_is_broken() -> None:
    for message in (Ready(), Ended([("same", "it says")])):
        with stage() as play:
            async with queue_of(same, workers=1) as queue:
                play.part = saying(message)
                event = await queue.publisher.send(5)
                assert (await event).first() == Ok(5)  # another ran it
                assert stats_of(queue).restarts == 1
