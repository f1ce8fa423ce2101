"""The results of an event's several collectors, while they come in.

Rules of residence: the sum of the parts. Who runs a part reports it here, once; the last
one settles the event. A consumer waits for the parts it must hold its place for: those of
the loop and of threads, and those of other processes until they were handed over.
"""
cimport cython

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport ABORTED, FAILED, OK, CollectorEvent
from collectorqueue._native.plan cimport Step
from collectorqueue._native.results cimport Error, Ok, sealed_list

from collectorqueue.errors import EventAborted


cdef Gathering gather(Core core, CollectorEvent event, Py_ssize_t parts):
    cdef Gathering made = Gathering.__new__(Gathering)
    made.core = core
    made.event = event
    made.missing = made.held = parts
    made.results = [None] * parts
    made.branches = []
    return made


@cython.final
cdef class Gathering:
    """One event's parts."""

    cdef int collected(self, Py_ssize_t at, object answer, bint gave_up) except -1:
        """One of the collectors is done; the last of them settles the event."""
        if self.results is None or self.results[at] is not None:
            return 0    # the event was given up before
        self.results[at] = answer
        self.gave_up = self.gave_up or gave_up
        self.missing -= 1
        if self.missing == 0:
            self.settle()
            self.ring()
        return 0

    cdef int let_go(self) except -1:
        """The consumer need not wait for this part any more."""
        self.held -= 1
        if self.held == 0:
            self.ring()
        return 0

    cdef int ring(self) except -1:
        if self.bell is not None and not self.bell.done():
            self.bell.set_result(None)
        return 0

    cdef int settle(self) except -1:
        """Settle with what there is: parts that are missing are aborted."""
        cdef char outcome = OK
        cdef list results = []
        if self.results is None:
            return 0
        for result in self.results:
            if result is None:
                result = Error(EventAborted(self.abort_why or "cancelled"))
            if type(result) is not Ok:
                outcome = FAILED
            results.append(result)
        if self.gave_up:
            outcome = ABORTED
        self.results = None
        self.missing = 0
        labels = tuple([(<Step>step).key for step in self.event.route])
        self.core.settle(self.event, outcome, sealed_list(results, labels), monotonic_ns())
        return 0
