"""Programs by seed.

Rules of residence: the dice. Each program has some features and not the others, so that
small ones come about in which a few things meet often (swarm testing).
"""

from __future__ import annotations

import random

from tests.waits.program import Act, Deed, Events, Program, Station

__all__ = ["FEATURES", "make"]

FEATURES = {
    # name: how many programs of a hundred have it
    "fan-out": 60,
    "limits": 55,
    "keys": 40,
    "delays": 35,
    "retries": 35,
    "for all": 40,
    "tasks": 40,
    "several": 30,
    "acyclic": 60,
    "live limits": 25,
    "batches": 15,
    "rates": 12,
    "requests": 40,
    "forms": 25,
    "cancels": 8,
    "timeouts": 6,
    "wait timeouts": 6,
    "ttl": 6,
    "removals": 8,
    "strays": 6,
    "bounds": 10,
    "small": 6,
    "close": 8,
    "router": 3,
    "failing": 30,
    "ties": 60,
}
# What meets in half of the programs, with a little of the rest.
THEMES = (
    {"keys", "delays"},
    {"keys", "delays", "retries", "failing"},
    {"keys", "batches"},
    {"keys", "limits", "fan-out"},
    {"limits", "live limits", "retries", "failing"},
    {"limits", "live limits", "for all"},
    {"limits", "fan-out"},
    {"limits", "fan-out", "tasks"},
    {"limits", "fan-out", "for all"},
    {"limits", "batches", "for all"},
    {"limits", "removals"},
    {"fan-out", "for all"},
    {"fan-out", "for all", "rates"},
    {"fan-out", "for all", "retries", "failing"},
    {"for all", "tasks", "several"},
    {"for all", "keys", "delays"},
)
LITTLE = 0.3  # of the share that a feature has elsewhere
TOPICS = ("x", "y")


def make(seed: int, only: frozenset[str] | None = None) -> Program:
    """The program of a seed; `only`: with no other features than these."""
    return Maker(seed, only).program()


class Maker:
    """Throws the dice of one seed."""

    def __init__(self, seed: int, only: frozenset[str] | None) -> None:
        self.seed = seed
        self.dice = dice = random.Random(seed)
        theme = dice.choice(THEMES) if dice.random() < 0.5 else None
        little = 1.0 if theme is None else LITTLE
        thrown = {
            name for name, share in FEATURES.items() if dice.random() * 100 < share * little
        }
        thrown |= theme or set()
        self.features = thrown if only is None else thrown & only
        self.order = dice.choice(["fifo", "fifo", "fifo", "priority", "lifo"])
        self.count = dice.randint(3, 12)
        self.keys = [f"c{at}" for at in range(dice.randint(2, 6))]

    def has(self, name: str, chance: float = 1.0) -> bool:
        return name in self.features and self.dice.random() < chance

    def time(self, most: float) -> float:
        """Half seconds mostly, so that things meet; or any."""
        if "ties" in self.features:
            return self.dice.randint(0, int(most * 2)) / 2
        return round(self.dice.random() * most, 3)

    # -- the whole ----------------------------------------------------------------------

    def program(self) -> Program:
        dice = self.dice
        stations = tuple(self.station(key) for key in self.keys)
        events = tuple(
            self.event(number, Program(stations=stations)) for number in range(self.count)
        )
        consumers = dice.choice([1, 1, 1, 2, 2, 3, 4])
        is_small = self.has("small")
        return Program(
            order=self.order,
            consumers=consumers,
            least=dice.randint(1, consumers),
            autoscale=dice.random() < 0.7,
            capacity=dice.randint(2, 5) if is_small else 1000,
            overflow=dice.choice(["wait", "reject", "drop_oldest"]) if is_small else "wait",
            propagates=dice.random() < 0.15,
            observed="requests" in self.features,
            closes_at=self.time(6) if self.has("close") else None,
            router=self.router(stations) if self.has("router") else "",
            stations=stations,
            events=events,
            acts=tuple(self.acts()),
            seed=self.seed,
        )

    def router(self, stations: tuple[Station, ...]) -> str:
        """Which limits one holds that runs collectors itself is not known to the queue."""
        limits = any(each.limit for each in stations)
        limits = limits or not self.features.isdisjoint({"live limits", "removals"})
        return "select" if limits else self.dice.choice(["select", "whole"])

    def station(self, key: str) -> Station:
        dice = self.dice
        is_batched = self.has("batches", 0.4)
        form = "async"
        if self.has("forms", 0.4) and not is_batched:
            form = dice.choice(["plain", "lazy"])
        return Station(
            key,
            form=form,
            topics=tuple(topic for topic in TOPICS if dice.random() < 0.5),
            limit=self.limit() if self.has("limits", 0.6) else 0,
            rate=dice.choice([0.5, 2]) if self.has("rates", 0.4) else 0.0,
            batch=dice.randint(1, 3) if is_batched else 0,
            batch_wait=self.time(2) if is_batched else 0.0,
            tries=dice.randint(2, 3) if self.has("retries", 0.6) else 1,
            backoff=self.time(2),
            timeout=dice.choice([1.0, 5.0]) if self.has("timeouts", 0.4) else 0.0,
        )

    def limit(self) -> int:
        return self.dice.choice([1, 1, 1, 2, 2, 3])

    def acts(self) -> list[Act]:
        """All events are sent, if no handler has done that before; and what else happens."""
        dice = self.dice
        acts = []
        for number in range(self.count):
            kind = "request" if self.has("requests", 0.2) else "send"
            acts.append(Act(self.time(4), kind, number))
        if "live limits" in self.features:
            for _ in range(dice.randint(1, 3)):
                limit = dice.choice([0, 1, 1, 1, 2])
                acts.append(Act(self.time(6), "limit", limit, dice.choice(self.keys)))
        if "cancels" in self.features:
            for _ in range(dice.randint(1, 3)):
                acts.append(Act(self.time(6), "cancel", dice.randrange(self.count)))
        if "removals" in self.features:
            for _ in range(dice.randint(1, 2)):
                kind = dice.choice(["remove", "replace", "replace"])
                limit = dice.choice([0, 1, 1, 2])
                acts.append(Act(self.time(6), kind, limit, dice.choice(self.keys)))
        if "bounds" in self.features:
            for _ in range(dice.randint(1, 2)):
                acts.append(Act(self.time(6), "bounds", dice.randint(1, 4)))
        return sorted(acts, key=lambda act: act.at)

    # -- one event ----------------------------------------------------------------------

    def event(self, number: int, program: Program) -> Events:
        dice = self.dice
        keys, topic = (dice.choice(self.keys),), ""
        if self.has("fan-out", 0.6):
            kind = dice.random()
            if kind < 0.5:
                keys = tuple(dice.sample(self.keys, min(len(self.keys), dice.randint(2, 3))))
            else:
                keys, topic = (), dice.choice(TOPICS) if kind < 0.85 else ""
        made = Events(
            number,
            keys=keys,
            topic=topic,
            ordering_key=self.ordering_key(),
            delay=self.time(3) if self.has("delays", 0.4) else 0.0,
            ttl=3.5 + self.time(3) if self.has("ttl", 0.4) else 0.0,
            priority=dice.randint(1, 50) if self.order == "priority" else None,
            catches=dice.random() < 0.6,
        )
        deeds = tuple((key, self.deeds(number)) for key in program.targets(made))
        return Events(**{**vars(made), "deeds": deeds})

    def ordering_key(self) -> str:
        if self.order == "lifo" or not self.has("keys", 0.6):
            return ""
        return self.dice.choice("kkl")

    def deeds(self, number: int) -> tuple[Deed, ...]:
        dice = self.dice
        made = []
        for _ in range(dice.choice([0, 1, 1, 2, 2, 3, 4])):
            made.append(self.deed(number))
        if self.has("failing", 0.3):
            made.insert(dice.randint(0, len(made)), Deed("fail", dice.randint(1, 3)))
        return tuple(made)

    def deed(self, number: int) -> Deed:
        dice, chance = self.dice, self.dice.random()
        if chance < 0.25:
            return Deed("sleep", seconds=self.time(3))
        if chance < 0.32:
            return Deed("send", self.other(number))
        if chance < 0.35 and "live limits" in self.features:
            return Deed("limit", dice.choice([0, 1, 1, 2]), key=dice.choice(self.keys))
        if chance < 0.37 and "cancels" in self.features:
            return Deed("cancel", dice.randrange(self.count))
        if chance < 0.50 and "for all" in self.features:
            return self.somehow(Deed("all"))
        if chance < 0.62 and "several" in self.features:
            inner = tuple(self.deed(number) for _ in range(dice.randint(2, 3)))
            return Deed("several", how=dice.choice(["group", "gather"]), inner=inner)
        kind = "request" if self.has("requests", 0.4) else "ask"
        return self.somehow(Deed(kind, self.other(number)))

    def other(self, number: int) -> int:
        """An event to wait for: a later one, where there are to be no circles."""
        if "acyclic" in self.features and number + 1 < self.count:
            return self.dice.randrange(number + 1, self.count)
        return self.dice.randrange(self.count)

    def somehow(self, deed: Deed) -> Deed:
        """To wait like this: here, or in a task."""
        how, seconds = "plain", 0.0
        if self.has("tasks", 0.4):
            how = self.dice.choice(["task", "group", "gather"])
        elif self.has("wait timeouts", 0.4):
            how, seconds = "timeout", 0.5 + self.time(2)
        elif self.has("strays", 0.4):
            how = "stray"
        return Deed(deed.kind, deed.number, how=how, seconds=seconds)
