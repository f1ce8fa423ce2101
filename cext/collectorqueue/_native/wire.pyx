"""Frames: what travels on the socket between the loop's process and a worker.

Rules of residence: the layout, and telling a good frame from a garbled or a late one. A
frame is a head of 32 bytes and a body. Each direction counts its frames. The head has a check
of its own, so that a garbled length is not waited for. Both ends are on one machine: native
byte order.
"""
cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from collectorqueue._native.page cimport check_of


cdef uint32_t check_head(FrameHead *head) noexcept:
    return check_of(<unsigned char *>&head.check, 24, 1)


cdef uint32_t check_body(FrameHead *head, const unsigned char *body) noexcept:
    return check_of(body, head.length, head.number)


cdef int seal_frame(unsigned char *frame, Py_ssize_t length, int kind, int count,
                    uint64_t first, uint32_t number) except -1:
    """Fill in the head of a frame whose body of `length` bytes stands behind it."""
    cdef FrameHead head
    head.magic = FRAME_MAGIC
    head.length = <uint32_t>length
    head.number = number
    head.first = first
    head.kind = <unsigned short>kind
    head.count = <unsigned short>count
    head.check = check_body(&head, frame + sizeof(FrameHead))
    head.head_check = check_head(&head)
    memcpy(frame, &head, sizeof(FrameHead))
    return 0


def pack_frame(int kind, bytes body, uint32_t number):
    """A frame of one message, the `number`th of its direction."""
    if len(body) > FRAME_AT_MOST:
        raise ValueError(f"a frame holds {FRAME_AT_MOST} bytes, got {len(body)}")
    frame = bytearray(sizeof(FrameHead)) + body
    seal_frame(<unsigned char *>PyByteArray_AS_STRING(frame), len(body), kind, 0, 0, number)
    return frame


@cython.final
cdef class Reader:
    """Makes frames of the bytes that come in."""

    def __cinit__(self):
        self.pending = bytearray()

    def feed(self, data):
        """These bytes have come in."""
        self.pending += data

    def next(self):
        """The next whole frame: (kind, first, count, body); None: not all of it is there.

        Raises ValueError for bytes that are not the next frame; nothing after them can be
        read.
        """
        cdef FrameHead head
        cdef Py_ssize_t have = PyByteArray_GET_SIZE(self.pending)
        cdef unsigned char *start = <unsigned char *>PyByteArray_AS_STRING(self.pending)
        if have < <Py_ssize_t>sizeof(FrameHead):
            return None
        memcpy(&head, start, sizeof(FrameHead))
        if (head.magic != FRAME_MAGIC or head.length > FRAME_AT_MOST
                or head.head_check != check_head(&head)):
            raise ValueError("not a frame")
        if head.number != self.number:
            raise ValueError(f"frame {self.number} was due, got {head.number}")
        if have < <Py_ssize_t>sizeof(FrameHead) + head.length:
            return None
        if head.check != check_body(&head, start + sizeof(FrameHead)):
            raise ValueError(f"frame {head.number} is garbled")
        self.number += 1
        body = PyBytes_FromStringAndSize(<char *>start + sizeof(FrameHead), head.length)
        del self.pending[:sizeof(FrameHead) + head.length]
        return head.kind, head.first, head.count, body


KIND_ITEMS = <int>ITEMS
KIND_NOTE = <int>NOTE
KIND_RESULT = <int>RESULT
