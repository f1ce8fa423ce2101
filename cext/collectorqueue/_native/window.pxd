"""What one worker has been sent, and has not answered."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from collectorqueue._native.errand cimport Errand, Remote
from collectorqueue._native.page cimport Page


cdef enum:
    BYTES_OUT = 1048576         # at one worker; one event is sent however large


cdef class Window:
    cdef readonly Page page
    cdef readonly object worker
    cdef object pack                # (object) -> bytes
    cdef object send                # (): there are bytes to send in `room`
    cdef bytearray room             # for the bytes to send; longer than what is used of it
    cdef Py_ssize_t used
    cdef Py_ssize_t sent_to         # what is before has been sent
    cdef Py_ssize_t frame_at        # where the open frame begins; -1: none is open
    cdef uint64_t frame_first
    cdef int frame_count
    cdef uint32_t frames
    cdef list places                # Errand or None
    cdef uint64_t next_sequence
    cdef uint64_t oldest
    cdef readonly Py_ssize_t outstanding
    cdef readonly Py_ssize_t tasks  # of them, of async collectors
    cdef Py_ssize_t bytes_out
    cdef uint64_t store_head
    cdef uint64_t store_tail
    cdef double pace_ns             # of a run, moving average
    cdef Py_ssize_t target          # events to have there
    cdef public bint is_open        # gets events
    cdef bint robbed                # of what it had not begun, and silent since
    cdef bint dirty
    cdef readonly bint is_worn      # the worker asks to be replaced
    cdef readonly int64_t handed    # in its life
    cdef public int64_t at_most     # to hand to it in its life; 0: no limit
    cdef readonly int64_t late      # results for what was not out any more

    cdef bint has_room(self, Remote outlet) except -1
    cdef Py_ssize_t places_left(self)
    cdef int hand(self, Errand errand, int64_t now) except -1
    cdef int put_value(self, Errand errand, Py_ssize_t at) except -1
    cdef bint put_in_store(self, Errand errand, const char *data, Py_ssize_t length,
                           uint64_t *offset) except -1
    cdef Errand at(self, uint64_t sequence)
    cdef int take_off(self, Errand errand) except -1
    cdef int close_frame(self) except -1
    cdef unsigned char *have(self, Py_ssize_t size) except NULL
    cdef int learn_pace(self, int64_t run_ns) except -1
    cdef list in_order(self)
