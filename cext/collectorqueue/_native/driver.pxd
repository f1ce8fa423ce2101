"""Driving one collector for one event, and telling whose a cancellation is."""
from collectorqueue._native.context cimport RunContext
from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step
from collectorqueue._native.results cimport Error
from collectorqueue._native.seats cimport Seat
from collectorqueue._native.timers cimport Alarm

cdef enum Status:
    DONE, SUSPENDED

cdef enum Verdict:
    PLAIN           # `answer` is what the collector answered
    GIVEN_UP        # cancelled, not by the handler itself: the event is ABORTED

cdef class Driver(Seat):
    cdef Core core
    cdef object task
    cdef Step step
    cdef CollectorEvent part        # the run of the part in hand, if that had to wait
    cdef object coroutine           # what is driven now
    cdef RunContext context         # None: the task's own context serves
    cdef bint delivered             # its task has thrown a cancellation into this run
    cdef bint in_step               # the handler's own frames are running
    cdef object yielded             # what it waits on, once SUSPENDED
    cdef object answer              # its Ok, Error or ResultList, once DONE
    cdef char verdict
    cdef bint leaving               # somebody else wants the task to end: it must
    cdef bint spent                 # the task may still be cancelled late: do not reuse it
    cdef str abort_why
    cdef Alarm deadline             # of this run; None: it has none, or did not wait yet
    cdef bint timed_out
    cdef bint written_off           # it has not ended when it was cancelled: nobody waits

    cdef int cancels                # the task's cancelling()
    cdef int own_cancels            # made by the handler's own step
    cdef int our_cancels            # made by us
    cdef bint cancelling_now        # we are at it

    cdef int begin(self, Step step, CollectorEvent event, object given) except -1
    cdef int call(self, Step step, CollectorEvent event) except -1
    cdef object converted(self, Step step, Payload payload)
    cdef dict made_by_now(self)
    cdef int resume(self, object thrown) except -1
    cdef int never_begun(self, object thrown) except -1
    cdef int returned(self, object value) except -1
    cdef int raised(self, object exc) except -1
    cdef int weigh_cancels(self, object exc) except -1
    cdef int take_back_cancels(self) except -1
    cdef int cancel_task(self) except -1
    cdef int set_deadline(self) except -1
    cdef int time_out(self) except -1
    cdef int write_off(self) except -1


cdef class Deadline(Alarm):
    cdef Driver driver


cdef Error late(Step step)
cdef char outcome_of(object answer) except -1
