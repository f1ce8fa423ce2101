"""Events that wait for something else than a consumer."""
from libc.stdint cimport int64_t

from collectorqueue._native.door cimport Door
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.keyline cimport KeyLine
from collectorqueue._native.lanes cimport Lane
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step
from collectorqueue._native.retrial cimport Tries
from collectorqueue._native.timers cimport Timers
from collectorqueue._native.worst cimport Worst

cdef enum Again:
    NEVER_AGAIN     # it has failed for good
    AGAIN
    TOO_LATE        # it might have been, but the queue will have ended


cdef class Postponed(Door):
    cdef Timers timers
    cdef dict lines                 # ordering key -> its only event, or its KeyLine
    cdef dict tries                 # event or part -> Tries, of those that have failed
    cdef dict gatherings            # event -> Parts, of those that no consumer holds
    cdef dict gates                 # Holder -> None, of those at which runs wait
    cdef dict batches               # Holder -> None, of those that fill
    cdef tuple order                # of the queue: for `make_sorted_lane`
    cdef Worst droppable            # of those that wait here; None: none is ever dropped
    cdef Py_ssize_t left_by_sweep   # deadlines, when they were last looked through
    cdef int64_t ends_ns            # when the queue will have been drained; 0: not known
    cdef bint has_limits            # some collector may be at its limit
    cdef readonly int64_t retries   # runs that were tried again
    cdef list given_up              # events that a drain did not wait for

    cdef int stand_apart(self, CollectorEvent event, char place) except -1
    cdef bint postpone(self, CollectorEvent event) except -1
    cdef bint line_up(self, CollectorEvent event) except -1
    cdef KeyLine line_of(self, object key)
    cdef int leave_line(self, CollectorEvent event) except -1
    cdef int advance(self, object key, KeyLine line) except -1
    cdef int join_batch(self, CollectorEvent event, object batch) except -1
    cdef int try_batch(self, KeyLine line) except -1
    cdef int back_in_line(self, CollectorEvent event) except -1
    cdef int leave_apart(self, CollectorEvent event) except -1
    cdef int retry(self, CollectorEvent run, Step step, object answer, int64_t now) except -1
    cdef int end_run(self, CollectorEvent event, Step step, int outcome, object answer,
                     int64_t now) except -1
    cdef int wait_for_retry(self, CollectorEvent run) except -1
    cdef object conclude(self, CollectorEvent run, object answer)
    cdef Tries forget_tries(self, CollectorEvent run)
    cdef int sweep_timers(self) except -1
    cdef bint is_expired(self, CollectorEvent event, int64_t now) except -1
    cdef Lane make_lane(self, char place, bint drops)
    cdef list postponed_events(self)
    cdef bint is_waiting_for_time(self) except -1
    cdef int give_up_if_late(self, CollectorEvent run) except -1
    cdef int64_t begins_at(self, CollectorEvent event) except -1
    cdef int mind_batches(self) except -1

    cdef CollectorEvent first_of_key(self, CollectorEvent event)
    cdef CollectorEvent last_of_key(self, CollectorEvent event)
    cdef dict order_of_key(self, CollectorEvent event)
    cdef Py_ssize_t limit_reached(self, Step step) except -1
    cdef list waiting_runs(self)
    cdef list runs_held_back(self)

    # the core's
    cdef object likely_route(self, Payload payload)
    cdef int settle(self, CollectorEvent event, char outcome, object result,
                    int64_t now) except -1
    cdef int judge_soon(self) except -1
    cdef int put_back(self, CollectorEvent event) except -1
    cdef int wait_again(self, CollectorEvent event, char place, int64_t now) except -1
    cdef int withdraw(self, CollectorEvent event, char outcome, object error) except -1
    cdef int drop_expired(self, CollectorEvent event) except -1


cdef object too_late(CollectorEvent event)
cdef int64_t ttl_ns(Payload payload) except -1
cdef int64_t delay_ns(Payload payload) except -1
