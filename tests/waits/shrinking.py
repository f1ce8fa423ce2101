"""A program that goes wrong, made as small as it can be and still go wrong in the same way.

Rules of residence: which smaller programs there are. Each that still fails takes the place
of the one before, until none does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.waits.program import Deed, Events, Program, Station

__all__ = ["shrunk"]


def shrunk(program: Program, fails: Callable[[Program], bool], most: int = 4000) -> Program:
    """The smallest found in so many trials."""
    tried = 0
    again = True
    while again:
        again = False
        for smaller in candidates(program):
            tried += 1
            if tried > most:
                return program
            if fails(smaller):
                program, again = smaller, True
                break
    return program


def candidates(program: Program) -> Iterator[Program]:
    """Programs with a little less, the largest steps first."""
    for event in program.events:
        yield without_event(program, event)
    for station in program.stations:
        if len(program.stations) > 1:
            yield without_station(program, station)
    for at in range(len(program.acts)):
        yield replace(program, acts=cut(program.acts, at))
    for event in program.events:
        for smaller in smaller_events(event):
            yield with_event(program, smaller)
    for station in program.stations:
        for least in simpler(station, Station(station.key), {"key"}):
            yield with_station(program, least)
    plain = Program(observed=program.observed, consumers=program.consumers)
    keep = {"stations", "events", "acts", "seed"}
    yield from simpler(program, plain, keep)
    if program.consumers > 1:
        yield replace(program, consumers=program.consumers - 1)
    for at, act in enumerate(program.acts):
        if act.at != int(act.at):
            for time in (float(int(act.at)), float(int(act.at) + 1)):
                acts = list(program.acts)
                acts[at] = replace(act, at=time)
                yield replace(program, acts=tuple(sorted(acts, key=lambda act: act.at)))


def cut(items: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return (*items[:at], *items[at + 1 :])


def simpler(thing: Any, plain: Any, keep: set[str]) -> Iterator[Any]:
    """The same with one field as it is by default."""
    for name, value in vars(plain).items():
        if name not in keep and getattr(thing, name) != value:
            yield replace(thing, **{name: value})


def without_event(program: Program, event: Events) -> Program:
    events = tuple(each for each in program.events if each is not event)
    return replace(program, events=events).without_deeds_for({each.number for each in events})


def without_station(program: Program, station: Station) -> Program:
    """Events that would have nowhere to go go, too."""
    stations = tuple(each for each in program.stations if each is not station)
    events = []
    for event in program.events:
        keys = tuple(key for key in event.keys if key != station.key)
        if keys or not event.keys:
            events.append(replace(event, keys=keys))
    smaller = replace(program, stations=stations, events=tuple(events))
    return smaller.without_deeds_for({each.number for each in events})


def with_event(program: Program, event: Events) -> Program:
    return replace(
        program,
        events=tuple(event if each.number == event.number else each for each in program.events),
    )


def with_station(program: Program, station: Station) -> Program:
    return replace(
        program,
        stations=tuple(
            station if each.key == station.key else each for each in program.stations
        ),
    )


def smaller_events(event: Events) -> Iterator[Events]:
    for at, (key, deeds) in enumerate(event.deeds):
        for fewer in smaller_deeds(deeds):
            rest = event.deeds[at + 1 :]
            yield replace(event, deeds=(*event.deeds[:at], (key, fewer), *rest))
    if len(event.keys) > 1:
        for at in range(len(event.keys)):
            yield replace(event, keys=cut(event.keys, at))
    targets = tuple(key for key, _ in event.deeds)
    if not event.keys and targets:
        yield replace(event, keys=targets, topic="")
    yield from simpler(event, Events(event.number), {"number", "keys", "topic", "deeds"})


def smaller_deeds(deeds: tuple[Deed, ...]) -> Iterator[tuple[Deed, ...]]:
    for at, deed in enumerate(deeds):
        yield cut(deeds, at)
        for smaller in smaller_deed(deed):
            yield (*deeds[:at], *smaller, *deeds[at + 1 :])


def smaller_deed(deed: Deed) -> Iterator[tuple[Deed, ...]]:
    """What may stand in its place."""
    if deed.kind == "several":
        for each in deed.inner:
            yield (each,)
        for fewer in smaller_deeds(deed.inner):
            if len(fewer) > 1:
                yield (replace(deed, inner=fewer),)
        return
    if deed.how != "plain":
        yield (replace(deed, how="plain", seconds=0.0),)
    if deed.how in ("group", "gather"):
        yield (replace(deed, how="task"),)
    if deed.kind == "request":
        yield (replace(deed, kind="ask"),)
    if deed.kind == "sleep" and deed.seconds not in (1.0, 10.0):
        yield (replace(deed, seconds=1.0),)
        yield (replace(deed, seconds=10.0),)
