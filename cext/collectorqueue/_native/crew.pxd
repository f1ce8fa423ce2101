"""The workers as the loop's process sees them: what is out, and what waits to go out."""
from libc.stdint cimport int64_t

from collectorqueue._native.answers cimport Answers
from collectorqueue._native.errand cimport Errand, Remote
from collectorqueue._native.event cimport CollectorEvent, Home
from collectorqueue._native.lanes cimport Lane
from collectorqueue._native.outlet cimport Elsewhere
from collectorqueue._native.page cimport Finished
from collectorqueue._native.window cimport Window


cdef class Crew(Elsewhere):
    cdef Home home                  # of the core, which keeps this, and more
    cdef Lane lane                  # queued events that wait for a worker
    cdef object urgent              # a deque of Errands of events that run by now
    cdef dict holding               # outlets with held events
    cdef readonly list windows
    cdef list dirty
    cdef list limbo                 # of lost workers, until it is known what they died of
    cdef bint flushing              # it has been asked for, this turn
    cdef object on_timed            # (ns): something with this timeout is out
    cdef object on_short            # (): work waits, and no worker has room
    cdef readonly int64_t short_since       # ns; 0: nothing waits
    cdef Py_ssize_t peak_busy       # see take_peak
    cdef Answers answers

    cdef list errands(self)
    cdef Window choose(self, Remote outlet)
    cdef int start(self, CollectorEvent event, Remote outlet, Window window,
                   int64_t now) except -1
    cdef int start_lot(self, CollectorEvent run, Remote outlet, Window window,
                       int64_t now) except -1
    cdef int hand(self, Window window, Errand errand, int64_t now) except -1
    cdef int submit(self, Errand errand) except -1
    cdef int soil(self, Window window) except -1
    cdef int take_in(self, Window window, Finished *finished, const char *body) except -1
    cdef int flush_now(self) except -1
    cdef int run_short(self) except -1
    cdef int hold(self, CollectorEvent event) except -1
    cdef int hold_back(self, int64_t now) except -1
    cdef int take_back(self, Window window) except -1
    cdef bint has_any_room(self) except -1
    cdef int serve(self) except -1
    cdef int serve_lane(self, int64_t now) except -1
    cdef int level(self) except -1
