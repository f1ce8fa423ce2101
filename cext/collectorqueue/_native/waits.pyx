"""Handlers that wait: so that no circle of them can close, and all have who runs them.

Rules of residence: what becomes of a wait. What runs them is not known here.
"""
from itertools import chain

cimport cython

from collectorqueue._native.barrier cimport Members
from collectorqueue._native.event cimport CollectorEvent, EventWait
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.standstill cimport Standstill
from collectorqueue._native.waitgraph cimport WaitGraph

from collectorqueue.errors import WouldDeadlock


@cython.final
cdef class Waits(WaitGraph):
    """The waits that handlers of one queue are in, and those that want a consumer."""

    def __cinit__(self):
        self.uncovered = {}
        self.helped = {}

    cdef int begin(self, EventWait wait, CollectorEvent owner) except -1:
        self.uncovered[wait] = None
        return WaitGraph.begin(self, wait, owner)

    cdef int end(self, EventWait wait) except -1:
        self.uncovered.pop(wait, None)
        if not self.uncovered:
            self.helped = {}
        return WaitGraph.end(self, wait)

    cdef int uncover(self, CollectorEvent event) except -1:
        """The consumer that this event was given could not run it yet."""
        cdef EventWait wait
        for waits in self.waiting.values():
            for wait in waits:
                if wait.event is event:
                    self.uncovered[wait] = None
        return 0

    # -- no circles -------------------------------------------------------------------------

    cdef int refuse_circle(self, EventWait wait, CollectorEvent own, Postponed core) except -1:
        """Raise WouldDeadlock if what a handler of `own` waits for cannot end before it."""
        cdef Standstill search = Standstill(self, core, own, wait.owner_step, wait.event)
        why = search.circle()
        if why is not None:
            raise WouldDeadlock(why)
        if self.for_all and own in search.stuck([], True):
            # Whoever waits for all, waits for none that waits for him.
            self.leave_out_stuck(search, core)
        return 0

    cdef int judge_again(self, Postponed core) except -1:
        """What is in the way of whom has changed: whoever waits may by now have the place
        that what it waits for needs, or be in its way."""
        cdef EventWait wait
        cdef Standstill search = Standstill(self, core)
        if self.waiting:
            stuck = search.stuck(list(self.waiting), False)
            for owner in self.waiting.keys() & stuck:
                for wait in self.waiting[owner]:
                    if wait.event in stuck:
                        wait.refuse(WouldDeadlock(
                            "a handler waits for an event that cannot end any more before it: "
                            "a limit was lowered meanwhile, a collector was replaced, or "
                            "others with its ordering key have come before it: "
                            f"{wait.event!r}"))
        if self.for_all:
            self.leave_out_stuck(search, core)
        return 0

    # -- for all ----------------------------------------------------------------------------

    cdef object begin_for_all(self, CollectorEvent own, object step, list events,
                              object loop, Postponed core):
        """A future for the end of these events, and what to give to `end_for_all`.

        Nobody who waits for all waits for another who does, nor for what cannot end before.
        """
        cdef Standstill search
        cdef Members members = Members(loop, own, step)
        self.for_all[members] = None
        try:
            search = Standstill(self, core, own, step)
            stuck = search.stuck(self.all_that_wait(events, core), True)
            for event in events:
                if event not in stuck:
                    members.add(event)
            self.leave_out(stuck)
        except BaseException:
            del self.for_all[members]
            raise
        return members.future, members

    cdef int leave_out_stuck(self, Standstill search, Postponed core) except -1:
        """Those who wait for all do not wait for what cannot end before they do."""
        cdef Members members
        wanted = chain.from_iterable([members.events for members in self.for_all])
        return self.leave_out(search.stuck(self.all_that_wait(wanted, core), True))

    cdef list all_that_wait(self, object events, Postponed core):
        """In whose way a wait for all may be: also of these, if they need more than a
        consumer."""
        return [*self.waiting, *self.callers(),
                *(events if core.lines or core.has_limits else ())]

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
        if not (self.uncovered or self.for_all):
            self.helped = {}
        (<Members>members).owner = None     # it stands among the waiters of others still
        return 0
