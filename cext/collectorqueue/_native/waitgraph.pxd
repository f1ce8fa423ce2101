"""Which handlers wait for which events, as it is."""
from collectorqueue._native.context cimport Scope
from collectorqueue._native.event cimport CollectorEvent, EventWait


cdef class Handler:
    cdef Scope scope
    cdef CollectorEvent event       # whose it is; a batch is one
    cdef object step                # its collector's
    cdef CollectorEvent run         # the event, or its part: what has a consumer
    cdef object node                # what it is in the graph, see `node_of`
    cdef object graph               # that knows of its wait

    cdef bint is_over(self) noexcept


cdef class WaitGraph:
    cdef dict waiting               # node -> the waits it is in
    cdef dict for_all               # Members: the waits for all
    # of both, a Handler for each:
    cdef dict handlers
    cdef dict holding               # step -> those in it
    cdef dict parts                 # event with several collectors -> its
    cdef dict batches               # run that is a batch -> its

    cdef int begin(self, EventWait wait, Handler owner) except -1
    cdef int end(self, EventWait wait) except -1
    cdef int enter(self, Handler owner) except -1
    cdef int leave(self, Handler owner) except -1
    cdef set callers(self)
    cdef Py_ssize_t blocked_runs(self) except -1


cdef Handler handler_in(Scope scope)
cdef object node_of(CollectorEvent event, object step)
