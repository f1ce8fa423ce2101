"""Which handlers wait for which events: so that no circle of them can close.

Rules of residence: the graph of waits inside handlers. What runs them is not known here.
"""
cimport cython

from collectorqueue._native.barrier cimport Members
from collectorqueue._native.event cimport (
    BATCH, BEHIND, DELAYED, QUEUED, RUNNING, CollectorEvent, EventWait,
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

    cdef int refuse_circle(self, CollectorEvent own, CollectorEvent target,
                           Postponed core) except -1:
        """Raise WouldDeadlock if the target cannot end before its waiter does."""
        ahead = self.ahead_of(target, core)
        mine = events_of(own)
        if own in ahead or not ahead.isdisjoint(mine):
            if target is own or target in mine:
                raise WouldDeadlock("a handler waits for its own event")
            if target.state == QUEUED:
                raise WouldDeadlock(
                    "a handler waits for an event with its own ordering key, or for one that "
                    f"waits for that: {target!r}")
            raise WouldDeadlock("a handler waits for an event whose handler waits for it")
        if core.has_limits:
            self.refuse_stuck(own, target, core)
        for members, owner in self.for_all.items():
            if owner in ahead:
                # Whoever waits for all, waits for none that waits for him.
                for event in self.behind(own):
                    (<Members>members).leave_out(event)
        return 0

    cdef int refuse_stuck(self, CollectorEvent own, CollectorEvent target,
                          Postponed core) except -1:
        """Raise WouldDeadlock if the target waits for a collector at its limit, all of whose
        runs wait, in the end, for the target.

        Found the other way round: whatever can end is taken out, until nothing more can.
        """
        cdef EventWait wait
        cdef CollectorEvent event
        cdef Step step
        stuck = {own: {target}}
        for owner, waits in self.waiting.items():
            stuck.setdefault(owner, set()).update([wait.event for wait in waits])
        slots = {}
        for wanted in list(stuck.values()):
            for event in wanted:
                if event not in stuck and event.state == QUEUED:
                    stuck[event] = self.ahead_of(event, core) - {event}
                    slots[event] = self.slots_for(event, core)
        moved = True
        while moved:
            moved = False
            for event, wanted in list(stuck.items()):
                if not wanted.isdisjoint(stuck):
                    continue
                for step in slots.get(event, ()):
                    held = [each for each in stuck if (<CollectorEvent>each).route is step
                            and (<CollectorEvent>each).state == RUNNING]
                    if len(held) >= core.slots_taken(step):
                        break
                else:
                    del stuck[event]
                    moved = True
        if own in stuck:
            raise WouldDeadlock(
                "a handler waits for an event of a collector that is at its limit, and whose "
                f"runs wait for that: {target!r}")
        return 0

    cdef list slots_for(self, CollectorEvent event, Postponed core):
        """The steps that are at their limit and that an event has to pass."""
        route = event.route
        if route is None:
            route = core.likely_route(event.payload)
        return [step for step in (route if type(route) is tuple else (route,))
                if step is not None and core.slots_taken(step)]

    cdef set ahead_of(self, CollectorEvent event, Postponed core):
        """The event, all that its handlers wait for, all that is before it in the line of its
        key, and so on."""
        cdef EventWait wait
        cdef CollectorEvent each
        seen = {event}
        ahead = [event]
        while ahead:
            each = ahead.pop()
            found = [wait.event for wait in self.waiting.get(each, ())]
            for owner in self.waiting:
                if (<CollectorEvent>owner).flags & BATCH and each in events_of(owner):
                    found += [wait.event for wait in self.waiting[owner]]
            if each.state == QUEUED and (each.place == BEHIND or each.place == DELAYED):
                found.append(core.first_of_key(each))
            for other in found:
                if other is not None and other not in seen:
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

    cdef object begin_for_all(self, CollectorEvent own, list events, object loop):
        """A future for the end of these events, and what to give to `end_for_all`."""
        cdef Members members = Members(loop)
        left_out = self.behind(own) | set(events_of(own))
        left_out.update(self.for_all.values())
        for event in events:
            if event not in left_out:
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
