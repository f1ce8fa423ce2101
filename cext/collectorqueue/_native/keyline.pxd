"""The events of one ordering key: those on their way, and those that wait behind them."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent


cdef class KeyLine:
    cdef CollectorEvent head        # the first of those that are on their way; None: none is
    cdef dict joined                # the others of those -> their numbers; or None
    cdef CollectorEvent first       # of those that wait; None: none does
    cdef object others              # that wait: an OrderedDict; None: there are none
    cdef object batch               # that holds all on their way, and fills; or None
    cdef CollectorEvent trying      # on its way to see whether it goes there too; or None
    cdef int64_t gone               # how many have gone; each is numbered when it first does
    cdef int64_t head_number
    cdef dict returned              # first of those that wait: were on their way -> numbers

    cdef int go(self, CollectorEvent event) except -1
    cdef int64_t leave(self, CollectorEvent event) except -1
    cdef list on_their_way(self)
    cdef int add(self, CollectorEvent event) except -1
    cdef int add_again(self, CollectorEvent event, int64_t number) except -1
    cdef int put_among(self, CollectorEvent event, int64_t number) except -1
    cdef int remove(self, CollectorEvent event) except -1
    cdef CollectorEvent next(self)
    cdef CollectorEvent last(self)
    cdef list waiting(self)
