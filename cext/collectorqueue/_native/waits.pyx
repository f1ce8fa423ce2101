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
        why = self.circle(own, wait.owner_step, wait.event, ahead, core)
        if why is not None:
            raise WouldDeadlock(why)
        for members, owner in self.for_all.items():
            if owner in ahead:
                # Whoever waits for all, waits for none that waits for him.
                for event in self.behind(own):
                    (<Members>members).leave_out(event)
        return 0

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
        if core.has_limits and self.is_stuck(own, step, target, core):
            return ("a handler waits for an event of a collector that is at its limit, and "
                    f"whose runs wait for that: {target!r}")
        return None

    cdef bint is_stuck(self, CollectorEvent own, object step, CollectorEvent target,
                       Postponed core) except -1:
        """Whether `own` could never end if it waited for the target: for a collector at its
        limit, in the end, all of whose runs wait for that.

        Found the other way round: whatever can end is taken out, until nothing more can.
        """
        cdef CollectorEvent event
        needs = {}      # event -> those that must end before it
        slots = {}      # event -> the steps in which it needs a place
        todo = [own, *self.waiting]
        while todo:
            event = todo.pop()
            if event in needs or event.state >= OK:
                continue
            needs[event] = wanted = self.needed_by(event, core)
            if event is own:
                wanted.add(target)
            slots[event] = core.steps_at_limit(event)
            todo += wanted
        moved = True
        while moved:
            moved = False
            for event, wanted in list(needs.items()):
                if wanted.isdisjoint(needs) and not any(
                        self.is_full(each, needs, own, step, core) for each in slots[event]):
                    del needs[event]
                    moved = True
        return own in needs

    cdef bint is_full(self, Step limited, dict stuck, CollectorEvent own, object step,
                      Postponed core) except -1:
        """Whether all the places of a step are those of handlers that are stuck."""
        cdef EventWait wait
        holders = {own} if step is limited else set()
        for owner, waits in self.waiting.items():
            if owner in stuck:
                for wait in waits:
                    if wait.owner_step is limited:
                        holders.add(owner)
        return len(holders) >= core.slots_taken(limited)

    cdef set needed_by(self, CollectorEvent event, Postponed core):
        """Those that an event's handlers wait for, and that are before it in its key's line."""
        cdef EventWait wait
        found = {wait.event for wait in self.waiting.get(event, ())}
        for owner in self.waiting:
            if (<CollectorEvent>owner).flags & BATCH and event in events_of(owner):
                found.update({wait.event for wait in self.waiting[owner]})
        if event.state == QUEUED and (event.place == BEHIND or event.place == DELAYED):
            first = core.first_of_key(event)
            if first is not None:
                found.add(first)
        return found

    cdef set ahead_of(self, CollectorEvent event, Postponed core):
        """The event, all that it needs, and so on."""
        seen = {event}
        ahead = [event]
        while ahead:
            for other in self.needed_by(ahead.pop(), core):
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        return seen

    cdef set behind(self, CollectorEvent event):
        """The event, all whose handlers wait for it, and so on."""
        cdef EventWait wait
        seen = {event}
        more = True
        while more:
            more = False
            for owner, waits in self.waiting.items():
                if owner in seen:
                    continue
                for wait in waits:
                    if wait.event in seen:
                        seen.add(owner)
                        more = True
        return seen

    cdef object begin_for_all(self, CollectorEvent own, object step, list events,
                              object loop, Postponed core):
        """A future for the end of these events, and what to give to `end_for_all`."""
        cdef Members members = Members(loop)
        left_out = self.behind(own) | set(events_of(own))
        left_out.update(self.for_all.values())
        for event in events:
            if event in left_out:
                continue
            if (core.lines or core.has_limits) and self.circle(
                    own, step, event, self.ahead_of(event, core), core) is not None:
                continue        # it cannot end before its waiter does
            members.add(event)
        for other in self.for_all:
            (<Members>other).leave_out(own)
        self.for_all[members] = own
        if not members.events and not members.future.done():
            members.future.set_result(None)
        return members.future, members

    cdef int end_for_all(self, object members) except -1:
        self.for_all.pop(members, None)
        return 0
