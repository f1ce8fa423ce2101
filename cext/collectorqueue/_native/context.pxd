"""Which event's code is running: a Scope in a context of its own for each run."""
from collectorqueue._native.event cimport CollectorEvent


cdef class Scope:
    cdef CollectorEvent event       # None once its run is over
    cdef Scope parent               # the scope it was sent from, if its context came along

cdef Scope current_scope()


cdef class RunContext:
    cdef object base                # the context every run gets a copy of
    cdef object context             # made for this run, or still as new from the last
    cdef object variables           # what `context` held when it was made; None: not known
    cdef Scope scope

    cdef int enter(self, CollectorEvent event) except -1
    cdef int leave(self) except -1
    cdef int step_in(self) except -1
    cdef int step_out(self) except -1

cdef object scoped_copy(object base, Scope scope)
