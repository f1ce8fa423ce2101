"""Which handlers wait for which events: so that no circle of them can close.

Rules of residence: the graph of waits inside handlers. What runs them is not known here.
"""
cimport cython

from collectorqueue._native.barrier cimport Members
from collectorqueue._native.event cimport (
    BATCH, BEHIND, DELAYED, OK, QUEUED, CollectorEvent, EventWait,
)
from collectorqueue._native.holders cimport events_of
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport Postponed

from collectorqueue.errors import WouldDeadlock


@cython.final
cdef class Waits:
    """The waits that handlers of one queue are in."""

    def __cinit__(self):
        self.waiting = {}
        self.uncovered = {}
        self.helped = {}
        self.for_all = {}

    cdef int begin(self, EventWait wait, CollectorEvent owner) except -1:
        wait.owner = owner
        self.waiting.setdefault(owner, {})[wait] = None
        self.uncovered[wait] = None
        return 0

    cdef int end(self, EventWait wait) except -1:
        self.uncovered.pop(wait, None)
        waits = self.waiting[wait.owner]
        del waits[wait]
        if not waits:
            del self.waiting[wait.owner]
        if not self.uncovered:
            self.helped = {}
        wait.owner = None
        return 0

    cdef int uncover(self, CollectorEvent event) except -1:
        """The consumer that this event was given could not run it yet."""
        cdef EventWait wait
        for waits in self.waiting.values():
            for wait in waits:
                if wait.event is event:
                    self.uncovered[wait] = None
        return 0

    cdef int refuse_circle(self, EventWait wait, CollectorEvent own, Postponed core) except -1:
        """Raise WouldDeadlock if what a handler of `own` waits for cannot end before it."""
        ahead = self.ahead_of(wait.event, core)
        step = wait.owner_step
        why = self.circle(own, step, wait.event, ahead, core)
        if why is not None:
            raise WouldDeadlock(why)
        if self.for_all and own in self.stuck([], own, step, wait.event, True, core):
            # Whoever waits for all, waits for none that waits for him.
            self.leave_out(self.stuck(
                self.wanted_by_all(core), own, step, wait.event, True, core))
        return 0

    cdef int limit_has_changed(self, Postponed core) except -1:
        """Whoever waits may by now have the place that what it waits for needs."""
        cdef EventWait wait
        if self.waiting:
            stuck = self.stuck([], None, None, None, False, core)
            for owner in self.waiting.keys() & stuck:
                for wait in self.waiting[owner]:
                    if wait.event in stuck:
                        wait.refuse(WouldDeadlock(
                            "a handler waits for an event of a collector whose limit was "
                            f"lowered meanwhile, and whose runs wait for that: {wait.event!r}"))
        if self.for_all:
            self.leave_out(self.stuck(
                self.wanted_by_all(core), None, None, None, True, core))
        return 0

    cdef list wanted_by_all(self, Postponed core):
        """What those who wait for all wait for, where it may need more than a consumer."""
        cdef Members members
        if not (core.lines or core.has_limits):
            return []
        return [event for members in self.for_all for event in members.events]

    cdef object circle(self, CollectorEvent own, object step, CollectorEvent target, set ahead,
                       Postponed core):
        """Why the target cannot end before `own` does; None: it can."""
        mine = events_of(own)
        if own in ahead or not ahead.isdisjoint(mine):
            if target is own or target in mine:
                return "a handler waits for its own event"
            if target.state == QUEUED:
                return ("a handler waits for an event with its own ordering key, or for one "
                        f"that waits for that: {target!r}")
            return "a handler waits for an event whose handler waits for it"
        if core.has_limits and own in self.stuck([], own, step, target, False, core):
            return ("a handler waits for an event of a collector that is at its limit, and "
                    f"whose runs wait for that: {target!r}")
        return None

    cdef set stuck(self, list events, CollectorEvent own, object step, CollectorEvent target,
                   bint beside_all, Postponed core):
        """Those that could never end if `own` waited, in this step, for the target: of these
        events, and of all that handlers wait in and for. `beside_all`: and if none ended of
        those who wait for all.

        Found the other way round: whatever can end is taken out, until nothing more can. It
        cannot before all that it needs, nor where it needs a place of a collector at its
        limit, all of whose runs are stuck.
        """
        cdef CollectorEvent event
        callers = self.callers() if beside_all else set()
        mine = {} if own is None else events_of(own)
        needs = {}      # event -> those that must end before it
        slots = {}      # event -> the steps in which it needs a place
        before = {}
        todo = [own, *events, *callers, *self.waiting]
        while todo:
            event = todo.pop()
            if event is None or event in needs or event.state >= OK:
                continue
            needs[event] = wanted = self.needed_by(event, before, core)
            if target is not None and (event is own or event in mine):
                wanted.add(target)
            if event in callers:
                wanted.add(event)
            slots[event] = core.steps_at_limit(event) if core.has_limits else ()
            todo += wanted
        moved = True
        while moved:
            moved = False
            for event, wanted in list(needs.items()):
                if wanted.isdisjoint(needs) and not any([
                        self.is_full(each, needs, own, step, beside_all, core)
                        for each in slots[event]]):
                    del needs[event]
                    moved = True
        found = set(needs)
        for event in needs:
            found.update(events_of(event))
        return found

    cdef bint is_full(self, Step limited, dict needs, CollectorEvent own, object step,
                      bint beside_all, Postponed core) except -1:
        """Whether all the places of a step are those of handlers that are stuck."""
        cdef EventWait wait
        cdef Members members
        holders = {own} if step is limited else set()
        for owner, waits in self.waiting.items():
            if owner in needs:
                for wait in waits:
                    if wait.owner_step is limited:
                        holders.add(owner)
        if beside_all:
            for members in self.for_all:
                if members.owner_step is limited:
                    holders.add(members.owner)
        return len(holders) >= core.slots_taken(limited)

    cdef set callers(self):
        """The events whose handlers wait for all."""
        cdef Members members
        found = set()
        for members in self.for_all:
            found.add(members.owner)
            found.update(events_of(members.owner))
        return found

    cdef set needed_by(self, CollectorEvent event, dict before, Postponed core):
        """Those that an event's handlers wait for, and one before it in its key's line.

        `before` keeps what was found about lines.
        """
        cdef EventWait wait
        found = {wait.event for wait in self.waiting.get(event, ())}
        for owner in self.waiting:
            if (<CollectorEvent>owner).flags & BATCH and event in events_of(owner):
                found.update({wait.event for wait in self.waiting[owner]})
        if event.state == QUEUED and (event.place == BEHIND or event.place == DELAYED):
            other = self.one_before(event, before, core)
            if other is not None:
                found.add(other)
        return found

    cdef CollectorEvent one_before(self, CollectorEvent event, dict before, Postponed core):
        """The first of its line, if only that may have begun and nobody needs a place of a
        collector; else the one right before it."""
        if not core.has_limits:
            return core.first_of_key(event)
        if event.place == DELAYED:
            return core.last_of_key(event)
        if event not in before:
            before.update(core.order_of_key(event))
        return before.get(event)

    cdef set ahead_of(self, CollectorEvent event, Postponed core):
        """The event, all that it needs, and so on."""
        seen = {event}
        ahead = [event]
        before = {}
        while ahead:
            for other in self.needed_by(ahead.pop(), before, core):
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        return seen

    cdef object begin_for_all(self, CollectorEvent own, object step, list events,
                              object loop, Postponed core):
        """A future for the end of these events, and what to give to `end_for_all`.

        Nobody who waits for all waits for another who does, nor for what cannot end before.
        """
        cdef Members members = Members(loop, own, step)
        self.for_all[members] = None
        try:
            stuck = self.stuck(
                events if core.lines or core.has_limits else [], own, step, None, True, core)
            for event in events:
                if event not in stuck:
                    members.add(event)
            self.leave_out(stuck)
        except BaseException:
            del self.for_all[members]
            raise
        return members.future, members

    cdef int leave_out(self, set stuck) except -1:
        """Those who wait for all do not wait for these."""
        cdef Members members
        for members in self.for_all:
            for event in members.events.keys() & stuck:
                members.leave_out(event)
            if not members.events and not members.future.done():
                members.future.set_result(None)
        return 0

    cdef int end_for_all(self, object members) except -1:
        self.for_all.pop(members, None)
        (<Members>members).owner = None     # it stands among the waiters of others still
        return 0
