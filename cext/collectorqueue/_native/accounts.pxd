"""How an exception is written out as text, and what it holds is let go of."""

cdef object account_of(object exc)
cdef str unwritten(object exc, str why)
cdef object own_name(type kind)
cpdef str encodable(object text)
cpdef str shortened(str text)
cpdef int let_go(object exc) except -1
