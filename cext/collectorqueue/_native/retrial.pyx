"""Which failures are tried again, how often and when.

Rules of residence: one collector's rule, in numbers. What waits, and where, is not known.
"""
import random

cimport cython
from cpython.type cimport PyType_Check
from libc.math cimport pow
from libc.stdint cimport int64_t

from collectorqueue._native.results cimport Error


cpdef bint is_one_of(object error, tuple on, tuple never) except -1:
    """Whether an exception, or a class of some, is one of the first and none of the others."""
    # By what it is: what an exception says of its class may be anything.
    kind = error if PyType_Check(error) else type(error)
    try:
        return issubclass(kind, on) and not issubclass(kind, never)
    except BaseException:   # of a class that was asked whether it is one of these
        return False


@cython.final
cdef class Retrial:
    """A collector's Retry, compiled; seconds."""

    def __cinit__(self, int attempts, double backoff, double factor, double max_backoff,
                  double jitter, tuple on, tuple never):
        self.attempts = attempts
        self.backoff_ns = backoff * 1e9
        self.factor = factor
        self.max_backoff_ns = max_backoff * 1e9
        self.jitter = jitter
        self.on = on
        self.never = never

    cdef bint wants(self, Error answer, int attempts) except -1:
        """Whether a run that has failed so is tried again, after so many."""
        if attempts >= self.attempts or answer.matched == 2:
            return False
        if answer.matched:
            return True         # by the worker, where the exception was
        return is_one_of(answer.err, self.on, self.never)

    cdef int64_t pause_ns(self, int attempts) except -1:
        """How long to wait after so many."""
        cdef double pause = self.backoff_ns * pow(self.factor, min(attempts - 1, 1000))
        if not pause < self.max_backoff_ns:
            pause = self.max_backoff_ns
        # Not capped once more: at the longest wait, too, not all come back at once.
        if self.jitter:
            pause *= 1 + self.jitter * (2 * random.random() - 1)
        return <int64_t>pause

    def next_wait(self, Error answer not None, int attempts):
        """Seconds until it is tried again, after so many runs; None: it is not."""
        return self.pause_ns(attempts) / 1e9 if self.wants(answer, attempts) else None


@cython.final
cdef class Tries:
    """What was tried of one event at one collector."""
