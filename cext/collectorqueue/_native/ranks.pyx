"""A heap of objects by two numbers, which are kept beside them.

Rules of residence: order only. The objects sit in a Python list, so that the garbage
collector sees them; the numbers in plain memory, so that comparing them is cheap.
"""
from operator import itemgetter

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc

cdef enum:
    SMALLEST = 64           # places


@cython.final
cdef class Ranks:
    """The smallest first; equal keys by their sequence."""

    def __cinit__(self):
        self.slots = [None] * SMALLEST

    def __dealloc__(self):
        free(self.heap)

    cdef int push(self, int64_t key, int64_t sequence, object thing) except -1:
        cdef Py_ssize_t at, parent
        cdef Rank rank
        cdef Rank *heap
        if self.used == self.size:
            self.grow()
        heap = self.heap
        at = self.used
        rank.key = key
        rank.sequence = sequence
        rank.slot = heap[at].slot
        slot_put(<PyObject *>self.slots, rank.slot, <PyObject *>thing)
        self.used += 1
        while at > 0:
            parent = (at - 1) >> 1
            if not before(&rank, &heap[parent]):
                break
            heap[at] = heap[parent]
            at = parent
        heap[at] = rank
        return 0

    cdef object pop(self):
        """The first; there must be one."""
        cdef Rank *heap = self.heap
        cdef Py_ssize_t slot = heap[0].slot
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t child
        cdef Rank last
        self.used -= 1
        last = heap[self.used]
        while True:
            child = 2 * at + 1
            if child >= self.used:
                break
            if child + 1 < self.used and before(&heap[child + 1], &heap[child]):
                child += 1
            if not before(&heap[child], &last):
                break
            heap[at] = heap[child]
            at = child
        heap[at] = last
        heap[self.used].slot = slot
        return slot_take(<PyObject *>self.slots, slot)

    cdef list things(self):
        """All that is there, in order."""
        cdef Py_ssize_t at
        cdef list ranked = [
            (self.heap[at].key, self.heap[at].sequence, self.slots[self.heap[at].slot])
            for at in range(self.used)
        ]
        ranked.sort(key=itemgetter(0, 1))
        return [rank[2] for rank in ranked]

    cdef int grow(self) except -1:
        cdef Py_ssize_t size = self.size * 2 if self.size else SMALLEST
        cdef Py_ssize_t at
        cdef Rank *heap
        # An allocation may run destructors, which may add something.
        self.slots.extend([None] * (size - len(self.slots)))
        if self.used < self.size:
            return 0
        heap = <Rank *>realloc(self.heap, size * sizeof(Rank))
        if heap is NULL:
            raise MemoryError()
        self.heap = heap
        for at in range(self.size, size):
            heap[at].slot = at
        self.size = size
        return 0
