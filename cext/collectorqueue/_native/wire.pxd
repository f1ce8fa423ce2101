"""Frames: what travels on the socket between the loop's process and a worker."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum FrameKind:
    ITEMS           # events for the worker
    NOTE            # a message between the two: msgpack
    RESULT          # one that has no room in the ring

cdef enum:
    FRAME_MAGIC = 0x46514351    # "QCQF"
    FRAME_AT_MOST = 0x7FFFFFFF  # bytes

cdef struct FrameHead:
    uint32_t magic
    uint32_t check              # of the body
    uint32_t length             # of the body
    uint32_t number             # frames of one direction are counted
    uint64_t first              # ITEMS: the sequence number of the first
    uint16_t kind
    uint16_t count              # ITEMS: how many
    uint32_t head_check         # of what stands between `magic` and here

cdef enum Form:
    PACKED          # msgpack
    RAW             # bytes, as they are
    NOTHING         # None
    FAILURE         # an error: msgpack of type name, text, traceback, details

cdef enum:
    STORED = 16     # with a form: the bytes are in the store of the page

# What stands before each event in a frame; then its address, then its value.
cdef struct ItemHead:
    uint32_t length             # of the value
    uint32_t address_length
    uint64_t offset             # in the store
    int32_t priority
    uint16_t collector
    uint8_t form
    uint8_t mode                # Mode, and 128 if there is a priority


cdef class Reader:
    cdef bytearray pending
    cdef uint32_t number

cdef uint32_t check_head(FrameHead *head) noexcept
cdef uint32_t check_body(FrameHead *head, const unsigned char *body) noexcept
cdef int seal_frame(unsigned char *frame, Py_ssize_t length, int kind, int count,
                    uint64_t first, uint32_t number) except -1
