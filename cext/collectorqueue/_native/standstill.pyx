"""What could never end, as handlers wait, or if one more of them did.

Rules of residence: one search through the graph of waits. What is done about what it finds
is not known here.
"""
cimport cython

from collectorqueue._native.event cimport (
    BEHIND, DELAYED, OK, ON_TRIAL, QUEUED, CollectorEvent, EventWait,
)
from collectorqueue._native.holders cimport events_of
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.waitgraph cimport WaitGraph


@cython.final
cdef class Standstill:
    """A search: if a handler of `own`, if there is one, waited in this step for the target."""

    def __cinit__(self, WaitGraph graph, Postponed core, CollectorEvent own=None,
                  object step=None, CollectorEvent target=None):
        self.graph = graph
        self.core = core
        self.own = own
        self.step = step
        self.target = target
        self.mine = {} if own is None else events_of(own)
        self.before = {}

    cdef object circle(self):
        """Why the target cannot end before `own` does; None: it can."""
        ahead = self.ahead_of(self.target)
        if self.own in ahead or not ahead.isdisjoint(self.mine):
            if self.target is self.own or self.target in self.mine:
                return "a handler waits for its own event"
            if self.target.state == QUEUED:
                return ("a handler waits for an event with its own ordering key, or for one "
                        f"that waits for that: {self.target!r}")
            return "a handler waits for an event whose handler waits for it"
        if self.core.has_limits and self.own in self.stuck([], False):
            return ("a handler waits for an event of a collector that is at its limit, and "
                    f"whose runs wait for that: {self.target!r}")
        return None

    cdef set stuck(self, list events, bint beside_all):
        """Those that could never end: of `own`, these events, and all that those need.
        `beside_all`: if none ended, either, of those who wait for all.

        Found the other way round: whatever can end is taken out, until nothing more can. It
        cannot before all that it needs, nor where it needs a place of a collector at its
        limit, all of whose runs are stuck.
        """
        cdef CollectorEvent event
        cdef set wanted
        callers = self.graph.callers() if beside_all else set()
        needs = {}      # event -> those that must end before it
        places = {}     # event -> (how many, of which) must not be stuck for it to have a place
        todo = [self.own, *events]
        while todo:
            event = todo.pop()
            if event is None or event in needs or event.state >= OK:
                continue
            needs[event] = wanted = self.needed_by(event)
            if self.target is not None and (event is self.own or event in self.mine):
                wanted.add(self.target)
            if event in callers:
                wanted.add(event)
            todo += wanted
            for limited in self.places_of(event) if self.core.has_limits else ():
                limit = 0 if limited is None else self.core.limit_reached(limited)
                if not limit:
                    continue
                holders = self.holders(limited, beside_all)
                if len(holders) >= limit:   # else one runs that does not wait
                    places.setdefault(event, []).append((limit, holders))
                    todo += holders
        moved = True
        while moved:
            moved = False
            for event in reversed(list(needs)):     # what others need was found after them
                if needs.keys().isdisjoint(needs[event]) and not any([
                        len(holders & needs.keys()) >= limit
                        for limit, holders in places.get(event, ())]):
                    del needs[event]
                    moved = True
        found = set(needs)
        for event in needs:
            found.update(events_of(event))
        return found

    cdef set holders(self, Step limited, bint beside_all):
        """Those whose handlers wait, of a collector at its limit."""
        found = self.graph.holders(limited, beside_all)
        if self.step is limited:
            found.add(self.own)
        return found

    cdef set places_of(self, CollectorEvent event):
        """The steps in which an event is to run yet."""
        if type(event.route) is tuple:
            if self.parts is None:
                self.parts = self.core.parts_waiting()
            return self.parts.get(event, set())
        if event.state != QUEUED:
            return set()
        route = self.core.likely_route(event.payload) if event.route is None else event.route
        return set(route) if type(route) is tuple else {route}

    cdef set needed_by(self, CollectorEvent event):
        """Those that an event's handlers wait for, and one before it in its key's line."""
        cdef EventWait wait
        found = {wait.event for wait in self.graph.waiting.get(event, ())}
        for owner in self.graph.batches:
            if event in events_of(owner):
                found.update({wait.event for wait in self.graph.waiting[owner]})
        if event.state == QUEUED and (
                event.place == BEHIND or event.place == DELAYED or event.flags & ON_TRIAL):
            other = self.one_before(event)
            if other is not None and other is not event:
                found.add(other)
        return found

    cdef CollectorEvent one_before(self, CollectorEvent event):
        """The first of its line, if only that may have begun and nobody needs a place of a
        collector; else the one right before it."""
        if not self.core.has_limits:
            return self.core.first_of_key(event)
        if event.place == DELAYED:
            return self.core.last_of_key(event)
        if event not in self.before:
            self.before.update(self.core.order_of_key(event))
        return self.before.get(event)

    cdef set ahead_of(self, CollectorEvent event):
        """The event, all that it needs, and so on."""
        seen = {event}
        ahead = [event]
        while ahead:
            for other in self.needed_by(ahead.pop()):
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        return seen
