"""What a collector answers: one Ok or Error, and the list of them."""
from libc.stdint cimport int64_t


cdef class Ok:
    cdef readonly object value


cdef class Error:
    cdef readonly object err
    cdef readonly object details
    cdef object text                # of the traceback, or what it is made of; or None
    cdef readonly int attempts
    cdef int64_t first_failed_ns    # 0: it is of the first run
    cdef char matched               # by what its Retry wants: 0 not known, 1 yes, 2 no


cdef class ResultList:
    cdef list data
    cdef tuple labels
    cdef bint sealed


cdef object as_result(object value)
cdef Error error_from(BaseException exc)
cpdef Error tried(Error error, int attempts)
cdef ResultList sealed_list(list data, tuple labels)
