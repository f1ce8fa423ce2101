"""SIGTERM and SIGINT: the first drains, the second aborts; then all is as before."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import threading
from typing import Any

import pytest

import collectorqueue
from collectorqueue import Collector, CollectorQueue
from collectorqueue.errors import ConfigError
from tests.faults.harness import ended, program, script
from tests.support import Log, both_loops, ticks

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
NUMBERS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])

PROGRAM = """
    import asyncio, sys
    import collectorqueue
    from collectorqueue import Collector, CollectorQueue

    loop, how, seconds, lifecycle_seconds = sys.argv[1:5]

    async def handler(payload):
        await asyncio.sleep(float(seconds))

    class Lifecycle:
        def __init__(self, ctx):
            pass
        async def __aenter__(self):
            pass
        async def __aexit__(self, *_):
            await asyncio.sleep(float(lifecycle_seconds))
            print("lifecycle left", flush=True)

    queue = CollectorQueue(
        [Collector("h", handler, lifecycle=Lifecycle)],
        max_consumers=2, drain_timeout=60)

    def report():
        sum = queue.drain_report.ledger
        print(f"ok={sum.ok} aborted={sum.aborted} closes={sum.closes}", flush=True)

    async def body():
        await queue.publisher.send_many(range(4))
        print("ready", flush=True)
        await asyncio.sleep(3600)

    async def main():
        try:
            async with queue:
                if how == "run":
                    await body()
                else:
                    async with queue.shutdown_on_signals():
                        await body()
        finally:
            report()
        print("main goes on", flush=True)
        return "value"

    try:
        value = collectorqueue.run(main(), loop=loop) if how == "run" else (
            asyncio.run(main()))
        print(value)
    finally:
        print("cleaned up", flush=True)
"""


def started(loop: str, how: str, seconds: str, lifecycle: str = "0") -> Any:
    process = program(PROGRAM, loop, how, seconds, lifecycle)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@NUMBERS
@LOOPS
def test_run_drains_on_the_first_signal(loop: str, number: signal.Signals) -> None:
    process = started(loop, "run", "0.1")
    process.send_signal(number)
    code, out, err = ended(process)
    assert out.splitlines() == [
        "lifecycle left",
        "ok=4 aborted=0 closes=True",
        "cleaned up",
    ]
    if number == signal.SIGTERM:
        assert code == 143, err
        assert "Traceback" not in err, err
    else:
        assert code in (130, -signal.SIGINT), err
        assert "KeyboardInterrupt" in err


@pytest.mark.slow
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@NUMBERS
@LOOPS
def test_run_aborts_on_the_second_signal(
    loop: str, number: signal.Signals, second: signal.Signals
) -> None:
    process = started(loop, "run", "3600")
    process.send_signal(number)
    process_sleeps(process)
    process.send_signal(second)
    code, out, err = ended(process)
    assert out.splitlines() == [
        "lifecycle left",
        "ok=0 aborted=4 closes=True",
        "cleaned up",
    ]
    assert code in ((143,) if number == signal.SIGTERM else (130, -signal.SIGINT)), err


@pytest.mark.slow
@LOOPS
def test_three_signals_and_a_slow_exit_do_not_skip_the_lifecycle(loop: str) -> None:
    process = started(loop, "run", "3600", "0.5")
    for _ in range(4):
        process.send_signal(signal.SIGTERM)
        process_sleeps(process, 0.1)
    code, out, err = ended(process)
    assert out.splitlines() == [
        "lifecycle left",
        "ok=0 aborted=4 closes=True",
        "cleaned up",
    ]
    assert code == 143, err


@pytest.mark.slow
@NUMBERS
def test_shutdown_on_signals_drains_and_the_program_goes_on(
    number: signal.Signals,
) -> None:
    process = started("asyncio", "shutdown_on_signals", "0.1")
    process.send_signal(number)
    code, out, err = ended(process)
    assert out.splitlines() == [
        "lifecycle left",
        "ok=4 aborted=0 closes=True",
        "main goes on",
        "value",
        "cleaned up",
    ]
    assert code == 0, err


@pytest.mark.slow
@NUMBERS
def test_shutdown_on_signals_aborts_on_the_second(number: signal.Signals) -> None:
    process = started("asyncio", "shutdown_on_signals", "3600")
    process.send_signal(number)
    process_sleeps(process)
    process.send_signal(number)
    code, out, err = ended(process)
    assert out.splitlines()[:3] == [
        "lifecycle left",
        "ok=0 aborted=4 closes=True",
        "main goes on",
    ], err
    assert code == 0, err


def process_sleeps(process: subprocess.Popen[str], seconds: float = 0.2) -> None:
    """Give a program the time to see a signal: no event says that it has."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(f"it ended at once: {process.communicate()}")


@pytest.mark.slow
def test_a_signal_while_it_starts_leaves_what_was_entered() -> None:
    process = program(
        """
        import asyncio, collectorqueue
        from collectorqueue import Collector, CollectorQueue

        class Lifecycle:
            def __init__(self, key): self.key = key
            async def __aenter__(self):
                print("ready" if self.key == "b" else self.key, flush=True)
                await asyncio.sleep(3600 if self.key == "b" else 0)
            async def __aexit__(self, *_):
                print("left", self.key, flush=True)

        async def main():
            async with CollectorQueue([
                Collector(key, print, lifecycle=lambda ctx, key=key: Lifecycle(key))
                for key in "ab"
            ]):
                print("not reached")

        collectorqueue.run(main())
        """
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "a\n"
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    code, out, err = ended(process)
    assert (code, out) == (143, "left a\n"), err


@LOOPS
def test_run_returns_the_value_and_puts_the_handlers_back(loop: str) -> None:
    def own(number: int, frame: Any) -> None:
        """A handler of the application."""

    async def main() -> str:
        assert signal.getsignal(signal.SIGTERM) is not own
        return "value"

    before = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        signal.signal(signal.SIGTERM, own)
        assert collectorqueue.run(main(), loop=loop) == "value"
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert collectorqueue.run(main(), loop=loop) == "value"
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@LOOPS
def test_run_raises_what_main_raises_and_puts_the_handlers_back(loop: str) -> None:
    async def main() -> None:
        raise ValueError("of main")

    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(ValueError, match=r"^of main$"):
        collectorqueue.run(main(), loop=loop)
    with pytest.raises(asyncio.CancelledError):
        collectorqueue.run(cancels_itself(), loop=loop)
    after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert after == before


def test_run_takes_the_best_loop_there_is() -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert collectorqueue.run(main()).startswith("uvloop")
    assert collectorqueue.run(main(), loop="uvloop").startswith("uvloop")
    assert collectorqueue.run(main(), loop="asyncio").startswith("asyncio")
    factory = asyncio.SelectorEventLoop
    assert collectorqueue.run(main(), loop=factory).startswith("asyncio")


def test_run_refuses_an_unknown_loop() -> None:
    async def main() -> None:
        """Never awaited: the loop is looked for first."""

    coroutine = main()
    with pytest.raises(ConfigError):
        collectorqueue.run(coroutine, loop="trio")
    coroutine.close()


@both_loops
async def test_run_inside_a_running_loop_is_refused() -> None:
    async def main() -> None:
        """Cannot be run here."""

    coroutine = main()
    with pytest.raises(RuntimeError):
        collectorqueue.run(coroutine, loop="asyncio")
    coroutine.close()


@both_loops
async def test_shutdown_on_signals_puts_the_handlers_back() -> None:
    def own(number: int, frame: Any) -> None:
        """A handler of the application."""

    before = signal.signal(signal.SIGTERM, own)
    try:
        async with CollectorQueue([Collector("log", Log())]) as queue:
            for _ in range(2):
                async with queue.shutdown_on_signals():
                    assert signal.getsignal(signal.SIGTERM) is not own
                assert signal.getsignal(signal.SIGTERM) is own
            with pytest.raises(ValueError, match=r"^of the body$"):
                async with queue.shutdown_on_signals():
                    raise ValueError("of the body")
            assert signal.getsignal(signal.SIGTERM) is own
            assert queue.is_running
    finally:
        signal.signal(signal.SIGTERM, before)


@both_loops
async def test_a_cancellation_that_is_no_signal_passes_shutdown_on_signals() -> None:
    async def body() -> None:
        async with queue.shutdown_on_signals():
            await asyncio.Event().wait()

    async with CollectorQueue([Collector("log", Log())]) as queue:
        task = asyncio.create_task(body())
        await ticks(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_outside_of_the_main_thread_signals_are_left_alone(caplog: Any) -> None:
    seen = []

    async def main() -> None:
        queue = CollectorQueue([Collector("log", Log())])
        async with queue, queue.shutdown_on_signals():
            seen.append(await queue.publisher.call("log", "value"))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join(10)
    other = threading.Thread(target=lambda: seen.append(collectorqueue.run(main())))
    other.start()
    other.join(10)
    assert seen == ["value", "value", None]
    assert signal.getsignal(signal.SIGTERM) is before


@LOOPS
def test_run_in_debug_mode(loop: str) -> None:
    async def main() -> bool:
        async with CollectorQueue([Collector("log", Log())]) as queue:
            await queue.publisher.request(1)
        return asyncio.get_running_loop().get_debug()

    assert collectorqueue.run(main(), loop=loop, debug=True) is True


def test_a_signal_inside_a_handler_of_a_queue_drains() -> None:
    code, out, err = script(
        """
        import asyncio, os, signal, collectorqueue
        from collectorqueue import Collector, CollectorQueue

        async def handler(payload):
            if payload.value == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0)

        async def main():
            collectors = [Collector("h", handler)]
            main.queue = queue = CollectorQueue(collectors, max_consumers=1)
            async with queue:
                await queue.publisher.send_many(range(10))
                await asyncio.sleep(3600)

        try:
            collectorqueue.run(main())
        finally:
            print(main.queue.drain_report.ledger.ok)
        """
    )
    assert (code, out) == (143, "10\n"), err


@pytest.mark.slow
@NUMBERS
@LOOPS
def test_what_handled_signals_before_does_so_again(
    loop: str, number: signal.Signals
) -> None:
    code, out, err = script(
        """
        import asyncio, os, signal, sys
        import collectorqueue
        from collectorqueue import CollectorQueue

        async def main():
            loop = asyncio.get_running_loop()
            called = asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR1, called.set)
            async with CollectorQueue() as queue, queue.shutdown_on_signals():
                os.kill(os.getpid(), signal.SIGUSR1)
                await called.wait()
            print("left", flush=True)
            os.kill(os.getpid(), int(sys.argv[2]))
            await asyncio.sleep(3600)

        collectorqueue.run(main(), loop=sys.argv[1])
        """,
        loop,
        str(int(number)),
    )
    assert out == "left\n", err
    assert code == (143 if number == signal.SIGTERM else -signal.SIGINT), err


@LOOPS
def test_a_handler_of_the_loops_own_is_there_again(loop: str) -> None:
    heard: list[str] = []

    async def main() -> None:
        own = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.set)
        async with CollectorQueue() as queue, queue.shutdown_on_signals():
            pass
        signal.raise_signal(signal.SIGTERM)
        await own.wait()
        heard.append("own")

    collectorqueue.run(without_its_signals(main()), loop=loop)
    assert heard == ["own"]


async def without_its_signals(main: Any) -> None:
    """As under a program's own runner: nothing of `run` is to be called."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        await main
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


@both_loops
async def test_a_signal_in_the_last_turn_of_the_body_drains() -> None:
    """It is heard when the body is over already."""

    async def takes_turns(payload: Any) -> None:
        await ticks(3)

    queue = CollectorQueue([Collector("takes_turns", takes_turns)], max_consumers=1)
    async with queue:
        async with queue.shutdown_on_signals():
            await queue.publisher.send_many(range(10))
            signal.raise_signal(signal.SIGTERM)
        await ticks(1)
    assert queue.ledger.ok == 10
