"""What a worker and the loop's process share: claims, and a ring of finished results."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    PLACES = 1024               # events that one worker can have been sent
    CLAIMS_AT = 4096
    BEGUN_AT = 12288            # CLAIMS_AT + 8 * PLACES
    RING_AT = 20480             # BEGUN_AT + 8 * PLACES
    RING_BYTES = 1048576        # of finished results; a power of two
    STORE_AT = 1069056          # RING_AT + RING_BYTES; large payloads, to the end

cdef enum:                      # flags of a result
    WORN = 1                    # the worker should be replaced
    MATCHED = 2                 # the error is one that its collector's Retry wants

cdef enum Claim:
    SENT, BEGUN, WHOLE_ON_SOCKET, WITHDRAWN

# What stands before each result in the ring, or on the socket.
cdef struct Finished:
    uint32_t length             # of the body
    uint32_t check              # of the body and of what follows here
    uint64_t sequence
    int64_t run_ns
    int64_t cpu_ns
    uint32_t kind
    uint32_t flags


cdef class Page:
    cdef object memory
    cdef unsigned char *base
    cdef readonly Py_ssize_t store_bytes    # how large payloads can be
    cdef uint64_t head          # how far the ring is written or read, in this process

    cdef int offer(self, uint64_t sequence) except -1
    cdef bint claim(self, uint64_t sequence, int64_t now) noexcept
    cdef bint withdraw(self, uint64_t sequence) noexcept
    cdef int claim_of(self, uint64_t sequence) noexcept
    cdef int64_t begun_ns(self, uint64_t sequence) noexcept
    cdef bint publish(self, Finished *finished, const unsigned char *body) noexcept
    cdef int peek(self, Finished *finished, unsigned char **body) except -1
    cdef int consume(self, Finished *finished) noexcept
    cdef int on_socket(self, uint64_t sequence) noexcept
    cdef uint64_t *word(self, Py_ssize_t at) noexcept
    cdef uint64_t *place(self, uint64_t sequence) noexcept


cdef uint32_t check_of(const unsigned char *data, Py_ssize_t length, uint64_t seed) noexcept
cdef uint32_t check_finished(Finished *finished, const unsigned char *body) noexcept
