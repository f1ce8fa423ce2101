"""The reference: what a queue may do, and what it must have done once it is at rest.

It is told in order what becomes of each event: `accepted`, `started`, `part_ended`,
`settled`. What may not happen then is a Violation, named by its invariant; `check_rest`
finds what should have happened and has not. It is lists, sums and comparisons.

Not predicted, only bounded: which of several events at one collector's limit is first,
unless the queue is FIFO and none was delayed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf

__all__ = ["BACKOFF_S", "Item", "Reference", "Sender", "Shape", "Violation"]

BACKOFF_S = 1.45  # of the collector "again"
EARLY_S = 1e-6  # the queue counts in whole nanoseconds
ATTEMPTS = {"again": 2}
OUTCOMES = ("ok", "failed", "unrouted", "dropped", "aborted")


class Violation(AssertionError):
    """The queue did what it may not do, or did not do what it must."""


def require(claim: object, invariant: str, what: object) -> None:
    """Raise a Violation of this invariant unless the claim holds."""
    if not claim:
        raise Violation(f"{invariant}: {what}")


@dataclass(frozen=True)
class Shape:
    """What a queue is made with."""

    order: str = "fifo"
    overflow: str = "wait"
    capacity: int = 3
    min_consumers: int = 1
    max_consumers: int = 2
    autoscale: bool = True
    ageing: int = 3
    has_policies: bool = False  # the collectors "again" and "narrow", and no broadcasts
    has_router: bool = False  # one of its own, that raises for payloads marked so


@dataclass(eq=False, repr=False)
class Item:
    """One payload, and what is known of it."""

    number: int
    keys: tuple[str, ...] = ()
    topic: str | None = None  # neither: for all
    priority: int = 0
    ordering_key: str | None = None
    delay: float = 0.0
    ttl: float = inf
    is_from_inside: bool = False  # sent by a handler
    upsets_router: bool = False
    on_cancel: str = "obeys"
    plain_answer: str = "value"
    # What became of it.
    state: str = "outside"  # then refused, or queued, running, and its outcome
    sequence: int = 0
    arrival: int = 0  # in the lane
    due: float = 0.0  # not to be started before
    expires: float = inf
    starts: int = 0
    parts: dict[str, str | None] = field(default_factory=dict)  # collector: its answer
    failures: int = 0  # names among its keys that nobody has
    is_given_up: bool = False  # somebody cancelled it
    is_left_by_drain: bool = False
    is_late: bool = False  # it would be tried again after the drain's deadline

    def __repr__(self) -> str:
        to = ",".join(self.keys) or self.topic or "all"
        key = f" key={self.ordering_key}" if self.ordering_key else ""
        return f"event {self.number} ({self.state}, to {to}{key}, {self.parts or ''})"

    @property
    def is_over(self) -> bool:
        """Whether it has its outcome."""
        return self.state in OUTCOMES


@dataclass(eq=False)
class Sender:
    """Somebody outside who sends these, one after the other."""

    items: list[Item]
    has_left: bool = False


GOOD = {"value", "Ok", "minds its own timeout", "swallows its own cancel"}
TRIED_AGAIN = {"ValueError", "Error(ValueError)", "StopIteration"}


class Reference:
    """The state that one queue should have."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.max_consumers = shape.max_consumers
        self.min_consumers = shape.min_consumers
        self.limits = {"narrow": 1} if shape.has_policies else {}
        self.keys = ["first", "second", "plain"]
        if shape.has_policies:
            self.keys += ["again", "narrow"]
        self.begin()

    def begin(self) -> None:
        """The queue has been started, with a fresh ledger."""
        self.phase = "open"  # then draining, and over: closed or broken
        self.is_broken = False
        self.deadline = inf
        self.items: dict[int, Item] = {}
        self.lines: dict[str, list[Item]] = {}  # of a key; the first is on its way
        self.delayed: list[Item] = []
        self.blocked: list[Sender] = []
        self.incoming: Item | None = None
        self.started_numbers: list[int] = []
        self.arrivals = 0

    # -- sums -------------------------------------------------------------------------

    def those(self, state: str) -> list[Item]:
        """The items in this state, in the order they were accepted."""
        return [item for item in self.items.values() if item.state == state]

    def ledger(self) -> dict[str, int]:
        """I1: every accepted event is in exactly one of the others."""
        counts = Counter(item.state for item in self.items.values())
        sums = {outcome: counts[outcome] for outcome in OUTCOMES}
        return {
            "accepted": len(self.items),
            **sums,
            "queued": counts["queued"],
            "in_flight": counts["running"],
        }

    def running_at(self, key: str) -> int:
        """How many runs this collector has."""
        return sum(
            key in item.parts and item.parts[key] is None
            for item in self.those("running")
        )

    # -- in ---------------------------------------------------------------------------

    def at_the_door(self, sender: Sender) -> None:
        """Somebody outside sends, and would wait behind all who do."""
        self.blocked.append(sender)

    def went_away(self, sender: Sender) -> None:
        """They wait no more, for whatever reason."""
        if sender in self.blocked:
            self.blocked.remove(sender)

    def waiting_senders(self) -> list[Sender]:
        """Those who wait for room and have not been cancelled."""
        return [sender for sender in self.blocked if not sender.has_left]

    def may_refuse(self, is_inside: bool) -> bool:
        """Whether QueueFull is right now, for one who cannot wait."""
        overflow, capacity = self.shape.overflow, self.shape.capacity
        queued = len(self.those("queued"))
        if overflow == "reject":
            return queued >= capacity
        if overflow != "wait":
            return False
        if is_inside:
            return queued + len(self.blocked) >= 2 * capacity
        return queued >= capacity or bool(self.blocked)

    def accepted(self, item: Item, now: float) -> None:
        """It is in the queue."""
        self.pass_time(now)
        inside = item.is_from_inside
        sender = next((each for each in self.blocked if item in each.items), None)
        require(item.state == "outside", "I4", f"{item} was refused, and is accepted")
        require(self.phase in ("open", "draining"), "I4", f"accepted when {self.phase}")
        require(
            inside or self.phase == "open", "I4", "accepted from outside in a drain"
        )
        queued = len(self.those("queued"))
        overflow, capacity = self.shape.overflow, self.shape.capacity
        most = 2 * capacity if inside and overflow == "wait" else capacity
        has_room = queued < most or overflow == "drop_incoming"
        if sender is not None and overflow == "wait":
            # The place was kept for them; handlers may have sent beyond it since.
            from_inside = [each for each in self.those("queued") if each.is_from_inside]
            has_room = queued - len(from_inside) < capacity and queued < 2 * capacity
        is_least = overflow == "drop_oldest" and self.least_wanted(item) is item
        require(has_room or is_least, "I7", f"{item} accepted with {queued} queued")
        if not inside:
            first = next(iter(self.waiting_senders()), None)
            require(first in (None, sender), "I6", f"{item} passed a blocked sender")
        if sender is not None:
            self.went_away(sender)
            sender.items.remove(item)
            if sender.items:
                self.at_the_door(sender)
                self.incoming = sender.items[0]
        item.state = "queued"
        item.sequence = len(self.items) + 1
        item.due = now + item.delay - EARLY_S
        item.expires = now + item.ttl - EARLY_S
        self.items[item.number] = item
        if item.delay:
            self.delayed.append(item)
        else:
            self.line_up(item)

    def line_up(self, item: Item) -> None:
        """It waits behind those of its key, if there are any."""
        self.arrivals += 1
        item.arrival = self.arrivals
        if item.ordering_key is not None:
            self.lines.setdefault(item.ordering_key, []).append(item)

    def pass_time(self, now: float) -> None:
        """Those whose delay is over line up, in the order of their times."""
        over = [item for item in self.delayed if item.due <= now or item.is_over]
        self.delayed = [item for item in self.delayed if item not in over]
        for item in sorted(over, key=lambda item: (item.due, item.sequence)):
            if item.state == "queued":
                self.line_up(item)

    # -- out --------------------------------------------------------------------------

    def is_ready(self, item: Item, now: float) -> bool:
        """Whether only a consumer is missing for it to start."""
        line = self.lines.get(item.ordering_key or "", [item])
        return (
            item.state == "queued"
            and item.due <= now
            and item not in self.delayed
            and line[:1] == [item]
            and all(self.running_at(key) < most for key, most in self.limits_of(item))
        )

    def limits_of(self, item: Item) -> list[tuple[str, int]]:
        return [(key, self.limits[key]) for key in item.keys if key in self.limits]

    def rank(self, item: Item) -> tuple[int, int]:
        """I5: the order of the queue; the lowest is next."""
        if self.shape.order == "lifo":
            return (-item.arrival, 0)
        if self.shape.order == "fifo":
            return (item.sequence, 0)
        return (item.priority * self.shape.ageing + item.sequence, item.sequence)

    def started(self, item: Item, now: float) -> None:
        """A consumer has begun with it."""
        self.pass_time(now)
        self.started_numbers.append(item.number)
        require(item.state == "queued", "I3", f"{item} started")
        require(not item.is_given_up, "I4", f"{item} started after its cancel")
        require(self.phase in ("open", "draining"), "I4", f"started when {self.phase}")
        require(item.starts < self.attempts_of(item), "I3", f"{item} started again")
        require(
            item.starts or now < item.expires, "I5", f"{item} started after its ttl"
        )
        require(self.is_ready(item, now), "I5", f"{item} started before its turn")
        best = min((each for each in self.rivals(item, now)), key=self.rank)
        require(best is item, "I5", f"{item} started before {best}")
        require(
            len(self.those("running")) < self.max_consumers,
            "I7", f"{item} started beyond max_consumers={self.max_consumers}",
        )  # fmt: skip
        item.state = "running"
        item.starts += 1
        item.parts = dict.fromkeys(self.route(item))
        if not self.shape.has_router:
            item.failures = len([key for key in item.keys if key not in self.keys])

    def rivals(self, item: Item, now: float) -> list[Item]:
        """Those that its order is predicted against, itself among them."""
        ready = [each for each in self.those("queued") if self.is_ready(each, now)]
        if not self.limits_of(item):
            return [each for each in ready if not self.limits_of(each)]
        if self.shape.order == "fifo" and not any(each.delay for each in ready):
            return [each for each in ready if each.keys == item.keys]
        return [item]

    def attempts_of(self, item: Item) -> int:
        return max((ATTEMPTS.get(key, 1) for key in item.keys), default=1)

    def route(self, item: Item) -> list[str]:
        """The collectors it is for, in the order they were registered."""
        if item.upsets_router:
            return []
        if item.topic is not None:
            members = ("first", "plain") if item.topic == "some" else ()
            return [key for key in self.keys if key in members]
        return [key for key in self.keys if not item.keys or key in item.keys]

    def part_ended(self, item: Item, key: str, answer: str, now: float) -> None:
        """One of its collectors is about to answer so."""
        require(item.state == "running", "I3", f"{key} of {item} ran to its end")
        item.parts[key] = answer
        tries_again = (
            answer in TRIED_AGAIN
            and item.starts < ATTEMPTS.get(key, 1)
            and not item.is_given_up
        )
        if not tries_again:
            return
        if self.deadline < now + BACKOFF_S:
            item.is_late = True
            return
        item.state = "queued"
        item.due = now + BACKOFF_S - EARLY_S
        self.arrivals += 1
        item.arrival = self.arrivals
        line = self.lines.get(item.ordering_key or "")
        if line is not None:
            line.remove(item)
            behind = [each.sequence > item.sequence for each in line]
            line.insert(behind.index(True) if True in behind else len(line), item)

    def settled(self, item: Item, outcome: str, now: float) -> None:
        """It has its outcome."""
        self.pass_time(now)
        require(not item.is_over, "I3", f"{item} settled again, {outcome}")
        if item.state == "queued":
            allowed = self.why_it_never_ran(item, now)
        else:
            require(item.state == "running", "I3", f"{item} settled {outcome}")
            allowed = self.what_came_of_it(item, now)
        require(outcome in allowed, "I10", f"{item} ended {outcome}, not {allowed}")
        item.state = outcome
        is_aborted = outcome == "aborted" and not self.is_broken
        item.is_left_by_drain = is_aborted and not item.is_given_up
        line = self.lines.get(item.ordering_key or "", [])
        if item in line:
            line.remove(item)
        if not line:
            self.lines.pop(item.ordering_key or "", None)

    def why_it_never_ran(self, item: Item, now: float) -> set[str]:
        """The outcomes that it may have without a run, or another run."""
        reasons = set()
        if item.is_given_up or self.is_past(now) or self.is_too_late(item, now):
            reasons.add("aborted")
        if (item.starts == 0 and now >= item.expires) or self.is_dropped(item):
            reasons.add("dropped")
        return reasons

    def is_dropped(self, item: Item) -> bool:
        """Whether it has no place in a full queue."""
        overflow, queued = self.shape.overflow, len(self.those("queued"))
        if item.sequence == len(self.items) and queued > self.shape.capacity:
            is_least = overflow == "drop_oldest" and self.least_wanted(item) is item
            return overflow == "drop_incoming" or is_least
        return (
            overflow == "drop_oldest"
            and self.incoming is not None
            and queued >= self.shape.capacity
            and self.least_wanted(self.incoming) is item
        )

    def least_wanted(self, incoming: Item) -> Item:
        """Of those that have not started, what has waited longest; by priority, of the
        least urgent. The one that comes in, if there is none or it is less urgent."""
        waiting = [each for each in self.those("queued") if not each.starts]
        waiting = [each for each in waiting if each is not incoming]
        if not waiting:
            return incoming
        if self.shape.order == "lifo":
            # Of the stack the lowest, which need not be the first that was sent.
            stacked = [each for each in waiting if each not in self.delayed]
            lowest = min(stacked, key=lambda each: each.arrival, default=None)
            waiting = [each for each in waiting if each in (lowest, *self.delayed)]
        if self.shape.order != "priority":
            return waiting[0]
        least = max(waiting, key=lambda each: (each.priority, -each.sequence))
        return incoming if incoming.priority > least.priority else least

    def is_past(self, now: float) -> bool:
        """Whether the queue is over, or its time."""
        return self.phase == "over" or now >= self.deadline

    def is_too_late(self, item: Item, now: float) -> bool:
        """Whether a drain does not wait for it."""
        return item.due > now and item.due > self.deadline

    def what_came_of_it(self, item: Item, now: float) -> set[str]:
        """The outcomes that it may have now that its collectors answered so."""
        reasons = set()
        if item.is_given_up or item.is_late or self.is_past(now):
            reasons.add("aborted")
        no_answers = {None, "cancelled", "swallowed"}
        if not item.is_late and not no_answers & set(item.parts.values()):
            reasons.add(self.outcome_of(item))
        return reasons

    def outcome_of(self, item: Item) -> str:
        """What its collectors' answers make of it."""
        if item.upsets_router:
            return "failed"
        if not item.parts:
            return "unrouted"
        is_good = all(answer in GOOD for answer in item.parts.values())
        return "ok" if is_good and not item.failures else "failed"

    # -- the end ----------------------------------------------------------------------

    def drain(self, deadline: float) -> None:
        """No sends from outside any more; again, the deadline may come nearer."""
        self.deadline = min(self.deadline, deadline - EARLY_S)
        if self.phase == "open":
            self.phase = "draining"

    def break_down(self) -> None:
        """All consumers are lost: nothing can run any more."""
        self.phase = "over"
        self.is_broken = True

    # -- at rest ----------------------------------------------------------------------

    def check_rest(self, now: float) -> None:
        """I2 and I8: what could happen has happened."""
        self.pass_time(now)
        running = self.those("running")
        is_free = len(running) < self.max_consumers
        for item in self.those("queued"):
            require(not item.is_given_up, "I2", f"{item} was cancelled, and waits")
            require(item.starts or now < item.expires, "I2", f"{item} outlives its ttl")
            require(not self.is_too_late(item, now), "I2", f"{item} is not given up")
            require(
                not (is_free and self.is_ready(item, now)),
                "I8", f"{item} waits though a consumer may take it",
            )  # fmt: skip
        for item in running:
            going_on = [key for key, answer in item.parts.items() if answer is None]
            require(going_on, "I2", f"{item} is over, and not settled")
            is_left_alone = not item.is_given_up or item.on_cancel == "ignores it"
            require(is_left_alone, "I2", f"{item} was cancelled, and runs")
        if self.waiting_senders() and self.phase == "open":
            queued = len(self.those("queued"))
            require(
                queued >= self.shape.capacity,
                "I8",
                f"senders wait with {queued} queued",
            )
        if self.phase == "over":
            require(
                not self.those("queued"), "I2", "events wait in a queue that is over"
            )
            require(not self.blocked, "I2", "senders wait for a queue that is over")
