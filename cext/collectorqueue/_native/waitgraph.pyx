"""Which handlers wait for which events, as it is.

Rules of residence: the graph, and what is found in it at once. Its nodes are events, and
batches; of an event with several collectors also each handler, as (event, step).
"""
cimport cython

from collectorqueue._native.barrier cimport Members
from collectorqueue._native.event cimport BATCH, OK, CollectorEvent, EventWait


@cython.final
cdef class Handler:
    """A handler that waits, or is about to."""


cdef Handler handler_of(CollectorEvent event, object step, CollectorEvent part):
    """Of an event, or of its part that had to wait."""
    cdef Handler handler = Handler.__new__(Handler)
    handler.event = event
    handler.step = step
    handler.run = event if part is None else part
    handler.node = node_of(event, step)
    return handler


cdef object node_of(CollectorEvent event, object step):
    """An event with one collector ends as its handler does."""
    return (event, step) if type(event.route) is tuple else event


cdef class WaitGraph:
    """The waits that handlers of one queue are in."""

    def __cinit__(self):
        self.waiting = {}
        self.for_all = {}
        self.holding = {}
        self.parts = {}
        self.batches = {}
        self.blocked = {}

    cdef int begin(self, EventWait wait, Handler owner) except -1:
        wait.owner = owner
        self.waiting.setdefault(owner.node, {})[wait] = None
        return self.enter(owner)

    cdef int end(self, EventWait wait) except -1:
        cdef Handler owner = wait.owner
        wait.owner = None
        waits = self.waiting.get(owner.node)
        if waits is not None:
            waits.pop(wait, None)
            if not waits:
                del self.waiting[owner.node]
        return self.leave(owner)

    cdef int enter(self, Handler owner) except -1:
        """One more wait of a handler."""
        one_more(self.holding.setdefault(owner.step, {}), owner.node)
        owner.noted = 1
        one_more(self.blocked, owner.run)
        owner.noted = 2
        if type(owner.node) is tuple:
            one_more(self.parts.setdefault(owner.event, {}), owner.step)
        elif owner.event.flags & BATCH:
            one_more(self.batches, owner.event)
        owner.noted = 3
        return 0

    cdef int leave(self, Handler owner) except -1:
        """One less; without memory it was not noted everywhere."""
        if owner.noted > 0:
            one_less_in(self.holding, owner.step, owner.node)
        if owner.noted > 1:
            one_less(self.blocked, owner.run)
        if owner.noted > 2 and type(owner.node) is tuple:
            one_less_in(self.parts, owner.event, owner.step)
        elif owner.noted > 2 and owner.event.flags & BATCH:
            one_less(self.batches, owner.event)
        owner.noted = 0
        return 0

    cdef set callers(self):
        """The nodes that wait for all."""
        cdef Members members
        return {(<Handler>members.owner).node for members in self.for_all}

    cdef Py_ssize_t blocked_runs(self) except -1:
        """How many runs have a handler that waits, each of which makes a consumer busy."""
        cdef CollectorEvent run
        cdef Py_ssize_t count = 0
        for run in self.blocked:
            count += run.state < OK     # or it was given up, and its handler goes on
        return count


cdef int one_more(dict counts, object what) except -1:
    counts[what] = counts.get(what, 0) + 1
    return 0


cdef int one_less(dict counts, object what) except -1:
    if counts[what] > 1:
        counts[what] -= 1
    else:
        del counts[what]
    return 0


cdef int one_less_in(dict several, object key, object what) except -1:
    one_less(several[key], what)
    if not several[key]:
        del several[key]
    return 0
