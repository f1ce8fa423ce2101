"""What could never end, as handlers wait, or if one more of them did."""
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.waitgraph cimport WaitGraph


cdef class Standstill:
    cdef WaitGraph graph
    cdef Postponed core
    cdef CollectorEvent own         # whose handler is about to wait; None: as it is
    cdef object step                # where it runs
    cdef CollectorEvent target      # what it would wait for; None: for all
    cdef dict mine                  # the events that `own` is of
    cdef dict before                # event -> the one before it in its key's line, as found
    cdef dict parts                 # event -> the steps its parts wait for; None: not known

    cdef object circle(self)
    cdef set stuck(self, list events, bint beside_all)
    cdef set places_of(self, CollectorEvent event)
    cdef set holders(self, Step limited, bint beside_all)
    cdef set needed_by(self, CollectorEvent event)
    cdef CollectorEvent one_before(self, CollectorEvent event)
    cdef set ahead_of(self, CollectorEvent event)
