"""What could never end, as handlers wait."""
from collectorqueue._native.event cimport CollectorEvent, EventWait
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.waitgraph cimport Handler, WaitGraph


cdef class Node:
    cdef object key                 # an event, or one handler of it: (event, step)
    cdef list needs                 # nodes that must end before it
    cdef list dependents            # nodes that cannot end before it
    cdef list wanted                # the places that it needs
    cdef list held                  # those that it holds
    cdef Py_ssize_t missing         # what must come before it ends


cdef class Place:
    cdef Py_ssize_t limit
    cdef Py_ssize_t stuck           # of those that hold it, how many may not end
    cdef list holders               # nodes
    cdef list wanting               # nodes that need it


cdef class Standstill:
    cdef WaitGraph graph
    cdef Postponed core
    cdef set callers                # that wait for all, and are not to end
    cdef bint with_places           # collectors may be at their limits
    cdef dict nodes                 # key -> Node, until it is seen to end
    cdef list todo                  # nodes whose needs are not known yet
    cdef dict places                # step -> its Place; None: there is room
    # As they are found, each once:
    cdef dict before                # event -> the one before it in its key's line
    cdef dict parts                 # event -> the steps its parts wait for a place of
    cdef set let_in                 # events that have their place, in a batch
    cdef dict bundles               # event -> the batches it is in, if their handlers wait

    cdef object circle(self, Handler owner, CollectorEvent target)
    cdef bint are_stuck(self, Handler owner, CollectorEvent target,
                        bint with_places) except -1
    cdef set stuck(self, object keys, bint beside_all)
    cdef EventWait one_to_refuse(self)
    cdef EventWait wait_in_a_circle(self)
    cdef bint counts(self, EventWait wait) except -1
    cdef Node in_the_way_of(self, Node node)
    cdef int give_up(self, EventWait wait) except -1
    cdef set search(self, object keys, set callers, bint with_places)
    cdef int end_all_that_can(self) except -1
    cdef int need(self, Node node, object key) except -1
    cdef Node node_at(self, object key)
    cdef int explore(self, Node node) except -1
    cdef int explore_event(self, Node node, CollectorEvent event) except -1
    cdef int explore_handler(self, Node node, CollectorEvent event, object step) except -1
    cdef int need_place(self, Node node, object step) except -1
    cdef Place place_of(self, Step step)
    cdef set steps_of(self, CollectorEvent event)
    cdef int look_for_parts(self) except -1
    cdef list bundles_of(self, CollectorEvent event)
    cdef CollectorEvent one_before(self, CollectorEvent event)
