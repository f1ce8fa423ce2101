"""In a worker: runs the events of a frame, and puts their results in the page.

Rules of residence: one event after the other, from its bytes to its result's. This is the
border where anything that a collector raises is caught, and becomes text. The result of an
event is where it cannot be lost before the next event begins.
"""
import contextvars
import os

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from collectorqueue._native.accounts cimport encodable, own_name
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.lifeline cimport ring_within, was_rung
from collectorqueue._native.page cimport (
    MATCHED, STORE_AT, WORN, Finished, Page, check_finished,
)
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.results cimport Error, Ok, as_result, error_from
from collectorqueue._native.wire cimport FAILURE, NOTHING, PACKED, RAW, STORED, ItemHead

cdef extern from *:
    """
    #include <time.h>
    static inline int64_t cq_thread_cpu(void) {
    #if defined(CLOCK_THREAD_CPUTIME_ID)
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    #else
        return 0;
    #endif
    }
    """
    int64_t thread_cpu "cq_thread_cpu"() noexcept

cdef extern from "Python.h":
    object PyContext_Copy(object context)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    object PyUnicode_DecodeUTF8(const char *text, Py_ssize_t size, const char *errors)

cdef enum:
    RING_NS = 200_000           # a bell at the most so often while there is more to do
    LATEST_NS = 1_000_000       # after a result, whatever is done meanwhile
    SHORT_NS = 20_000           # runs shorter than this are taken to be all CPU time
    TEXT_AT_MOST = 65536        # characters of an exception's message

cdef bytes NIL = b"\xc0"        # None, as it is packed



@cython.final
cdef class Tool:
    """One collector, as it is in this worker."""

    def __cinit__(self, call, ctx, *, bint with_ctx, bint is_async, decode, encode_into,
                  explain, retried=None):
        self.call = call
        self.ctx = ctx
        self.with_ctx = with_ctx
        self.is_async = is_async
        self.decode = decode
        self.encode_into = encode_into
        self.explain = explain
        self.retried = retried

    def begin(self, payload):
        """Call the processor."""
        return self.call(payload, self.ctx) if self.with_ctx else self.call(payload)


@cython.final
cdef class Workbench:
    """The place where a worker works."""

    def __cinit__(self, Page page not None, *, ring_bell, send_whole, begin_task,
                  pack, unpack):
        self.page = page
        self.tools = []
        self.ring_bell = ring_bell
        self.send_whole = send_whole
        self.begin_task = begin_task
        self.pack = pack
        self.unpack = unpack
        self.context = contextvars.copy_context()
        self.scratch = bytearray()
        self.cpu_ns = thread_cpu()

    def run(self, uint64_t first, int count, bytes body):
        """Run the events of a frame; those of async collectors are only begun."""
        cdef ItemHead head
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        cdef Py_ssize_t value_at
        cdef const char *start = PyBytes_AS_STRING(body)
        cdef uint64_t sequence = first
        cdef Tool tool
        cdef int64_t now = monotonic_ns()
        cdef int at_item
        for at_item in range(count):
            if at + <Py_ssize_t>sizeof(ItemHead) > size:
                raise ValueError("a frame ends within an event")
            memcpy(&head, start + at, sizeof(ItemHead))
            value_at = at + sizeof(ItemHead)
            at = value_at + head.address_length
            if not head.form & STORED:
                at += head.length
            if at > size or head.collector >= len(self.tools):
                raise ValueError("a frame ends within an event")
            tool = self.tools[head.collector]
            if tool.is_async:
                self.begin_task(sequence, tool, head.collector, (
                    PyBytes_FromStringAndSize(<char *>&head, sizeof(ItemHead)),
                    PyBytes_FromStringAndSize(start + value_at, at - value_at)))
            elif self.page.claim(sequence, now):
                if self.unrung and not self.is_due:
                    # The run that begins may be a long one.
                    self.is_due = True
                    ring_within(LATEST_NS)
                try:
                    payload = self.payload_of(tool, &head, start + value_at)
                    answer = self.run_one(tool, payload)
                except BaseException as exc:
                    answer = error_from(exc)
                payload = None
                self.end(sequence, tool, answer, now, False)
                answer = None
                now = monotonic_ns()
                if now - self.rung_ns > RING_NS:
                    self.ring(now)
            sequence += 1
        if self.unrung:
            self.ring(now)

    cdef object payload_of(self, Tool tool, ItemHead *head, const char *data):
        """The payload of an event: `data` is its address and then its value."""
        cdef Payload payload
        cdef int form = head.form & ~STORED
        cdef const char *value_at = data + head.address_length
        if head.form & STORED:
            if (head.offset > <uint64_t>self.page.store_bytes
                    or head.length > <uint64_t>self.page.store_bytes - head.offset):
                raise ValueError("a stored value is not within the store")
            value_at = <char *>self.page.base + STORE_AT + head.offset
        if form == NOTHING:
            value = tool.decode(NIL)    # it may want something else
        elif form == RAW:
            value = PyBytes_FromStringAndSize(value_at, head.length)
        else:
            # A copy, of shared memory too: a decoded Raw or memoryview lives as long as it.
            value = tool.decode(PyBytes_FromStringAndSize(value_at, head.length))
        payload = Payload.__new__(Payload, value)
        payload.mode = head.mode & 3
        if payload.mode == 3:
            raise ValueError("an event is addressed in no known way")
        if head.address_length:
            payload.address = self.address_of(head, data)
        if head.mode & 128:
            payload.number = head.priority
            payload.prioritised = True
        payload.sealed = True
        return payload

    cdef object address_of(self, ItemHead *head, const char *data):
        cdef Py_ssize_t length = head.address_length
        if head.mode & 64:
            return tuple(self.unpack(PyBytes_FromStringAndSize(data, length)))
        # Mostly the same as that of the event before.
        if (self.last_address is not None
                and PyBytes_GET_SIZE(self.last_address_bytes) == length
                and memcmp(PyBytes_AS_STRING(self.last_address_bytes), data, length) == 0):
            return self.last_address
        self.last_address_bytes = PyBytes_FromStringAndSize(data, length)
        self.last_address = PyUnicode_DecodeUTF8(data, length, NULL)
        return self.last_address

    cdef object run_one(self, Tool tool, object payload):
        """Call a collector in a context of its own; its Ok or Error."""
        context = PyContext_Copy(self.context)
        PyContext_Enter(context)
        try:
            if tool.with_ctx:
                value = tool.call(payload, tool.ctx)
            else:
                value = tool.call(payload)
            return as_result(value)
        finally:
            PyContext_Exit(context)

    cdef int end(self, uint64_t sequence, Tool tool, object answer, int64_t begun,
                 bint is_task) except -1:
        """Make the result safe: in the page's ring, or whole on the socket."""
        cdef Finished finished
        cdef const char *body = NULL
        if self.is_copy:
            os.write(2, b"a collector forked its worker, and the child came back\n")
            os._exit(1)
        finished.sequence = sequence
        finished.run_ns = monotonic_ns() - begun
        finished.cpu_ns = 0 if is_task else self.cpu_of(finished.run_ns)
        finished.flags = 0
        finished.length = 0
        if type(answer) is Ok:
            value = (<Ok>answer).value
            if value is None:
                finished.kind = NOTHING
            elif type(value) is bytes and PyBytes_GET_SIZE(value) < 0x7FFFFFFF:
                finished.kind = RAW
                finished.length = <unsigned int>PyBytes_GET_SIZE(value)
                body = PyBytes_AS_STRING(value)
            else:
                finished.kind = PACKED
                try:
                    tool.encode_into(value, self.scratch, 0)
                    if PyByteArray_GET_SIZE(self.scratch) > 0x7FFFFFFF:
                        raise OverflowError("a result of 2 GiB or more")
                except BaseException as exc:
                    answer = error_from(tool.explain(value, exc))
        if type(answer) is Error:
            self.write_failure(answer, &finished)
            if tool.retried is not None and tool.retried((<Error>answer).err):
                finished.flags |= MATCHED
        if body is NULL and finished.kind != NOTHING:
            finished.length = <unsigned int>PyByteArray_GET_SIZE(self.scratch)
            body = PyByteArray_AS_STRING(self.scratch)
        self.events += 1
        self.unrung = True
        if not self.page.publish(&finished, <unsigned char *>body):
            finished.check = check_finished(&finished, <unsigned char *>body)
            self.send_whole(PyBytes_FromStringAndSize(<char *>&finished, sizeof(Finished))
                            + PyBytes_FromStringAndSize(body, finished.length))
            self.page.on_socket(sequence)
        if len(self.scratch) > 1048576:
            self.scratch = bytearray()
        return 0

    cdef int write_failure(self, object error, Finished *finished) except -1:
        if issubclass(type((<Error>error).err), MemoryError):
            finished.flags |= WORN
        finished.kind = FAILURE
        self.scratch = bytearray(self.pack(described(error, self.pack)))
        return 0

    cdef int64_t cpu_of(self, int64_t run_ns) noexcept:
        """CPU time of a run that has just ended: reading that clock costs a system call, so
        it is read after long runs only."""
        cdef int64_t before = self.cpu_ns
        cdef int64_t used
        if run_ns < SHORT_NS:
            self.small_ns += run_ns
            return run_ns
        self.cpu_ns = thread_cpu()
        used = self.cpu_ns - before - self.small_ns
        self.small_ns = 0
        return max(0, min(used, run_ns))

    def ring(self, int64_t now):
        """Tell the loop's process that there are results."""
        self.rung_ns = now
        self.unrung = False
        if self.is_due:
            self.is_due = False
            was_rung()
        self.ring_bell()

    def disown(self):
        """This process is a fork of the worker: what comes back from a collector ends it."""
        self.is_copy = True

    # -- for async collectors, whose loop is elsewhere ---------------------------------

    def claim(self, uint64_t sequence):
        """Begin an event: when, in ns; 0: it was withdrawn."""
        cdef int64_t now = monotonic_ns()
        return now if self.page.claim(sequence, now) else 0

    def payload(self, Tool tool not None, item):
        """The payload of an event that `begin_task` was given."""
        head, data = item
        return self.payload_of(tool, <ItemHead *>PyBytes_AS_STRING(head),
                               PyBytes_AS_STRING(data))

    def finish(self, uint64_t sequence, Tool tool not None, value, int64_t begun):
        """A collector has returned this."""
        self.end(sequence, tool, as_result(value), begun, True)

    def fail(self, uint64_t sequence, Tool tool not None, BaseException exc, int64_t begun):
        """A collector has raised this."""
        self.end(sequence, tool, error_from(exc), begun, True)


def described(Error error not None, pack):
    """A failure as data that `pack` takes: its type, text, traceback and details."""
    err = error.err
    if isinstance(err, str):
        type_name, text = "collectorqueue.errors.CollectorFailed", err
    elif isinstance(err, BaseException):
        type_name, text = name_of(type(err)), text_of(err)
    else:
        type_name, text = name_of(err), ""
    details = error.details
    try:
        pack(details)
    except BaseException as exc:
        details = f"<details that cannot be encoded: {type(exc).__name__}>"
    text, traceback = encodable(text[:TEXT_AT_MOST]), encodable((<object>error).traceback)
    return type_name, text, traceback, details


def name_of(kind):
    """The full name of a class; it may refuse to tell all of it."""
    try:
        module, name = kind.__module__, kind.__qualname__
        return encodable(name if module == "builtins" else f"{module}.{name}")
    except BaseException:
        return encodable(own_name(kind))


def text_of(exc):
    """What an exception says; it may refuse to."""
    try:
        return str(exc)[:TEXT_AT_MOST]
    except BaseException as refusal:
        return f"<its text could not be had: {type(refusal).__name__}>"
