"""A heap of objects by two numbers, which are kept beside them."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

cdef extern from *:
    """
    /* Both keep the list's own count right without the cost of a list method. A free place
       holds None, which from Python 3.12 on is not counted. */
    static inline void cq_slot_put(PyObject *list, Py_ssize_t at, PyObject *o) {
        Py_INCREF(o);
    #if PY_VERSION_HEX < 0x030C0000
        Py_DECREF(Py_None);
    #endif
        PyList_SET_ITEM(list, at, o);
    }
    static inline PyObject *cq_slot_take(PyObject *list, Py_ssize_t at) {
        PyObject *o = PyList_GET_ITEM(list, at);
    #if PY_VERSION_HEX < 0x030C0000
        Py_INCREF(Py_None);
    #endif
        PyList_SET_ITEM(list, at, Py_None);
        return o;
    }
    static inline Py_ssize_t cq_size(PyObject *list) { return PyList_GET_SIZE(list); }
    """
    # By pointers: an object's type would have it counted up and down again.
    void slot_put "cq_slot_put"(PyObject *slots, Py_ssize_t at, PyObject *o) noexcept
    object slot_take "cq_slot_take"(PyObject *slots, Py_ssize_t at)
    Py_ssize_t size_of "cq_size"(PyObject *slots) noexcept


cdef struct Rank:
    int64_t key
    int64_t sequence
    Py_ssize_t slot


cdef class Ranks:
    cdef Rank *heap                 # from `used` on, `slot` is one that is free
    cdef Py_ssize_t used
    cdef Py_ssize_t size
    cdef list slots                 # None where there is nothing

    cdef int push(self, int64_t key, int64_t sequence, object thing) except -1
    cdef object pop(self)
    cdef list things(self)
    cdef int grow(self) except -1


cdef inline bint before(Rank *one, Rank *other) noexcept:
    if one.key != other.key:
        return one.key < other.key
    return one.sequence < other.sequence
