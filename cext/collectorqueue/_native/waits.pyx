"""Handlers that wait: so that no circle of them can close, and all have who runs them.

Rules of residence: what becomes of a wait. What runs them is not known here.
"""
from itertools import chain

cimport cython

from collectorqueue._native.barrier cimport Members
from collectorqueue._native.event cimport CollectorEvent, EventWait
from collectorqueue._native.holders cimport events_of
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.standstill cimport Standstill
from collectorqueue._native.waitgraph cimport Handler, WaitGraph

from collectorqueue.errors import WouldDeadlock


@cython.final
cdef class Waits(WaitGraph):
    """The waits that handlers of one queue are in, and those that want a consumer."""

    def __cinit__(self):
        self.uncovered = {}
        self.helped = {}

    cdef int begin_in(self, EventWait wait, Handler owner, Postponed core) except -1:
        """Raises WouldDeadlock if what a handler waits for cannot end before it."""
        try:
            self.begin(wait, owner)
            if not owner.is_over():
                self.refuse_circle(wait, owner, core)
            self.uncovered[wait] = None
        except BaseException:
            WaitGraph.end(self, wait)   # refused, or without memory
            raise
        return 0

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

    cdef int refuse_circle(self, EventWait wait, Handler owner, Postponed core) except -1:
        cdef Standstill search = Standstill(self, core)
        why = search.circle(owner, wait.event)
        if why is not None:
            raise WouldDeadlock(why)
        if self.for_all and owner.node in search.stuck([owner.node], True):
            # Whoever waits for all, waits for none that waits for him.
            self.leave_out_stuck(search)
        return 0

    cdef int judge_again(self, Postponed core) except -1:
        """What is in the way of whom has changed: whoever waits may by now have the place
        that what it waits for needs, or be in its way."""
        cdef EventWait wait
        cdef Standstill search = Standstill(self, core)
        search.stuck(self.waiting, False)
        while (wait := search.one_to_refuse()) is not None:
            wait.refuse(WouldDeadlock(
                "a handler waits for an event that cannot end any more before it: a limit was "
                "lowered meanwhile, a collector was replaced, one was tried again, or others "
                f"with its ordering key have come before it: {wait.event!r}"))
        if self.for_all:
            self.leave_out_stuck(search)
        return 0

    # -- for all ----------------------------------------------------------------------------

    cdef object begin_for_all(self, Handler owner, list events, object loop, Postponed core):
        """A future for the end of these events, and what to give to `end_for_all`.

        Nobody who waits for all waits for another who does, nor for what cannot end before.
        """
        cdef Members members = Members(loop, owner)
        cdef Standstill search = Standstill(self, core)
        # The others have left that out by now.
        before = search.stuck(self.all_that_wait(events, core), True) if self.for_all else set()
        self.for_all[members] = None
        try:
            self.enter(owner)
            stuck = search.stuck(self.all_that_wait(events, core), True)
            for event in events:
                if event not in stuck:
                    members.add(event)
            self.leave_out(stuck - before)
        except BaseException:
            self.end_for_all(members)
            raise
        return members.future, members

    cdef int leave_out_stuck(self, Standstill search) except -1:
        """Those who wait for all do not wait for what cannot end before they do."""
        cdef Members members
        wanted = chain.from_iterable([members.events for members in self.for_all])
        return self.leave_out(search.stuck(self.all_that_wait(wanted, search.core), True))

    cdef object all_that_wait(self, object events, Postponed core):
        """In whose way a wait for all may be: also of these, if they need more than a
        consumer."""
        cdef Handler handler
        found = dict.fromkeys(events) if core.lines or core.has_limits else {}
        for handler in self.handlers:
            found[handler.event] = None
            found.update(events_of(handler.event))
        return found

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
        cdef Handler owner = (<Members>members).owner
        self.for_all.pop(members, None)
        self.leave(owner)
        if not (self.uncovered or self.for_all):
            self.helped = {}
        (<Members>members).owner = None     # it stands among the waiters of others still
        return 0
