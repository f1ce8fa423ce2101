"""Does what is installed work at all? An event by the loop and, on Linux, one by a worker."""

from __future__ import annotations

import sys

import collectorqueue
from collectorqueue import Collector, CollectorQueue, Payload


def double(payload: Payload[int]) -> int:
    return 2 * payload.value


async def main() -> None:
    collectors = [Collector("here", double)]
    if sys.platform == "linux":
        collectors.append(Collector("there", double, runs_in="process"))
    async with CollectorQueue(collectors) as queue:
        for each in collectors:
            assert await queue.publisher.call(each.key, 21) == 42
    print("collectorqueue", collectorqueue.__version__, collectorqueue.__file__)


if __name__ == "__main__":
    collectorqueue.run(main())
