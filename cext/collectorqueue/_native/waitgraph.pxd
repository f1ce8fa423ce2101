"""Which handlers wait for which events, as it is."""
from collectorqueue._native.event cimport CollectorEvent, EventWait


cdef class Handler:
    cdef CollectorEvent event       # whose it is; a batch is one
    cdef object step                # its collector's
    cdef CollectorEvent run         # the event, or its part: what has a consumer
    cdef object node                # what it is in the graph, see `node_of`
    cdef int noted                  # in how many places, see `enter`


cdef class WaitGraph:
    cdef dict waiting               # node -> the waits it is in
    cdef dict for_all               # Members: the waits for all
    # of both, with how many of them:
    cdef dict holding               # step -> its nodes
    cdef dict parts                 # event with several collectors -> its steps
    cdef dict batches               # runs that are batches
    cdef dict blocked               # runs

    cdef int begin(self, EventWait wait, Handler owner) except -1
    cdef int end(self, EventWait wait) except -1
    cdef int enter(self, Handler owner) except -1
    cdef int leave(self, Handler owner) except -1
    cdef set callers(self)
    cdef Py_ssize_t blocked_runs(self) except -1


cdef Handler handler_of(CollectorEvent event, object step, CollectorEvent part)
cdef object node_of(CollectorEvent event, object step)
