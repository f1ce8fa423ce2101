"""What travels: the payload a publisher made, and the event the queue made of it.

Rules of residence: state and waiting. An event does not know how it is queued or run; what
it must ask of its queue (cancel, wait) goes through its `Home`, which holds no reference,
so that a million events can stay out of the garbage collector's way.
"""
import asyncio
import enum
from collections.abc import Coroutine

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from collectorqueue._native.awaiting cimport (
    CQ_RETURNED, CQ_SUSPENDED, Step_function, forget_stop, handed_over, owned,
)
from collectorqueue._native.headroom cimport FRAMES, give_frames
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.results cimport ResultList, sealed_list
from collectorqueue._native.untracked cimport track

from collectorqueue.errors import ConfigError, WrongLoop


class Outcome(enum.StrEnum):
    """How an event ended; each accepted event ends in exactly one."""

    OK = "ok"
    FAILED = "failed"
    UNROUTED = "unrouted"
    DROPPED = "dropped"
    ABORTED = "aborted"


cdef tuple OUTCOMES = (
    None, None,
    Outcome.OK, Outcome.FAILED, Outcome.UNROUTED, Outcome.DROPPED, Outcome.ABORTED,
)


cdef double LONGEST_S = 1e9        # 30 years, and what any loop can add up
cdef Py_ssize_t WOKEN_A_TURN = 256     # about half a millisecond of theirs


cdef extern from *:
    """
    CQ_POOL(cq_event, 96)
    CQ_AWAITABLE(cq_wait)
    """
    void step_waits_by "cq_wait_step_by"(object type, Step_function step)
    void use_event_pool "cq_event_use_pool"(object type)


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

    cdef bint waits_for_time(self, CollectorEvent event) except -1:
        """Whether a time that was noted for it matters still."""
        return False

    cdef int time_has_come(self, CollectorEvent event, int64_t now) except -1:
        """Such a time has come, or had for another reason."""
        return 0

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

        Raises TimeoutError after `timeout` seconds, and the caller's own cancellation; the
        event goes on in both cases. Of what the event came to, it raises nothing. Raises
        WrongLoop, WouldDeadlock in a handler that would wait for itself, and TypeError or
        ConfigError for a timeout that is none.
        """
        if timeout is not None:
            if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
                raise TypeError(f"timeout must be a number of seconds, got {timeout!r}")
            if not timeout >= 0:
                raise ConfigError(f"timeout must not be negative, got {timeout!r}")
            if timeout > LONGEST_S:
                timeout = LONGEST_S
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

        Queued, whatever it waits for (a consumer, its time, its key, a limit, a batch, the
        next try): it ends ABORTED now and its place is free. Running on the loop: its
        coroutines are cancelled, and it ends ABORTED when they have ended. Running in a
        thread or a worker: it ends ABORTED now, the run goes on and its result is discarded.
        Raises WrongThread.
        """
        if self.state >= OK or self.home.hub is NULL:
            return False
        give_frames(FRAMES)
        try:
            return (<Hub>self.home.hub).cancel_event(self)
        finally:
            give_frames(-FRAMES)

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
    if event.route is not None and len(<tuple>event.route) == 1:
        labels = event.route
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
        wake_some((<Hub>event.home.hub).loop, list(<dict>waiters), 0)
    elif not waiters.done():
        waiters.set_result(None)
    return 0


def wake_some(loop, list futures, Py_ssize_t begin):
    """Wake some of those who wait; in the next turn of the loop more, and so on.

    Each of them has something to do now, and who else needs the loop must not wait for all.
    """
    cdef Py_ssize_t end = min(begin + WOKEN_A_TURN, len(futures))
    cdef Py_ssize_t at
    for at in range(begin, end):
        future = futures[at]
        if not future.done():
            future.set_result(None)
    if end < len(futures):
        loop.call_soon(wake_some, loop, futures, end)


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
            if self.event is None:
                raise TypeError("a wait is made by an event's wait()")
            self.begun = True
            if self.event.state < OK:
                give_frames(FRAMES)
                try:
                    self.begin()
                finally:
                    give_frames(-FRAMES)
                out[0] = handed_over(self.future)
                return CQ_SUSPENDED
        elif self.future is not None:
            if not self.future.done():
                raise RuntimeError("a wait for an event was resumed before it was over")
            self.finish()
        if self.refusal is not None and self.event.state < OK:
            raise self.refusal
        if self.timed_out and self.event.state < OK:
            raise TimeoutError(f"the event did not end within {self.timeout} s")
        if self.event.state < OK:
            raise RuntimeError("a wait for an event cannot be resumed after it was given up")
        out[0] = handed_over(results_of(self.event))
        return CQ_RETURNED

    cdef int begin(self) except -1:
        cdef CollectorEvent event = self.event
        loop = asyncio.get_running_loop()
        future = loop.create_future()   # it may fail: before anything is noted
        if event.home.hub is not NULL:
            hub = <Hub>event.home.hub
            if hub.loop is not loop:
                raise WrongLoop(
                    f"an event is waited for on the loop of its queue, {hub.loop!r}, "
                    f"got {loop!r}"
                )
            hub.begin_wait(self)
        self.future = future
        add_waiter(event, future)
        if self.timeout is not None:
            try:
                self.timer = loop.call_later(self.timeout, self.expire)
            except BaseException:
                self.finish()
                raise
        future._asyncio_future_blocking = True
        return 0

    def expire(self):
        self.timed_out = True
        if not self.future.done():
            self.future.set_result(None)

    cdef int refuse(self, object why) except -1:
        """Let whoever waits go on, with this error unless the event has ended by then."""
        self.refusal = why
        if not self.future.done():
            self.future.set_result(None)
        return 0

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
