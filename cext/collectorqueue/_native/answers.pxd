"""What a worker has answered, read."""
from collectorqueue._native.results cimport Error


cdef class Answers:
    cdef object decode              # (data) -> value
    cdef object decode_apart        # (data): a batch's results, some of which cannot be
    cdef object undecodable         # (error): the failure that this is

    cdef object read(self, int form, const char *body, Py_ssize_t length, bint is_batch)


cpdef list answers_from(object said)
cdef Error failure_from(object said)
