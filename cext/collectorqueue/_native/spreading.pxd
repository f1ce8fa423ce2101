"""One event at several collectors."""
from libc.stdint cimport int64_t

from collectorqueue._native.branch cimport Branch
from collectorqueue._native.context cimport Scope
from collectorqueue._native.driver cimport Driver
from collectorqueue._native.gathering cimport Gathering
from collectorqueue._native.plan cimport Step

cdef enum Stage:
    FRESH           # not begun
    IDLE            # waits for its bell
    SLICED          # gave the turn up, comes back by itself
    HELD            # lets the other collectors' tasks begin before its own (Python 3.11)
    BEGUN           # its handler was begun in a caller's step, and waits for our task's
    COLLECTING      # its handler runs or is suspended
    JOINING         # its own handler is done, others of the event are not
    ENDED

cdef enum Progress:
    FREE            # no event in hand
    WAITING         # the event needs another turn


cdef class Spreading(Driver):
    cdef char stage
    cdef object make_branch         # (branch, context): start a task for a collector
    cdef Gathering gathering        # of the event in hand; None: it has one collector
    cdef int64_t now                # the clock, when it was last read
    cdef int64_t begun_ns           # when its own part of several began

    cdef bint set_apart(self, Step step, Py_ssize_t at) except -1
    cdef int start_several(self, tuple route) except -1
    cdef int settle_cancels(self) except -1
    cdef int start_last(self, Step step) except -1
    cdef int run_inline(self, Step step, Py_ssize_t at) except -1
    cdef int branch_off(self, Step step, Py_ssize_t at) except -1
    cdef int branch_on(self, object coroutine, Step step, Py_ssize_t at) except -1
    cdef Branch new_branch(self, Step step, Py_ssize_t at, Scope scope)
    cdef int wait_for_others(self) except -1
    cdef int own_part_done(self) except -1
    cdef int close_event(self) except -1
    cdef int give_up_event(self) except -1
