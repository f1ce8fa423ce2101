"""What one worker has been sent, and has not answered.

Rules of residence: one worker's events, their bytes, and how many it should have. Nothing is
sent from here: `room` is for the socket.
"""
cimport cython
from cpython.buffer cimport PyBUF_READ
from cpython.bytearray cimport (
    PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize,
)
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from collectorqueue._native.errand cimport Errand, Remote
from collectorqueue._native.page cimport BEGUN, PLACES, STORE_AT, Page
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.wire cimport (
    FRAME_AT_MOST, ITEMS, NOTE, NOTHING, PACKED, RAW, STORED, FrameHead, ItemHead,
    seal_frame,
)

cdef extern from *:
    """
    /* A bytearray's own resizing moves its memory when it becomes much shorter. */
    static inline Py_ssize_t cq_allocated(PyObject *o) {
        return ((PyByteArrayObject *)o)->ob_alloc
            - (((PyByteArrayObject *)o)->ob_start - ((PyByteArrayObject *)o)->ob_bytes);
    }
    static inline void cq_set_size(PyObject *o, Py_ssize_t size) {
        Py_SET_SIZE((PyVarObject *)o, size);
    }
    """
    Py_ssize_t allocated "cq_allocated"(object o) noexcept
    void set_size "cq_set_size"(object o, Py_ssize_t size) noexcept

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    FRAME_BYTES = 65536         # a frame is closed when it is larger
    ROOM_BYTES = 81920          # for a frame and the event that is too much for it
    ROOM_KEPT = 1048576         # more is given back when it is empty
    STORED_FROM = 8192          # bytes of a value that go by the store, not the socket
    TASKS_OUT = 128             # events of async collectors at one worker
    FEWEST = 2                  # events in a window: one that runs, and the next
    MOST = 512
    FIRST_TARGET = 16           # before anything is known of how long runs take
    WINDOW_NS = 2_000_000       # of work that a window should hold


@cython.final
@cython.no_gc_clear
cdef class Window:
    """What one worker has been sent."""

    def __cinit__(self, Page page not None, worker, *, send, pack):
        self.page = page
        self.worker = worker
        self.send = send
        self.pack = pack
        self.room = bytearray(ROOM_BYTES)
        self.frame_at = -1
        self.places = [None] * PLACES
        self.next_sequence = self.oldest = 1
        self.target = FIRST_TARGET

    cdef bint has_room(self, Remote outlet) except -1:
        if (not self.is_open or self.robbed
                or self.outstanding >= PLACES
                or (self.bytes_out >= BYTES_OUT and self.outstanding)
                or (self.at_most and self.handed >= self.at_most)):
            return False
        if outlet is not None and outlet.is_async:
            return self.tasks < TASKS_OUT
        return self.outstanding - self.tasks < self.target

    cdef Py_ssize_t places_left(self):
        """How many plain runs it may have besides those it has."""
        cdef Py_ssize_t left = self.target - self.outstanding + self.tasks
        if self.at_most:
            left = min(left, <Py_ssize_t>(self.at_most - self.handed))
        return max(0, left)

    cdef int hand(self, Errand errand, int64_t now) except -1:
        """Write an event into the open frame: 1; what cannot be written has failed: 0."""
        cdef Remote outlet = errand.outlet
        cdef Py_ssize_t at
        while self.places[self.next_sequence & (PLACES - 1)] is not None:
            # An old one's, that runs and runs. A frame's numbers follow each other.
            self.close_frame()
            self.next_sequence += 1
        if self.frame_at < 0:
            self.frame_at = self.used
            self.frame_first = self.next_sequence
            self.frame_count = 0
            self.have(self.used + sizeof(FrameHead))
            self.used += sizeof(FrameHead)
        at = self.used
        try:
            self.put_value(errand, at)
        except BaseException as exc:    # of the hooks, and of what the value is made of
            self.used = at
            if self.frame_count == 0:
                self.used = self.frame_at
                self.frame_at = -1
            errand.unfit(exc)
            return 0
        errand.sequence = self.next_sequence
        errand.handed_ns = now
        self.page.offer(errand.sequence)
        self.places[errand.sequence & (PLACES - 1)] = errand
        self.next_sequence += 1
        self.frame_count += 1
        self.handed += 1
        self.outstanding += 1
        self.bytes_out += errand.size
        outlet.out += 1
        if outlet.is_async:
            self.tasks += 1
        errand.handed_over()
        if self.used - self.frame_at > FRAME_BYTES:
            self.close_frame()
        return 1

    cdef int put_value(self, Errand errand, Py_ssize_t at) except -1:
        cdef ItemHead head
        cdef Payload payload = errand.payload
        cdef const char *address = NULL
        cdef Py_ssize_t address_length = 0
        cdef Py_ssize_t start, length
        cdef unsigned char *out
        value = payload.value
        address_packed = None
        head.mode = payload.mode
        if type(payload.address) is str:
            address = PyUnicode_AsUTF8AndSize(payload.address, &address_length)
        elif payload.address is not None:
            address_packed = self.pack(payload.address)
            address = PyBytes_AS_STRING(address_packed)
            address_length = PyBytes_GET_SIZE(address_packed)
            head.mode |= 64
        if payload.prioritised:
            head.mode |= 128
        head.priority = payload.number
        head.collector = <unsigned short>errand.outlet.number
        head.address_length = <uint32_t>address_length
        head.offset = 0
        errand.store_end = 0
        start = at + sizeof(ItemHead) + address_length
        out = self.have(start)
        if address_length:
            memcpy(out + at + sizeof(ItemHead), address, <size_t>address_length)
        if errand.outlet.takes_raw and type(value) is bytes:
            head.form = RAW
            length = PyBytes_GET_SIZE(value)
            if self.put_in_store(errand, PyBytes_AS_STRING(value), length, &head.offset):
                head.form |= STORED
            else:
                check_size(length)
                out = self.have(start + length)
                memcpy(out + start, PyBytes_AS_STRING(value), <size_t>length)
                self.used = start + length
        elif value is None:
            head.form = NOTHING
            length = 0
        else:
            head.form = PACKED
            # It makes the room as short as it was used, by its size only.
            errand.outlet.encode_into(value, self.room, start)
            length = PyByteArray_GET_SIZE(self.room) - start
            out = self.have(start + length)
            if self.put_in_store(errand, <char *>out + start, length, &head.offset):
                head.form |= STORED
            else:
                check_size(length)
                self.used = start + length
        self.used = max(self.used, start)
        head.length = <uint32_t>length
        errand.size = length + sizeof(ItemHead) + address_length
        memcpy(out + at, &head, sizeof(ItemHead))
        return 0

    cdef unsigned char *have(self, Py_ssize_t size) except NULL:
        """Room for so many bytes; what was there stays."""
        cdef Py_ssize_t have = allocated(self.room) - 1
        if have < size:
            # All that there is must be moved, not only what the last encoder left.
            set_size(self.room, have)
            PyByteArray_Resize(self.room, size + size // 2)
            have = allocated(self.room) - 1
        set_size(self.room, have)
        return <unsigned char *>PyByteArray_AS_STRING(self.room)

    def unsent(self):
        """The bytes to send, to be let go of before anything else; None: there are none."""
        self.close_frame()
        if self.used == self.sent_to:
            return None
        return PyMemoryView_FromMemory(
            PyByteArray_AS_STRING(self.room) + self.sent_to, self.used - self.sent_to,
            PyBUF_READ)

    def sent(self, Py_ssize_t count):
        """So many of them have been sent."""
        cdef char *start
        self.sent_to += count
        if self.sent_to == self.used:
            self.sent_to = self.used = 0
            if PyByteArray_GET_SIZE(self.room) > ROOM_KEPT:
                self.room = bytearray(ROOM_BYTES)
        elif self.frame_at < 0 and self.sent_to > self.used - self.sent_to:
            # More is behind us than before us: so each byte is moved once, on average.
            start = PyByteArray_AS_STRING(self.room)
            memmove(start, start + self.sent_to, <size_t>(self.used - self.sent_to))
            self.used -= self.sent_to
            self.sent_to = 0

    def forget_unsent(self):
        """There is nobody to send it to."""
        self.used = self.sent_to = 0
        self.frame_at = -1

    cdef bint put_in_store(self, Errand errand, const char *data, Py_ssize_t length,
                           uint64_t *offset) except -1:
        """Large ones go by shared memory, if there is room: False if not."""
        cdef uint64_t size = <uint64_t>self.page.store_bytes
        cdef uint64_t at = self.store_head
        cdef uint64_t left
        if length < STORED_FROM or <uint64_t>length > size:
            return False
        left = size - at % size
        if <uint64_t>length > left:
            at += left      # in one piece: what is left before the end stays unused
        if at + <uint64_t>length - self.store_tail > size:
            return False
        memcpy(self.page.base + STORE_AT + at % size, data, <size_t>length)
        offset[0] = at % size
        self.store_head = errand.store_end = (at + <uint64_t>length + 63) & ~<uint64_t>63
        return True

    def is_silent(self, int64_t now):
        """Whether the worker runs nothing, and has begun nothing of what it was handed for as
        long as that may run."""
        cdef Errand errand
        is_late = False
        for errand in self.places:
            if errand is None:
                continue
            if self.page.claim_of(errand.sequence) == BEGUN:
                return False
            if errand.outlet.timeout_ns and now - errand.handed_ns > errand.outlet.timeout_ns:
                is_late = True
        return is_late

    cdef Errand at(self, uint64_t sequence):
        """The event that was sent under this number; None: it is not here any more."""
        cdef Errand errand = self.places[sequence & (PLACES - 1)]
        if errand is not None and errand.sequence == sequence:
            return errand
        return None

    cdef int take_off(self, Errand errand) except -1:
        """It is not at this worker any more."""
        self.places[errand.sequence & (PLACES - 1)] = None
        self.outstanding -= 1
        self.bytes_out -= errand.size
        errand.outlet.out -= 1
        if errand.outlet.is_async:
            self.tasks -= 1
        if errand.store_end and errand.sequence == self.oldest:
            self.store_tail = errand.store_end
        while self.oldest < self.next_sequence and self.at(self.oldest) is None:
            self.oldest += 1
        if self.outstanding == 0:
            self.store_tail = self.store_head
        return 0

    cdef int close_frame(self) except -1:
        cdef unsigned char *start
        if self.frame_at >= 0:
            start = <unsigned char *>PyByteArray_AS_STRING(self.room) + self.frame_at
            seal_frame(
                start, self.used - self.frame_at - sizeof(FrameHead),
                ITEMS, self.frame_count, self.frame_first, self.frames)
            self.frames += 1
            self.frame_at = -1
        return 0

    def put_note(self, bytes body):
        """A message to the worker, after all that it was sent before."""
        cdef unsigned char *start
        cdef Py_ssize_t length = PyBytes_GET_SIZE(body)
        self.close_frame()
        start = self.have(self.used + sizeof(FrameHead) + length) + self.used
        memcpy(start + sizeof(FrameHead), PyBytes_AS_STRING(body), <size_t>length)
        seal_frame(start, length, NOTE, 0, 0, self.frames)
        self.used += sizeof(FrameHead) + length
        self.frames += 1

    cdef int learn_pace(self, int64_t run_ns) except -1:
        """A run has taken so long: longer ones shorten the window at once, short ones make
        it longer slowly."""
        self.pace_ns += (<double>run_ns - self.pace_ns) * (
            0.3 if run_ns > self.pace_ns else 0.05)
        self.target = MOST
        if self.pace_ns * MOST > WINDOW_NS:
            self.target = max(FEWEST, <Py_ssize_t>(WINDOW_NS / self.pace_ns))
        return 0

    cdef list in_order(self):
        """The Errands it has, as they were sent."""
        cdef Errand errand
        found = [(errand.sequence, errand) for errand in self.places if errand is not None]
        found.sort()
        return [errand for _, errand in found]


cdef int check_size(Py_ssize_t length) except -1:
    if length > FRAME_AT_MOST - FRAME_BYTES:
        raise OverflowError(f"a value of {length} bytes does not fit into a frame")
    return 0
