"""Which handlers wait for which events, as it is.

Rules of residence: the graph, and what is found in it at once. Its nodes are events, and
batches; of an event with several collectors also each handler, as (event, step).
"""
cimport cython

from collectorqueue._native.barrier cimport Members
from collectorqueue._native.context cimport Scope
from collectorqueue._native.event cimport BATCH, OK, CollectorEvent, EventWait


@cython.final
cdef class Handler:
    """A run of a handler that waits, or is about to, once."""

    cdef bint is_over(self) noexcept:
        """What it has started may wait on, in the way of nobody."""
        return (self.event.state >= OK or self.scope.event is not self.event
                or type(self.node) is tuple and self.scope.is_over)


cdef Handler handler_in(Scope scope):
    """The one that a scope is of."""
    cdef CollectorEvent event = scope.event
    cdef Handler handler = Handler.__new__(Handler)
    handler.scope = scope
    handler.event = handler.run = event
    handler.step = event.route
    if type(event.route) is tuple:
        handler.step = scope.step
        if scope.part is not None:
            handler.run = scope.part
    handler.node = node_of(event, handler.step)
    return handler


cdef object node_of(CollectorEvent event, object step):
    """An event with one collector ends as its handler does."""
    return (event, step) if type(event.route) is tuple else event


cdef class WaitGraph:
    """The waits that handlers of one queue are in."""

    def __cinit__(self):
        self.waiting = {}
        self.for_all = {}
        self.handlers = {}
        self.holding = {}
        self.parts = {}
        self.batches = {}

    cdef int begin(self, EventWait wait, Handler owner) except -1:
        wait.owner = owner
        owner.graph = self
        self.waiting.setdefault(owner.node, {})[wait] = None
        return self.enter(owner)

    cdef int end(self, EventWait wait) except -1:
        cdef Handler owner = wait.owner
        wait.owner = None
        remove(self.waiting, owner.node, wait)
        return self.leave(owner)

    cdef int enter(self, Handler owner) except -1:
        """One more wait."""
        self.handlers[owner] = None
        self.holding.setdefault(owner.step, {})[owner] = None
        if type(owner.node) is tuple:
            self.parts.setdefault(owner.event, {})[owner] = None
        elif owner.event.flags & BATCH:
            self.batches.setdefault(owner.event, {})[owner] = None
        return 0

    cdef int leave(self, Handler owner) except -1:
        """It is over, or without memory was not noted everywhere."""
        self.handlers.pop(owner, None)
        remove(self.holding, owner.step, owner)
        remove(self.parts, owner.event, owner)
        return remove(self.batches, owner.event, owner)

    cdef set callers(self):
        """The nodes that wait for all."""
        cdef Members members
        return {(<Handler>members.owner).node for members in self.for_all
                if not (<Handler>members.owner).is_over()}

    cdef Py_ssize_t blocked_runs(self) except -1:
        """How many runs have a handler that waits, each of which makes a consumer busy."""
        cdef Handler handler
        return len({handler.run for handler in self.handlers if not handler.is_over()})


cdef int remove(dict several, object key, object what) except -1:
    found = several.get(key)
    if found is not None:
        found.pop(what, None)
        if not found:
            del several[key]
    return 0
