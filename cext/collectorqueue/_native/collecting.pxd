"""What a consumer does with one event: route -> collect -> settle."""
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.holders cimport Bundle
from collectorqueue._native.plan cimport Step
from collectorqueue._native.spreading cimport Spreading

cdef class Collecting(Spreading):
    cdef CollectorEvent only        # a compensating consumer's one event
    cdef Bundle bundle              # the batch in hand, or None
    cdef readonly bint needs_successor      # it ended without being told to

    cdef int start(self) except -1
    cdef int start_again(self) except -1
    cdef int start_stray(self, CollectorEvent run, Step step) except -1
    cdef bint divert(self, CollectorEvent run, Step step, bint admitted) except -1
    cdef int send_part(self, CollectorEvent run, Step step) except -1
    cdef int not_begun(self, object route) except -1
    cdef object ask_router(self)
    cdef int start_part(self, CollectorEvent run, Step step) except -1
    cdef int start_batch(self, CollectorEvent run, Step step) except -1
    cdef int batch_over(self) except -1
    cdef int finish(self) except -1
    cdef int forget_event(self) except -1
    cdef int part_from_handler(self) except -1
    cdef int expect_successor(self) except -1
