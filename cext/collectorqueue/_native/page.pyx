"""What a worker and the loop's process share: claims, and a ring of finished results.

Rules of residence: the layout of one piece of memory that two processes read and write, and
nothing that waits. It is made before the worker and outlives it, so that after a death it
tells what each event that was sent has come to:

    SENT        never begun: another worker can have it
    BEGUN       begun; finished if its result is in the ring
    WITHDRAWN   taken back before it was begun
    WHOLE_ON_SOCKET  finished; the result was too large for the ring

A claim is one word, the event's sequence number with one of these, changed by one
compare-and-swap: either the worker begins an event or the loop's process takes it back.
Results follow each other in the ring; the worker moves the head when one is whole.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define cq_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define cq_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    static inline int cq_swap(uint64_t *p, uint64_t from, uint64_t to) {
        return __atomic_compare_exchange_n(
            p, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    #else   /* process collectors are refused where this is so */
    #define cq_load(p) (*(p))
    #define cq_store(p, v) (*(p) = (v))
    static inline int cq_swap(uint64_t *p, uint64_t from, uint64_t to) {
        if (*p != from) return 0;
        *p = to;
        return 1;
    }
    #endif
    """
    uint64_t load "cq_load"(uint64_t *place) noexcept
    void store "cq_store"(uint64_t *place, uint64_t value) noexcept
    bint swap "cq_swap"(uint64_t *place, uint64_t old, uint64_t new) noexcept

cdef enum:
    # Byte places of the head of the page; each writer's on a cache line of its own.
    MAGIC_AT = 0
    WRITTEN_AT = 64             # the ring, by the worker
    EVENTS_AT = 80
    MEMORY_AT = 88              # the worker's resident bytes, when it last looked
    CPU_AT = 96                 # its CPU time in ns, likewise
    READ_AT = 128               # the ring, by the loop's process

    LARGEST_IN_RING = RING_BYTES // 4

cdef uint64_t MAGIC = 0x31676170716371     # "qcqpag1"
cdef uint64_t ODD = 0x9E3779B97F4A7C15


cdef uint32_t check_of(const unsigned char *data, Py_ssize_t length, uint64_t seed) noexcept:
    """A check that any garbling changes but one in 2**32; eight bytes a step.

    Each step (add, multiply by an odd number, fold) is one-to-one, so that one changed
    word always shows.
    """
    cdef uint64_t state = seed * ODD + <uint64_t>length
    cdef uint64_t word
    while length >= 8:
        memcpy(&word, data, 8)
        state = (state ^ word) * ODD
        state ^= state >> 32
        data += 8
        length -= 8
    if length:
        word = 0
        memcpy(&word, data, <size_t>length)
        state = (state ^ word) * ODD
        state ^= state >> 32
    return <uint32_t>(state ^ (state >> 29))


cdef uint32_t check_finished(Finished *finished, const unsigned char *body) noexcept:
    cdef uint32_t head = check_of(<unsigned char *>&finished.sequence, 32, finished.length)
    return check_of(body, finished.length, head)


@cython.final
cdef class Page:
    """One worker's page, over a writable buffer of `bytes_for(store)` bytes."""

    def __cinit__(self, memory, *, bint fresh):
        cdef Py_buffer view
        PyObject_GetBuffer(memory, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.base = <unsigned char *>view.buf
        size = view.len
        # The memory is kept alive, and not moved: it is a map, not a bytearray.
        PyBuffer_Release(&view)
        if size < STORE_AT:
            raise ValueError(f"a page needs {STORE_AT} bytes, got {size}")
        self.memory = memory
        self.store_bytes = size - STORE_AT
        if fresh:
            self.word(MAGIC_AT)[0] = MAGIC
        elif self.word(MAGIC_AT)[0] != MAGIC:
            raise ValueError("this memory is not a worker's page")
        self.head = 0

    cdef uint64_t *word(self, Py_ssize_t at) noexcept:
        return <uint64_t *>(self.base + at)

    cdef uint64_t *place(self, uint64_t sequence) noexcept:
        return <uint64_t *>(self.base + CLAIMS_AT) + (sequence & (PLACES - 1))

    # -- claims -------------------------------------------------------------------

    cdef int offer(self, uint64_t sequence) except -1:
        """This event is about to be sent; the one in its place before has ended."""
        store(self.place(sequence), sequence << 2 | SENT)
        return 0

    cdef bint claim(self, uint64_t sequence, int64_t now) noexcept:
        """In the worker: begin an event, unless it was withdrawn."""
        cdef int64_t *begun = <int64_t *>(self.base + BEGUN_AT)
        begun[sequence & (PLACES - 1)] = now
        return swap(self.place(sequence), sequence << 2 | SENT, sequence << 2 | BEGUN)

    cdef bint withdraw(self, uint64_t sequence) noexcept:
        """Take an event back, unless the worker has begun with it."""
        return swap(self.place(sequence), sequence << 2 | SENT, sequence << 2 | WITHDRAWN)

    cdef int claim_of(self, uint64_t sequence) noexcept:
        return <int>(load(self.place(sequence)) & 3)

    cdef int64_t begun_ns(self, uint64_t sequence) noexcept:
        return (<int64_t *>(self.base + BEGUN_AT))[sequence & (PLACES - 1)]

    cdef int on_socket(self, uint64_t sequence) noexcept:
        """In the worker: the result of an event is whole on the socket."""
        store(self.place(sequence), sequence << 2 | WHOLE_ON_SOCKET)
        return 0

    # -- results ------------------------------------------------------------------

    cdef bint publish(self, Finished *finished, const unsigned char *body) noexcept:
        """In the worker: put a result in the ring; False if there is no room for it."""
        cdef uint64_t need = (sizeof(Finished) + finished.length + 7) & ~<uint64_t>7
        cdef uint64_t at = self.head & (RING_BYTES - 1)
        cdef uint64_t skip = RING_BYTES - at if at + need > RING_BYTES else 0
        if finished.length > LARGEST_IN_RING:
            return False
        if self.head + skip + need - load(self.word(READ_AT)) > RING_BYTES:
            return False
        if skip:
            # Too little left before the end: a record without a sequence number fills it.
            if skip >= 8:
                (<uint32_t *>(self.base + RING_AT + at))[0] = 0xFFFFFFFF
            self.head += skip
            at = 0
        finished.check = check_finished(finished, body)
        memcpy(self.base + RING_AT + at, finished, sizeof(Finished))
        if finished.length:     # else there is no body
            memcpy(self.base + RING_AT + at + sizeof(Finished), body, finished.length)
        self.head += need
        store(self.word(WRITTEN_AT), self.head)
        return True

    cdef int peek(self, Finished *finished, unsigned char **body) except -1:
        """The oldest result that was not consumed: 1, and where its body is; 0: there is none.

        What is said of it is copied before it is checked: a worker that writes where it
        should not cannot change it any more. Raises ValueError for one that is garbled:
        nothing after it can be read.
        """
        cdef uint64_t written = load(self.word(WRITTEN_AT))
        cdef uint64_t at
        if written == self.head:
            return 0
        if written - self.head > RING_BYTES or written & 7:
            raise ValueError("the ring of results is garbled")
        at = self.head & (RING_BYTES - 1)
        if (<uint32_t *>(self.base + RING_AT + at))[0] == 0xFFFFFFFF:
            self.head += RING_BYTES - at
            at = 0
        body[0] = self.base + RING_AT + at + sizeof(Finished)
        if at + sizeof(Finished) > RING_BYTES:
            raise ValueError("the ring of results is garbled")
        memcpy(finished, self.base + RING_AT + at, sizeof(Finished))
        if (at + sizeof(Finished) + finished.length > RING_BYTES
                or self.head + sizeof(Finished) + finished.length > written
                or finished.check != check_finished(finished, body[0])):
            raise ValueError("a result in the ring is garbled")
        return 1

    cdef int consume(self, Finished *finished) noexcept:
        """Free what `peek` gave; the memory is the worker's again."""
        self.head += (sizeof(Finished) + finished.length + 7) & ~<uint64_t>7
        store(self.word(READ_AT), self.head)
        return 0

    # -- what the worker tells of itself --------------------------------------------

    def tell(self, int64_t events, int64_t memory_bytes, int64_t cpu_ns):
        """In the worker: how many events it has run, its memory, its CPU time."""
        store(self.word(EVENTS_AT), <uint64_t>events)
        store(self.word(MEMORY_AT), <uint64_t>memory_bytes)
        store(self.word(CPU_AT), <uint64_t>cpu_ns)

    @property
    def told(self):
        """What the worker has told last: events, bytes of memory, ns of CPU time."""
        return (load(self.word(EVENTS_AT)), load(self.word(MEMORY_AT)),
                load(self.word(CPU_AT)))


def bytes_for(Py_ssize_t store_bytes):
    """The size of a page with so much room for large payloads."""
    return STORE_AT + store_bytes
