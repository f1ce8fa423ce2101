"""Which handlers wait for which events: so that no circle of them can close.

Rules of residence: the graph of waits inside handlers. What runs them is not known here.
"""
cimport cython

from collectorqueue._native.barrier cimport Members
from collectorqueue._native.event cimport CollectorEvent, EventWait

from collectorqueue.errors import WouldDeadlock


@cython.final
cdef class Waits:
    """The waits that handlers of one queue are in."""

    def __cinit__(self):
        self.waiting = {}
        self.uncovered = {}
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
        wait.owner = None
        return 0

    cdef int refuse_circle(self, CollectorEvent own, CollectorEvent target) except -1:
        """Raise WouldDeadlock if the target cannot end before its waiter does."""
        ahead = self.ahead_of(target)
        if own in ahead:
            raise WouldDeadlock(
                "a handler waits for its own event" if target is own else
                "a handler waits for an event whose handler waits for it")
        for members, owner in self.for_all.items():
            if owner in ahead:
                # Whoever waits for all, waits for none that waits for him.
                for event in self.behind(own):
                    (<Members>members).leave_out(event)
        return 0

    cdef set ahead_of(self, CollectorEvent event):
        """The event, all that its handlers wait for, and so on."""
        cdef EventWait wait
        seen = {event}
        ahead = [event]
        while ahead:
            for wait in self.waiting.get(ahead.pop(), ()):
                if wait.event not in seen:
                    seen.add(wait.event)
                    ahead.append(wait.event)
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
        left_out = self.behind(own)
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
