"""For tests of programs that use a queue: virtual time, a queue that settles, leak checks.

    def test_a_reminder_is_sent_after_a_day():
        async def main():
            async with TestQueue([reminder]) as queue:
                await queue.deliver({"id": 7}, topics="order.placed")
                await asyncio.sleep(86_400)         # takes no time
                queue.assert_sent(topic="order.reminded", times=1)

        run_virtual(main())
"""

from collectorqueue.testing.leaks import no_leaks
from collectorqueue.testing.queue import TestQueue
from collectorqueue.testing.virtual import Stuck, VirtualClock, VirtualLoop, run_virtual

__all__ = [
    "Stuck", "TestQueue", "VirtualClock", "VirtualLoop", "no_leaks", "run_virtual",
]  # fmt: skip
