"""A consumer: take -> route -> collect -> settle, as one compiled state machine."""
from libc.stdint cimport int64_t

from collectorqueue._native.branch cimport Branch
from collectorqueue._native.driver cimport Driver
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.gathering cimport Gathering
from collectorqueue._native.plan cimport Step

cdef enum Stage:
    FRESH           # not begun
    IDLE            # waits for its bell
    SLICED          # gave the turn up, comes back by itself
    HELD            # lets the other collectors' tasks begin before its own (Python 3.11)
    COLLECTING      # its handler runs or is suspended
    JOINING         # its own handler is done, others of the event are not
    ENDED

cdef enum Progress:
    FREE            # no event in hand
    WAITING         # the event needs another turn


cdef class Consumer(Driver):
    cdef char stage
    cdef object make_branch         # (branch, context): start a task for a collector
    cdef CollectorEvent only        # a compensating consumer's one event
    cdef Gathering gathering        # of the event in hand; None: it has one collector
    cdef int64_t now                # the clock, when it was last read
    cdef int64_t begun_ns           # when its own part of several began
    cdef readonly bint needs_successor      # it ended without being told to
    cdef readonly bint lost         # ended by somebody else's cancellation

    cdef object turn(self, object thrown)
    cdef object go_on(self, object thrown)
    cdef object next_event(self)
    cdef int start(self) except -1
    cdef object ask_router(self)
    cdef bint send_out(self, Step step) except -1
    cdef int start_several(self, tuple route) except -1
    cdef int settle_cancels(self) except -1
    cdef int start_last(self, Step step) except -1
    cdef int run_inline(self, Step step, Py_ssize_t at) except -1
    cdef int branch_off(self, Step step, Py_ssize_t at) except -1
    cdef int branch_on(self, object coroutine, Step step, Py_ssize_t at) except -1
    cdef Branch new_branch(self, Step step, Py_ssize_t at)
    cdef int wait_for_others(self) except -1
    cdef int own_part_done(self) except -1
    cdef int finish(self) except -1
    cdef int close_event(self) except -1
    cdef int forget_event(self) except -1
    cdef int give_up_event(self) except -1
    cdef object pause(self)
    cdef object ring_later(self)
    cdef object go_idle(self)
    cdef object end(self)
    cdef int expect_successor(self) except -1
    cdef object leave(self, object thrown)
