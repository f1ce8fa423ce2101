"""Where payloads come in: the compiled part of the publisher.

Rules of residence: one payload, from what was given to a send until it is accepted. What
comes after that, and what is made of several sends, is the publisher's.
"""
from collections.abc import Coroutine
from asyncio import current_task
from contextvars import copy_context

cimport cython
from cpython.exc cimport PyErr_WarnEx
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from collectorqueue._native.awaiting cimport (
    CQ_RETURNED, CQ_SUSPENDED, Step_function, forget_stop, handed_over, owned,
)
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.context cimport current_scope
from collectorqueue._native.core cimport Core, offer
from collectorqueue._native.door cimport OPEN, this_thread
from collectorqueue._native.event cimport QUEUED, CollectorEvent
from collectorqueue._native.headroom cimport FRAMES, give_frames
from collectorqueue._native.payload cimport Payload, as_payload, keyed_payload, payload_of
from collectorqueue._native.plan cimport DIVERTS, Step
from collectorqueue._native.seats cimport Seat
from collectorqueue._native.untracked cimport track

from collectorqueue.checks import check_seconds
from collectorqueue.errors import QueueClosed

cdef extern from *:
    """
    /* A method is mostly called with one argument, which needs no unpacking of keywords
       (147 instructions of the 640 a send took). Such calls come in by a door of their
       own, and so do those with an ordering key besides; all others reach the method that
       Cython made. */
    typedef PyObject *(*cq_one)(PyObject *self, PyObject *x);
    typedef PyObject *(*cq_keyed)(PyObject *self, PyObject *x, PyObject *key);
    static PyObject *cq_key_name = NULL;
    typedef PyObject *(*cq_any)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
    #define CQ_DOOR(NAME) \\
        static cq_one NAME##_one; \\
        static cq_keyed NAME##_keyed; \\
        static cq_any NAME##_any; \\
        static PyObject *NAME##_enter(PyObject *self, PyObject *const *args, \\
                                      Py_ssize_t count, PyObject *names) { \\
            if (count == 1) { \\
                if (names == NULL) return NAME##_one(self, args[0]); \\
                if (PyTuple_GET_SIZE(names) == 1 \\
                        && PyTuple_GET_ITEM(names, 0) == cq_key_name) \\
                    return NAME##_keyed(self, args[0], args[1]); \\
            } \\
            return NAME##_any(self, args, count, names); \\
        } \\
        static int NAME##_open(PyObject *method, cq_one one, cq_keyed keyed) { \\
            PyMethodDef *def; \\
            if (!Py_IS_TYPE(method, &PyMethodDescr_Type)) return 0; \\
            def = ((PyMethodDescrObject *)method)->d_method; \\
            if (def->ml_flags != (METH_FASTCALL | METH_KEYWORDS)) return 0; \\
            if (cq_key_name == NULL) \\
                cq_key_name = PyUnicode_InternFromString("ordering_key"); \\
            NAME##_one = one; \\
            NAME##_keyed = keyed; \\
            NAME##_any = (cq_any)(void (*)(void))def->ml_meth; \\
            def->ml_meth = (PyCFunction)(void (*)(void))NAME##_enter; \\
            return 1; \\
        }
    CQ_DOOR(cq_send)
    CQ_DOOR(cq_send_nowait)
    CQ_DOOR(cq_send_threadsafe)
    CQ_AWAITABLE(cq_sending)
    """
    ctypedef object (*One_argument "cq_one")(object self, object x)
    ctypedef object (*With_a_key "cq_keyed")(object self, object x, object key)
    bint open_send "cq_send_open"(
        object method, One_argument one, With_a_key keyed) noexcept
    bint open_send_nowait "cq_send_nowait_open"(
        object method, One_argument one, With_a_key keyed) noexcept
    bint open_send_threadsafe "cq_send_threadsafe_open"(
        object method, One_argument one, With_a_key keyed) noexcept
    void step_sendings_by "cq_sending_step_by"(object type, Step_function step) noexcept


cdef Core UNSET = Core(
    queue_type="fifo", capacity=1, default_priority=0, ageing=0, overflow="reject",
    strict_routes=False, propagate=False, max_consumers=1)


cdef class Sender:
    """Makes payloads of what it is given and offers them to the core."""

    def __cinit__(self, *args, **options):
        self.core = UNSET       # a subclass may leave __init__ out

    def __init__(self, Core core not None, others):
        self.core = core
        self.others = others        # send(payload, block, timeout): what to do without room

    def send_nowait(self, x, delivery=None, keys=None, topics=None, priority=None,
                    *, ordering_key=None, delay=None, ttl=None):
        """Send without waiting; returns the accepted CollectorEvent.

        Raises QueueFull when there is no room, unless the queue drops, and never passes a
        sender that is blocked; the rest as `send` does.
        """
        return offer(self.core, as_payload(
            x, delivery, keys, topics, priority, ordering_key, delay, ttl), False)

    def send(self, x, delivery=None, keys=None, topics=None, priority=None,
             *, ordering_key=None, delay=None, ttl=None):
        """Send, and wait for room if the queue is full (`overflow="wait"`).

        Returns the accepted CollectorEvent when awaited; nothing is sent before.
        Blocked senders are admitted in arrival order. Inside a handler of this queue it
        never waits: up to twice `capacity`, then QueueFull. Cancelled, it has sent nothing.
        Raises QueueFull under `overflow="reject"`, PayloadTooLarge (`max_bytes`),
        PayloadInvalid (`validate="send"`), Unrouted (`on_unrouted="error"`),
        QueueNotStarted, QueueClosed, QueueFailed, WrongThread, and TypeError or ConfigError
        for an address or terms that cannot be.
        """
        return sending(self, as_payload(
            x, delivery, keys, topics, priority, ordering_key, delay, ttl))

    def send_threadsafe(self, x, delivery=None, keys=None, topics=None, priority=None,
                        *, ordering_key=None, delay=None, ttl=None, bint block=True,
                        timeout=None):
        """Send from any thread; returns once it is accepted, whatever becomes of it.

        A full queue makes the thread wait, for at most `timeout` seconds (None: without
        limit), or raises QueueFull: with `block=False`, under `overflow="reject"`, after
        `timeout`, and in the loop's own thread. Payloads are handed over many at a time;
        those of one thread stay in order. What is raised was never accepted. Raises as
        `send` does, but for WrongThread.
        """
        cdef Payload payload = as_payload(
            x, delivery, keys, topics, priority, ordering_key, delay, ttl)
        if timeout is not None:
            check_seconds("timeout", timeout)
        hand_over(self, payload, block, timeout)

    def ask(self, tuple what not None):
        """Accept a payload and have a consumer begin with it here and now: the event.

        Only if nothing else waits, a consumer is idle, and no handler is calling; for a
        millisecond of a turn of the loop at most. If not, nothing is accepted, and what is
        returned is the payload, to be sent.
        """
        cdef Core core = self.core
        cdef int64_t now
        x, delivery, keys, topics, priority, ordering_key, delay, ttl = what
        cdef Payload payload = as_payload(
            x, delivery, keys, topics, priority, ordering_key, delay, ttl)
        if (core.phase != OPEN or not core.idle or core.queued or core.handed or core.parked
                or core.coming or core.turning or core.max_bytes or payload.rare is not None
                or this_thread() != core.thread or current_scope() is not None):
            return payload
        caller = current_task(core.loop)
        route = core.likely_route(payload)
        if caller is None or type(route) is not Step or (<Step>route).policies & DIVERTS:
            return payload
        now = monotonic_ns()
        if core.in_slice and now >= core.slice_end:
            return payload
        give_frames(FRAMES)
        try:
            if not core.in_slice:
                core.begin_slice(now)
            return self.begin_now(payload, caller)
        finally:
            give_frames(-FRAMES)

    cdef CollectorEvent begin_now(self, Payload payload, object caller):
        cdef Core core = self.core
        cdef CollectorEvent event
        cdef Seat seat
        core.turning += 1       # nobody need be woken for it
        try:
            event = core.accept(payload)
            self.carry_context(event)
        finally:
            core.turning -= 1
            if core.coming == 0 and (core.queued != 1 or not core.idle):
                core.call_for_help()    # an observer of sends has done something
        if core.queued == 1 and core.coming == 0 and event.state == QUEUED:
            while core.idle:
                seat = <Seat>core.idle.pop()
                if not seat.bell.done():    # else it ends, or comes by itself
                    seat.collect_now(caller)
                    return event
            core.call_for_help()
        return event

    def carry_context(self, CollectorEvent event not None):
        """Run it in a copy of the caller's context."""
        if event.result is None and event.state == QUEUED:
            track(event)
            event.result = copy_context()

    def offer_many(self, items, list accepted):
        """Accept what `items` yields; returns a payload that must wait, or None."""
        cdef Core core = self.core
        cdef Payload payload
        cdef CollectorEvent event
        for x in items:
            payload = <Payload>x if type(x) is Payload else payload_of(x)
            event = offer(core, payload, True)
            if event is None:
                return payload
            accepted.append(event)
        return None


cdef object send_one_nowait(object sender, object x):
    return offer((<Sender>sender).core,
                 <Payload>x if type(x) is Payload else payload_of(x), False)


cdef object send_keyed_nowait(object sender, object x, object key):
    return offer((<Sender>sender).core, keyed_payload(x, key), False)


cdef object send_keyed(object sender, object x, object key):
    return sending(<Sender>sender, keyed_payload(x, key))


cdef object send_keyed_threadsafe(object sender, object x, object key):
    hand_over(<Sender>sender, keyed_payload(x, key), True, None)


cdef object send_one_threadsafe(object sender, object x):
    hand_over(<Sender>sender, <Payload>x if type(x) is Payload else payload_of(x), True, None)


cdef inline int hand_over(Sender sender, Payload payload, bint block,
                          object timeout) except -1:
    try:
        if sender.core.hand_over(payload):
            return 0
    except RuntimeError:
        raise QueueClosed.with_its_loop() from None
    sender.others.send(payload, block, timeout)
    return 0


cdef object send_one(object sender, object x):
    return sending(<Sender>sender, <Payload>x if type(x) is Payload else payload_of(x))


cdef inline Sending sending(Sender sender, Payload payload):
    cdef Sending made = Sending.__new__(Sending)
    made.sender = sender
    made.payload = payload
    return made


@cython.final
@cython.freelist(64)
cdef class Sending:
    """One `send`, to be awaited once: a coroutine in all but its making.

    An `async def` took 225 ns to make, enter and leave, of the 800 of a send.
    """

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cdef PyObject *out = NULL
        if self.step(&out) == CQ_SUSPENDED:
            return owned(out)
        raise StopIteration(owned(out))

    def send(self, value):
        return self.__next__()

    def throw(self, typ, val=None, tb=None):
        self.give_up()
        raise val if isinstance(val, BaseException) else typ

    def close(self):
        self.give_up()

    @property
    def cr_await(self):
        """The future it waits on for room, for debuggers."""
        return self.place

    @property
    def __name__(self):
        return "send"

    @property
    def __qualname__(self):
        return "EventPublisher.send"

    def __dealloc__(self):
        if self.stage == NOT_YET:
            PyErr_WarnEx(
                RuntimeWarning, b"coroutine 'EventPublisher.send' was never awaited", 1)
        elif self.stage == WAITS and self.place is not None and self.sender is not None:
            self.give_up()      # whoever drops it does not want the place
        forget_stop()

    cdef int step(self, PyObject **out) except -1:
        """As a coroutine's: suspended until there is room, or returned the event."""
        cdef Core core
        cdef CollectorEvent event
        if self.sender is None:
            raise TypeError("a send is made by a publisher's send()")
        core = self.sender.core
        if self.stage == NOT_YET:
            self.stage = OVER
            event = offer(core, self.payload, True)
            if event is not None:
                out[0] = handed_over(event)
                return CQ_RETURNED
            self.place = core.park(core.size_of(self.payload))
            self.stage = WAITS
            if not self.place.done():
                self.place._asyncio_future_blocking = True
                out[0] = handed_over(self.place)
                return CQ_SUSPENDED
        elif self.stage == OVER:
            raise RuntimeError("cannot reuse already awaited coroutine")
        elif not self.place.done():
            raise RuntimeError("coroutine is being awaited already")
        try:
            self.place.result()
        except BaseException:
            self.give_up()
            raise
        place, self.place = self.place, None
        self.stage = OVER
        out[0] = handed_over(core.fill_place(self.payload, place))
        return CQ_RETURNED

    cdef int give_up(self) except -1:
        """Whoever waited for a place has gone: it passes to the next."""
        place, self.place = self.place, None
        self.stage = OVER
        if place is not None:
            self.sender.core.unpark(place)
        return 0


cdef int step_of_sending(object one, PyObject **out) except -1:
    return (<Sending>one).step(out)


Coroutine.register(Sending)
step_sendings_by(Sending, step_of_sending)
open_send(Sender.send, send_one, send_keyed)
open_send_nowait(Sender.send_nowait, send_one_nowait, send_keyed_nowait)
open_send_threadsafe(Sender.send_threadsafe, send_one_threadsafe, send_keyed_threadsafe)
