"""Where runs wait, and what they are of, as the core sees them."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.timers cimport Alarm


cdef class Holder(Alarm):
    cdef bint admit(self, CollectorEvent run, int64_t now) except -1
    cdef bint enter(self, int64_t now) except -1
    cdef int forget(self, CollectorEvent run) except -1
    cdef int leave(self) except -1
    cdef int take_back(self) except -1
    cdef Py_ssize_t limit_reached(self) noexcept
    cdef int flush(self) except -1
    cdef int dismiss_calls(self) except -1
    cdef bint holds_events(self) except -1
    cdef list runs(self)


cdef class Parts:
    cdef CollectorEvent event

    cdef int give_up(self, str why) except -1
    cdef int abort(self, str why) except -1
    cdef list drivers(self)
    cdef int turn_away(self, CollectorEvent run, object error, bint gave_up) except -1


cdef class Share:
    cdef Parts parts                # None: of a call that a custom router makes
    cdef Py_ssize_t at
    cdef object future              # of that call


cdef class Bundle(Alarm):
    cdef list items                 # runs: events, and parts of them

    cdef bint abort_item(self, CollectorEvent event, str why) except -1


cdef bint is_call(CollectorEvent run)
cdef CollectorEvent stand_in(CollectorEvent event, object step, int kind, object what)
cdef dict events_of(CollectorEvent run)
cdef dict events_of_all(list runs)
