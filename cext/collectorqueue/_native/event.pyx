"""What travels: the payload a publisher made, and the event the queue made of it.

Rules of residence: state and waiting. An event does not know how it is queued or run; what
it must ask of its queue (cancel, wait) goes through its `Home`, which holds no reference,
so that a million events can stay out of the garbage collector's way.
"""
import asyncio
import enum
import types
from collections.abc import Coroutine

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t

from collectorqueue._native.awaiting cimport (
    CQ_RETURNED, CQ_SUSPENDED, Step_function, forget_stop, handed_over, owned,
)
from collectorqueue._native.results cimport Error, Ok, ResultList, sealed_list
from collectorqueue._native.untracked cimport is_atomic, track

from collectorqueue.errors import ConfigError, PayloadSealed, WrongLoop


class Delivery(enum.StrEnum):
    """Whom a payload is for."""

    BROADCAST = "broadcast"
    KEY = "key"
    TOPIC = "topic"


class Outcome(enum.StrEnum):
    """How an event ended; each accepted event ends in exactly one."""

    OK = "ok"
    FAILED = "failed"
    UNROUTED = "unrouted"
    DROPPED = "dropped"
    ABORTED = "aborted"


cdef tuple DELIVERIES = (Delivery.BROADCAST, Delivery.KEY, Delivery.TOPIC)
cdef dict MODES = {"broadcast": BY_BROADCAST, "key": BY_KEY, "topic": BY_TOPIC}
cdef tuple OUTCOMES = (
    None, None,
    Outcome.OK, Outcome.FAILED, Outcome.UNROUTED, Outcome.DROPPED, Outcome.ABORTED,
)


cdef extern from *:
    """
    CQ_POOL(cq_payload)
    CQ_POOL(cq_event)
    CQ_AWAITABLE(cq_wait)
    """
    void step_waits_by "cq_wait_step_by"(object type, Step_function step)
    void use_payload_pool "cq_payload_use_pool"(object type)
    void use_event_pool "cq_event_use_pool"(object type)


@cython.final
cdef class Payload:
    """A value and whom it is for.

        Payload({"id": 7})                              # broadcast
        Payload({"id": 7}, topics="order.paid")         # every collector of the topic
        Payload({"id": 7}, keys=["mail", "audit"])      # these two

    `keys` and `topics` are one str or several. `priority` (lower first) counts in a
    PRIORITY queue only. `ttl` is in seconds from being sent: an event that has not started
    by then ends DROPPED. A payload can be changed until it is sent.
    """

    __class_getitem__ = classmethod(types.GenericAlias)

    def __cinit__(self, value, delivery=None, keys=None, topics=None, priority=None,
                  *, ttl=None):
        self.value = value
        if delivery is not None:
            aim(self, delivery, keys, topics)
        elif type(topics) is str and keys is None:
            self.mode = BY_TOPIC
            self.address = topics
        elif type(keys) is str and topics is None and len(<str>keys):
            self.mode = BY_KEY
            self.address = keys
        elif topics is not None or keys is not None:
            aim(self, delivery, keys, topics)
        if priority is not None:
            self.set_priority(priority)
        if ttl is not None:
            self.rare = checked_ttl(ttl)
        if not is_atomic(value):
            track_payload(self)

    @property
    def delivery(self):
        """A `Delivery`."""
        return DELIVERIES[self.mode]

    @property
    def keys(self):
        """The collector keys it is for, as a tuple; empty unless `Delivery.KEY`."""
        return as_tuple(self.address) if self.mode == BY_KEY else ()

    @property
    def topics(self):
        """The topics it is sent on, as a tuple; empty unless `Delivery.TOPIC`."""
        return as_tuple(self.address) if self.mode == BY_TOPIC else ()

    @property
    def priority(self):
        """An int, lower first; None: the queue's `default_priority`."""
        return self.number if self.prioritised else None

    @property
    def ttl(self):
        """Seconds from being sent in which it must start; None: for ever."""
        return self.rare

    def set_delivery(self, delivery, keys=None, topics=None):
        """Say anew whom it is for. Raises PayloadSealed once it has been sent."""
        self.check_open()
        aim(self, delivery, keys, topics)

    def set_priority(self, priority):
        """Say anew how urgent it is, lower first; between -2**31 and 2**31 - 1.

        Raises PayloadSealed once it has been sent.
        """
        self.check_open()
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(f"priority must be an int, got {priority!r}")
        if not -2**31 <= priority < 2**31:
            raise ConfigError(
                f"priority must be between -2**31 and 2**31 - 1, got {priority!r}")
        self.number = priority
        self.prioritised = True

    def check_open(self):
        if self.sealed:
            raise PayloadSealed("a payload cannot be changed after it was sent")

    def __repr__(self):
        inside = [repr(self.value)]
        if self.mode == BY_KEY:
            inside.append(f"keys={self.address!r}")
        elif self.mode == BY_TOPIC:
            inside.append(f"topics={self.address!r}")
        if self.prioritised:
            inside.append(f"priority={self.number}")
        if self.rare is not None:
            inside.append(f"ttl={self.rare}")
        return f"Payload({', '.join(inside)})"


use_payload_pool(Payload)


cdef int aim(Payload payload, object delivery, object keys, object topics) except -1:
    cdef char mode
    if delivery is None:
        if keys is not None and topics is not None:
            raise ConfigError(
                "a payload with both keys and topics needs a delivery, got "
                f"keys={keys!r}, topics={topics!r}"
            )
        mode = BY_KEY if keys is not None else (
            BY_TOPIC if topics is not None else BY_BROADCAST)
    else:
        if not isinstance(delivery, str) or delivery not in MODES:
            raise ConfigError(
                "delivery must be one of 'broadcast', 'key', 'topic', "
                f"got {delivery!r}"
            )
        mode = MODES[delivery]
    if mode == BY_KEY:
        address = checked_address("keys", keys)
    elif mode == BY_TOPIC:
        address = checked_address("topics", topics)
    else:
        address = None
        if keys or topics:
            raise ConfigError(
                "a broadcast payload takes no keys and no topics, got "
                f"keys={keys!r}, topics={topics!r}"
            )
    if not is_atomic(address):
        track_payload(payload)
    payload.mode = mode
    payload.address = address
    return 0


cdef int track_payload(Payload payload) except -1:
    track(payload)
    payload.tracked = True
    return 0


cdef Payload as_payload(object x, object delivery, object keys, object topics,
                        object priority, object ttl):
    """What was given to a send as a payload: `x` itself, or one made of it."""
    if type(x) is Payload:
        if (delivery is not None or keys is not None or topics is not None
                or priority is not None or ttl is not None):
            raise TypeError(
                "a Payload says itself whom it is for; give delivery, keys, topics, "
                "priority and ttl with a plain value only"
            )
        return x
    return Payload(x, delivery, keys, topics, priority, ttl=ttl)


cdef object as_tuple(object address):
    return (address,) if isinstance(address, str) else address


def checked_address(str name, given):
    """One str, or a tuple of several."""
    if given is None:
        raise ConfigError(f"this delivery needs {name}, got none")
    if isinstance(given, str):
        several = (given,)
    else:
        try:
            several = tuple(given)
        except TypeError:
            raise TypeError(f"{name} must be a str or several, got {given!r}") from None
    if not several:
        raise ConfigError(f"{name} must name at least one, got {given!r}")
    for one in several:
        if not isinstance(one, str):
            raise TypeError(f"{name} must be str, got {one!r}")
        if not one and name == "keys":
            raise ConfigError(f"a key must not be empty, got {given!r}")
    return several[0] if len(several) == 1 else several


def checked_ttl(ttl):
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        raise TypeError(f"ttl must be a number of seconds, got {ttl!r}")
    if not 0 < ttl <= 1e9:
        raise ConfigError(f"ttl must be above 0 and at most 1e9 seconds, got {ttl!r}")
    return float(ttl)


cdef class Labelled:
    """A stop on an event's route, with the key that labels its result."""

    def __cinit__(self, key, *args, **options):
        self.key = key
        self.label = (key,)


cdef class Hub:
    """What an event may ask of the queue that accepted it."""

    def __cinit__(self):
        self.home = Home.__new__(Home)
        self.home.hub = <void *>self

    def __dealloc__(self):
        if self.home is not None:
            self.home.hub = NULL

    cdef bint cancel_event(self, CollectorEvent event) except -1:
        return False

    cdef int begin_wait(self, EventWait wait) except -1:
        return 0

    cdef int end_wait(self, EventWait wait) except -1:
        return 0


@cython.final
cdef class Home:
    """An event's way back to its queue, which does not keep that queue alive."""


@cython.final
cdef class CollectorEvent:
    """One accepted payload on its way; what `send` returns.

        event = await queue.publisher.send(value)
        results = await event                   # a ResultList
        event.outcome                           # Outcome.OK, ...

    It ends in exactly one outcome and never changes after that. Dropping it cancels
    nothing.
    """

    @property
    def outcome(self):
        """An `Outcome`; None until the event has ended."""
        return OUTCOMES[self.state]

    def is_done(self):
        """Whether the event has ended."""
        return self.state >= OK

    def get_result(self):
        """The ResultList; None until the event has ended."""
        return results_of(self) if self.state >= OK else None

    def wait(self, timeout=None):
        """Wait until the event has ended; returns its ResultList, whatever the outcome.

        Raises only TimeoutError, after `timeout` seconds, and the caller's own
        cancellation; the event goes on in both cases.
        """
        if timeout is not None:
            if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
                raise TypeError(f"timeout must be a number of seconds, got {timeout!r}")
            if not timeout >= 0:
                raise ConfigError(f"timeout must not be negative, got {timeout!r}")
        cdef EventWait wait = EventWait.__new__(EventWait)
        wait.event = self
        wait.timeout = timeout
        return wait

    def __await__(self):
        cdef EventWait wait = EventWait.__new__(EventWait)
        wait.event = self
        return wait

    def cancel(self):
        """Give the event up; True if that was possible, False if it had ended.

        Queued: it ends ABORTED now and its place is free. Running on the loop: its
        coroutines are cancelled, and it ends ABORTED when they have ended. Running in a
        thread: it ends ABORTED now, the thread goes on and its result is discarded.
        """
        if self.state >= OK or self.home.hub is NULL:
            return False
        return (<Hub>self.home.hub).cancel_event(self)

    def wait_time(self):
        """Nanoseconds from being sent until first started; 0 until then."""
        if self.start_ns:
            return self.start_ns - self.sent_ns
        return self.end_ns - self.sent_ns if self.state >= OK else 0

    def service_time(self):
        """Nanoseconds from first started until ended; 0 until then."""
        if self.state < OK or not self.start_ns:
            return 0
        return self.end_ns - self.start_ns

    def __repr__(self):
        state = OUTCOMES[self.state] or ("queued" if self.state == QUEUED else "running")
        return f"<CollectorEvent id={self.id} {state} {self.payload!r}>"


use_event_pool(CollectorEvent)


cdef CollectorEvent new_event(Payload payload, Home home, int64_t id, int64_t now):
    """The event of a payload that is accepted `now`."""
    cdef CollectorEvent event = CollectorEvent.__new__(CollectorEvent)
    event.payload = payload
    event.home = home
    event.id = id
    event.sent_ns = now
    payload.sealed = True
    if payload.tracked:
        track(event)
    return event


cdef ResultList results_of(CollectorEvent event):
    cdef tuple labels
    if type(event.result) is ResultList:
        return event.result
    if event.result is None:
        return sealed_list([], ())
    labels = (None,)
    if event.route is not None and type(event.route) is not tuple:
        labels = (<Labelled>event.route).label
    # Not kept: a list a waiter throws away must not weigh on a million kept events.
    return sealed_list([event.result], labels)


cdef int add_waiter(CollectorEvent event, object future) except -1:
    track(event)
    if event.waiters is None:
        event.waiters = future
    elif type(event.waiters) is dict:
        (<dict>event.waiters)[future] = None
    else:
        event.waiters = {event.waiters: None, future: None}
    return 0


cdef int drop_waiter(CollectorEvent event, object future) except -1:
    if event.waiters is future:
        event.waiters = None
    elif type(event.waiters) is dict:
        (<dict>event.waiters).pop(future, None)
    return 0


cdef int wake_waiters(CollectorEvent event) except -1:
    waiters = event.waiters
    event.waiters = None
    if type(waiters) is dict:
        for future in <dict>waiters:
            if not future.done():
                future.set_result(None)
    elif not waiters.done():
        waiters.set_result(None)
    return 0


@cython.final
@cython.freelist(64)
cdef class EventWait:
    """One waiting for one event: a coroutine, so that `create_task(event.wait())` works.

    The event keeps the future it waits on, and lets it go in O(1) when the waiting is
    cancelled.
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
        self.begun = True
        self.finish()
        exc = val if isinstance(val, BaseException) else typ
        raise exc

    def close(self):
        self.begun = True
        self.finish()

    def __dealloc__(self):
        forget_stop()

    cdef int step(self, PyObject **out) except -1:
        """As a coroutine's: suspended on a future, or returned the results."""
        if not self.begun:
            self.begun = True
            if self.event.state < OK:
                self.begin()
                out[0] = handed_over(self.future)
                return CQ_SUSPENDED
        elif self.future is not None:
            if not self.future.done():
                raise RuntimeError("a wait for an event was resumed before it was over")
            self.finish()
        if self.timed_out and self.event.state < OK:
            raise TimeoutError(f"the event did not end within {self.timeout} s")
        if self.event.state < OK:
            raise RuntimeError("a wait for an event cannot be resumed after it was given up")
        out[0] = handed_over(results_of(self.event))
        return CQ_RETURNED

    cdef int begin(self) except -1:
        cdef CollectorEvent event = self.event
        loop = asyncio.get_running_loop()
        if event.home.hub is not NULL:
            hub = <Hub>event.home.hub
            if hub.loop is not loop:
                raise WrongLoop(
                    f"an event is waited for on the loop of its queue, {hub.loop!r}, "
                    f"got {loop!r}"
                )
            hub.begin_wait(self)
        self.future = loop.create_future()
        add_waiter(event, self.future)
        if self.timeout is not None:
            self.timer = loop.call_later(self.timeout, self.expire)
        self.future._asyncio_future_blocking = True
        return 0

    def expire(self):
        self.timed_out = True
        if not self.future.done():
            self.future.set_result(None)

    cdef int finish(self) except -1:
        future = self.future
        if future is None:
            return 0
        self.future = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        drop_waiter(self.event, future)
        if not future.done():
            future.cancel()
        if self.owner is not None and self.event.home.hub is not NULL:
            (<Hub>self.event.home.hub).end_wait(self)
        return 0


cdef int step_of_wait(object wait, PyObject **out) except -1:
    return (<EventWait>wait).step(out)


Coroutine.register(EventWait)
step_waits_by(EventWait, step_of_wait)
