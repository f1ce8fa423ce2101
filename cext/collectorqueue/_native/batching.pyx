"""Where the batches of one collector fill.

Rules of residence: from a single event to a batch that waits for a consumer. Until then its
events are queued and hold no consumer; a batch is one run, and holds one.
"""
cimport cython
from cpython.list cimport PyList_Check, PyList_GetSlice
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.core cimport Core, core_of
from collectorqueue._native.counters cimport count_ns
from collectorqueue._native.event cimport (
    ABORTED, BATCH, FAILED, IN_BATCH, IN_HAND, KEYED, OK, ON_TRIAL, PART, QUEUED, ROUTED,
    RUNNING, CollectorEvent,
)
from collectorqueue._native.gate cimport Gate
from collectorqueue._native.gathering cimport Gathering
from collectorqueue._native.holders cimport Bundle, Holder, Share, stand_in
from collectorqueue._native.keyline cimport KeyLine
from collectorqueue._native.plan cimport CONVERTS, RETRIES, Step, count_batch
from collectorqueue._native.results cimport Error, Ok, ResultList, as_result, error_from
from collectorqueue._native.sums cimport count_free

from collectorqueue.errors import EventAborted

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX


class Payloads(list):
    """What a collector with a `batch` is given: its payloads, in order.

    `trigger` says why it was handed over: "size", "bytes" or "wait" was reached; "flush",
    as the queue is being closed; "retry", as one that failed is tried again alone.
    """

    __slots__ = ("trigger",)

    def __init__(self, payloads=(), trigger="flush"):
        super().__init__(payloads)
        self.trigger = trigger


@cython.final
cdef class Batching(Holder):
    """The batches of one collector that fill."""

    def __cinit__(self, Core core not None, Step step not None, *, Py_ssize_t size,
                  double wait, Py_ssize_t most_bytes, measure, by, Gate gate=None):
        self.home = core.home
        self.step = step
        self.size = size
        self.wait_ns = <int64_t>(wait * 1e9)
        self.most_bytes = most_bytes
        self.measure = measure
        self.by = by
        self.gate = gate
        self.filling = {}
        self.by_group = {}

    cdef int add(self, CollectorEvent run, int64_t now) except -1:
        """Take a run in: its batch may be full by that."""
        cdef Core core = core_of(self.home)
        cdef Batched batch
        cdef Py_ssize_t size = 0
        run.flags |= ROUTED
        if core.tries and run in core.tries:
            return self.add_alone(run, now)
        if self.by is None and not self.most_bytes:
            return self.put_in(run, self.by_group.get(None), None, 0, now)
        group = None
        try:
            if self.by is not None:
                group = self.by(run.payload)
            if self.most_bytes:
                size = self.measure(run.payload.value)
            batch = self.by_group.get(group)    # it may refuse to be hashed or compared
        except BaseException as exc:
            return self.fail(run, exc)
        if run.state != QUEUED:
            return 0        # that has cancelled it
        return self.put_in(run, batch, group, size, now)

    cdef int put_in(self, CollectorEvent run, Batched batch, object group,
                    Py_ssize_t size, int64_t now) except -1:
        cdef Core core = core_of(self.home)
        cdef KeyLine line
        if batch is not None and batch.trigger is not None:
            batch = None        # closed; its group has changed since, and was not found
        if batch is not None and self.most_bytes and batch.bytes + size > self.most_bytes:
            self.close(batch, "bytes", now)
            batch = None
        if run.flags & ON_TRIAL:
            line = core.line_of(run.payload.rare.ordering_key)
            if batch is None or line.batch is not batch:
                if (<Step>self.step).gate is not None:
                    (<Step>self.step).gate.take_back()  # it will pass it again
                return core.back_in_line(run)
            run.flags &= ~ON_TRIAL
            line.trying = None
        if batch is None:
            batch = Batched.__new__(Batched)
            batch.batching = self
            batch.group = group
            batch.items = []
            try:
                self.by_group[group] = batch
            except BaseException as exc:
                return self.fail(run, exc)
            self.filling[batch] = None
            core.batches[self] = None
            core.sweep_timers()
            core.timers.set_alarm(batch, now + self.wait_ns)
        core.stand_apart(run, IN_BATCH)
        batch.items.append(run)
        batch.bytes += size
        if len(batch.items) >= self.size and batch.still_waiting() >= self.size:
            return self.close(batch, "size", now)
        if self.most_bytes and batch.bytes >= self.most_bytes:
            return self.close(batch, "bytes", now)
        if run.flags & KEYED:
            core.join_batch(run, batch)
        return 0

    cdef int fail(self, CollectorEvent run, BaseException exc) except -1:
        """`by` or `size_of` has raised: that costs this event only."""
        cdef Core core = core_of(self.home)
        cdef Error error = error_from(exc)
        if run.flags & PART:
            return (<Gathering>(<Share>run.waiters).parts).turn_away(run, error, False)
        if run.state == QUEUED:
            run.place = IN_HAND
            core.settle(run, FAILED, error, monotonic_ns())
        return 0

    cdef int close(self, Batched batch, str trigger, int64_t now) except -1:
        """It takes no more: one run stands for it from now on."""
        if batch.trigger is not None:
            return 0
        cdef Core core = core_of(self.home)
        cdef CollectorEvent first = batch.items[0]
        cdef CollectorEvent item
        cdef CollectorEvent run = stand_in(first, self.step, BATCH, batch)
        batch.trigger = trigger
        batch.due_ns = 0
        if batch in self.filling:
            self.forget_closed(batch)
            if not self.filling:
                core.batches.pop(self, None)
        if core.lines:
            for item in batch.items:
                if item.flags & KEYED:
                    core.line_of(item.payload.rare.ordering_key).batch = None
        if (<Step>self.step).outlet is not None:
            return (<Step>self.step).outlet.offer(run, now)
        if self.gate is None or self.gate.admit(run, now):
            core.put_back(run)
        return 0

    cdef int forget_closed(self, Batched batch) except -1:
        cdef Batched other
        del self.filling[batch]
        try:
            if self.by_group.get(batch.group) is batch:
                del self.by_group[batch.group]
        except BaseException:
            pass    # a group that can be hashed no more, or is another by now
        if len(self.by_group) > 2 * len(self.filling) + 16:
            self.by_group = {}
            for other in self.filling:
                try:
                    self.by_group[other.group] = other
                except BaseException:
                    continue    # it is closed when its time comes
        return 0

    cdef int add_alone(self, CollectorEvent run, int64_t now) except -1:
        """What is tried again is a batch of its own: it may be what the others failed of."""
        cdef Core core = core_of(self.home)
        cdef Batched batch = Batched.__new__(Batched)
        batch.batching = self
        batch.group = batch
        batch.items = [run]
        core.stand_apart(run, IN_BATCH)
        return self.close(batch, "retry", now)

    cdef int flush(self) except -1:
        cdef int64_t now = monotonic_ns()
        for batch in list(self.filling):
            self.close(batch, "flush", now)
        return 0

    cdef Py_ssize_t limit_reached(self) noexcept:
        return 0 if self.gate is None else self.gate.limit_reached()

    cdef list runs(self):
        cdef Batched batch
        found = []
        for batch in self.filling:
            found += batch.items
        return found


@cython.final
cdef class Batched(Bundle):
    """One batch."""

    cdef int ring(self, int64_t now) except -1:
        return self.batching.close(self, "wait", now)

    cdef Py_ssize_t still_waiting(self) except -1:
        """How many of it have not been given up."""
        cdef CollectorEvent item
        self.items = [item for item in self.items if is_in_batch(item)]
        return len(self.items)

    cdef list begin(self, Step step, int64_t now):
        """Begin with those that still wait: their payloads."""
        cdef Core core = core_of(self.batching.home)
        cdef list items = []
        cdef list payloads = []
        self.is_thinned = False
        # Observers and hooks are asked meanwhile, and may cancel any of it.
        core.beginning.append(self)
        try:
            self.begin_items(step, now, items, payloads)
        finally:
            core.beginning.pop()
        if self.is_thinned:
            payloads = [
                payload for item, payload in zip(items, payloads)
                if (<CollectorEvent>item).state == RUNNING
            ]
            items = [item for item in items if (<CollectorEvent>item).state == RUNNING]
        self.items = items
        if core.parked:
            core.admit()
        return payloads

    cdef int begin_items(self, Step step, int64_t now, list items,
                         list payloads) except -1:
        cdef Core core = core_of(self.batching.home)
        cdef CollectorEvent item
        for item in self.items:
            if not is_in_batch(item):
                continue
            if item.flags & PART:
                if not (<Gathering>(<Share>item.waiters).parts).resume(item, now):
                    continue
                count_free(core, now)
            else:
                core.begin_item(item, now)
            payload = item.payload
            if step.policies & CONVERTS:
                try:
                    payload = step.convert(payload)
                except BaseException as exc:
                    step.failed += 1
                    self.item_over(item, step, error_from(exc), False, now)
                    continue
            count_ns(&step.waits, now - item.sent_ns)
            items.append(item)
            payloads.append(payload)
        return 0

    cdef int over(self, Step step, object answer, bint gave_up, int64_t begun,
                  int64_t now) except -1:
        """The collector is done with it: each of it gets its own result."""
        cdef Core core = core_of(self.batching.home)
        cdef CollectorEvent item
        cdef list answers = answers_of(answer, len(self.items))
        cdef Py_ssize_t at
        cdef Py_ssize_t good = 0
        self.is_over = True
        for at in range(len(answers)):
            item = <CollectorEvent>self.items[at]
            if type(<object>answers[at]) is Ok:
                good += 1
                if not (item.flags & PART or step.policies & RETRIES or gave_up):
                    core.settle(item, OK, answers[at], now)
                    continue
            self.item_over(item, step, answers[at], gave_up, now)
        self.items = []     # its alarm is kept until it would have rung, or is swept
        count_batch(step, good, len(answers) - good, now - begun)
        if self.batching.gate is not None:
            self.batching.gate.leave()
        return 0

    cdef bint abort_item(self, CollectorEvent event, str why) except -1:
        cdef Core core = core_of(self.batching.home)
        cdef CollectorEvent item
        cdef Gathering gathering
        cdef bint wanted = self.is_over     # an observer cancels: nothing is left to stop
        self.is_thinned = True
        for item in self.items:
            if item is event:
                core.settle(item, ABORTED, Error(EventAborted(why)), monotonic_ns())
            elif item.flags & PART:
                gathering = (<Share>item.waiters).parts
                if gathering.event is event:
                    gathering.abort_why = why
                    gathering.collected(
                        (<Share>item.waiters).at, Error(EventAborted(why)), True)
                    item.state = ABORTED
            wanted = wanted or item.state == RUNNING
        return wanted

    cdef int item_over(self, CollectorEvent item, Step step, object answer, bint gave_up,
                       int64_t now) except -1:
        """One event of it has ended so, or is to be tried again."""
        cdef Core core = core_of(self.batching.home)
        cdef int outcome = OK if type(answer) is Ok else FAILED
        if item.flags & PART:
            return (<Gathering>(<Share>item.waiters).parts).part_over(
                (<Share>item.waiters).at, answer, gave_up)
        if gave_up:
            outcome = ABORTED
        return core.end_run(item, step, outcome, answer, now)


cdef list answers_of(object value, Py_ssize_t count):
    """The result of each of so many events, of what a batch was answered with."""
    try:
        values = values_of(value, count)
    except ValueError as error:
        values = [error_from(error)] * count
    return [as_result(each) for each in values]


cpdef list values_of(object value, Py_ssize_t count):
    """What each of so many events gets of a batch's answer: a list has one for each.

    Raises ValueError for a list of another length.
    """
    cdef list several
    # One of our own: a list may say that it is longer than it is, or change meanwhile.
    if type(value) is ResultList:
        several = (<ResultList>value).data[:]
    elif PyList_Check(value):
        several = PyList_GetSlice(value, 0, PY_SSIZE_T_MAX)
    else:
        return [value] * count
    if len(several) != count:
        raise ValueError(
            f"a batch of {count} needs a list of {count} results, or one value for all, "
            f"got a list of {len(several)}")
    return several
