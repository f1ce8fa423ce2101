"""Why a rival wins where it does, in a sentence: what it leaves out, or does better.

Rules of residence: a reason is about how a rival works, not about how much it wins by.
By the rival and how the case's name begins; the most specific one counts.
"""

from __future__ import annotations

__all__ = ["UNEXPLAINED", "reason_for"]

UNEXPLAINED = "Nobody has found out why yet."

_BY_HAND = (
    "An item is a payload and a future, and that is all: no routing, no list of "
    "results, no metrics, no bound here, and context variables that a handler sets "
    "leak into the next."
)
_BLOCKING = (
    "It blocks the thread until the answer is there, so nothing else runs meanwhile; "
    "ours waits on the loop, which goes on, and is woken through it."
)
_FORKED = (
    "By fork of the parent, Python's default on Linux before 3.14, the child has every "
    "module already. Ours come from a server that is started by exec, which keeps the "
    "parent's threads and locks out of them, and import the handler's module anew."
)
_WORKERS = (
    "Its workers take an item, await, and set a future; ours route each event, give it "
    "a context of its own, and keep its results."
)
_REASONS = {
    ("floor", ""): "No queue at all: the handler is awaited where its payload is made. "
    "Nothing is bounded, counted, routed or kept apart.",
    (
        "25-line loop",
        "",
    ): "A deque and one worker that runs without a pause: no bound, no "
    "errors, no routing, no second consumer, no metrics.",
    ("25-line loop", "round-trip"): "Its answer is one object in one field; ours is a "
    "list of results, and the event passes a router and a ledger.",
    (
        "25-line loop",
        "memory",
    ): "Three fields: a payload, a result, a future. Ours also "
    "has its place in line, its outcome, and when it was sent.",
    ("asyncio.Queue", ""): _BY_HAND,
    (
        "asyncio.Queue",
        "consumers",
    ): "Its workers all exist from the start and only take, "
    "await, set; ours route each event and give it a context of its own.",
    ("asyncio.Queue", "sleeping"): _WORKERS,
    ("aiochannel", ""): _BY_HAND,
    ("aiochannel", "sleeping"): _WORKERS,
    (
        "create_task",
        "",
    ): "Nothing is queued: each event is started at once, however many "
    "there are, and the loop's own machinery, which is in C, does the rest.",
    (
        "create_task",
        "responsiveness",
    ): "A tenth of the events, and each is a step of its "
    "own in the loop, between which timers are served.",
    ("blinker", ""): "No queue, no task: the sender itself awaits the receivers, so it "
    "neither waits for a turn of the loop nor is served while they run.",
    (
        "blinker",
        "fan-out",
    ): "It awaits its receivers one after the other, in the sender. "
    "Our async def collectors run side by side, in tasks; plain functions do not.",
    (
        "pyee",
        "",
    ): "It starts a task and forgets it: nothing comes back to the sender, and "
    "nothing bounds how many there are.",
    (
        "pyee",
        "fan-out",
    ): "A task a handler, as ours have for async def; but results are "
    "thrown away, where ours are put together for the sender.",
    ("taskiq", ""): "Each call is awaited where it is sent, or is a task of the loop: "
    "nothing queues.",
    (
        "bubus",
        "responsiveness",
    ): "It takes several turns of the loop for each event, so "
    "timers are served between any two. All of them together take far longer.",
    (
        "call_soon_threadsafe",
        "",
    ): "An asyncio.Queue without a bound: a thread never waits "
    "for room, and nothing is routed, counted or given back.",
    ("janus", ""): "Items only: nothing is routed, counted or given back.",
    ("culsans", ""): "Items only: nothing is routed, counted or given back.",
    ("aiologic", ""): "Items only: nothing is routed, counted or given back.",
    (
        "pyzmq",
        "",
    ): "Batches are made by hand, and a batch is encoded as one: no event, no "
    "outcome and no error of an item of its own, and no replacement of a lost worker.",
    (
        "faster-fifo",
        "",
    ): "A ring in shared memory, written in batches by hand: no event, no "
    "outcome and no error of an item of its own, and no replacement of a lost worker.",
    ("Pool.imap", ""): "Items go in chunks that are pickled as one, and it blocks the "
    "thread that iterates: there is no loop to serve meanwhile.",
    (
        "bare processes",
        "",
    ): "They have all items from the start: nothing is sent, and the "
    "parent takes no share of the cores. It is the most that the work allows.",
    ("inline", ""): "Nothing is encoded or sent: the collector is called on the loop, "
    "which is held for as long as it takes.",
    ("ProcessPoolExecutor", "start-up"): _FORKED,
    ("pebble", "start-up"): _FORKED,
    ("Pool.imap", "start-up"): _FORKED,
    ("faster-fifo", "start-up"): _FORKED,
    ("pyzmq", "start-up"): _FORKED,
    ("pyzmq", "round-trip"): _BLOCKING,
    ("faster-fifo", "round-trip"): _BLOCKING,
}


def reason_for(rival: str, case: str) -> str:
    """The reason that fits best, or UNEXPLAINED."""
    fitting = [
        (begins, reason)
        for (name, begins), reason in _REASONS.items()
        if name == rival and case.startswith(begins)
    ]
    return max(fitting, key=lambda each: len(each[0]))[1] if fitting else UNEXPLAINED
