"""Driving one collector for one event, and telling whose a cancellation is.

Rules of residence: one call of one processor, from its first step to its result. A
coroutine is advanced with PyIter_Send inside its run's context; only a real suspension is
passed up to the task. This is one of the two borders where anything raised is caught.

Cancellation. The task reports each `cancel()` and `uncancel()` (see `note_cancel`). One
that happens while the handler's own frames run is its own; one that we make is ours; the
rest is somebody else's. `asyncio.timeout` and task groups take theirs back before they
leave the handler, so what counts is what is left when the handler has ended.
"""
import asyncio

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from collectorqueue._native.awaiting cimport (
    CQ_RETURNED, CQ_SUSPENDED, advance, cq_outcome, owned,
)
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.context cimport RunContext, begin_run, step_in
from collectorqueue._native.counters cimport count_ns, expect_count
from collectorqueue._native.event cimport FAILED, OK, UNROUTED, CollectorEvent
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport (
    CALL, CONVERTS, DIVERTS, MISSING, ROUTER, TIMED, Step, begin_step,
)
from collectorqueue._native.results cimport (
    Error, Ok, ResultList, as_result, error_from, sealed_list,
)
from collectorqueue._native.seats cimport Seat
from collectorqueue._native.timers cimport Alarm

from collectorqueue.errors import EventAborted, RunTimeout

cdef extern from *:
    """
    /* A generator that `types.coroutine` made is its own iterator. */
    static int cq_is_generator_coroutine(PyObject *value) {
        if (!PyGen_CheckExact(value)) return 0;
        PyObject *code = PyObject_GetAttrString(value, "gi_code");
        if (code == NULL) { PyErr_Clear(); return 0; }
        int flags = ((PyCodeObject *)code)->co_flags;
        Py_DECREF(code);
        return (flags & CO_ITERABLE_COROUTINE) != 0;
    }

    /* A call without the detour by the general protocol: 60 of 2600 instructions. */
    static inline PyObject *cq_call(PyObject *processor, PyObject *payload, PyObject *ctx) {
        PyObject *args[3] = {NULL, payload, ctx};
        size_t count = (ctx == NULL ? 1 : 2) | PY_VECTORCALL_ARGUMENTS_OFFSET;
        if (Py_IS_TYPE(processor, &PyFunction_Type))
            return ((PyFunctionObject *)processor)->vectorcall(
                processor, args + 1, count, NULL);
        return PyObject_Vectorcall(processor, args + 1, count, NULL);
    }

    /* Call a processor; *coroutine is what it returns, if that can be awaited. */
    static inline cq_outcome cq_run(PyObject *processor, PyObject *payload, PyObject *ctx,
                                    PyObject **coroutine, PyObject **out) {
        PyObject *value = cq_call(processor, payload, ctx);
        PyAsyncMethods *methods;
        if (value == NULL) {
            *out = cq_take_exception();
            return CQ_RAISED;
        }
        if (PyCoro_CheckExact(value) || cq_is_generator_coroutine(value)) {
            *coroutine = value;
            return CQ_SUSPENDED;
        }
        methods = Py_TYPE(value)->tp_as_async;
        if (methods == NULL || methods->am_await == NULL) {
            *out = value;
            return CQ_RETURNED;
        }
        *coroutine = methods->am_await(value);
        Py_DECREF(value);
        if (*coroutine != NULL) return CQ_SUSPENDED;
        *out = cq_take_exception();
        return CQ_RAISED;
    }

    /* Call a processor and advance what it returns, if that can be awaited. */
    static inline cq_outcome cq_begin(PyObject *processor, PyObject *payload, PyObject *ctx,
                                      PyObject **coroutine, PyObject **out) {
        cq_outcome outcome = cq_run(processor, payload, ctx, coroutine, out);
        if (outcome != CQ_SUSPENDED) return outcome;
        if (PyCoro_CheckExact(*coroutine)) {
            /* PySendResult has the same three, with the same numbers. */
            outcome = (cq_outcome)PyCoro_Type.tp_as_async->am_send(
                *coroutine, Py_None, out);
            if (outcome == CQ_RAISED) *out = cq_take_exception();
        } else {
            outcome = cq_advance(*coroutine, NULL, out);
        }
        if (outcome != CQ_SUSPENDED) Py_CLEAR(*coroutine);
        return outcome;
    }
    """
    # Hands over new references, and leaves no exception set.
    cq_outcome run_call "cq_run"(PyObject *processor, PyObject *payload, PyObject *ctx,
                                 PyObject **coroutine, PyObject **out) noexcept
    cq_outcome begin_call "cq_begin"(PyObject *processor, PyObject *payload, PyObject *ctx,
                                     PyObject **coroutine, PyObject **out) noexcept

cdef object CancelledError = asyncio.CancelledError

cdef enum:
    GRACE_NS = 500_000_000  # that a cancelled run has to clean up


cdef inline int arrive(Driver driver, Step step, CollectorEvent event) except -1:
    """An event has come to a collector: count that, and have a context for it."""
    cdef RunContext context = driver.context
    if driver.step is not step:
        driver.step = step
    driver.verdict = PLAIN
    driver.delivered = False
    if step.kind == MISSING:
        return 0
    if not step.policies & DIVERTS or step.batching is None:
        # Else it was counted for each of the batch.
        count_ns(&step.waits, event.start_ns - event.sent_ns)
    expect_count(&step.runs)
    begin_step(step)
    if context is not None:
        begin_run(context, event)
        if type(event.route) is tuple:
            context.scope.step = step
            context.scope.part = driver.part
            context.scope.is_over = False
        step_in(context)
    return 0


@cython.no_gc_clear
cdef class Driver(Seat):
    """Runs processors one after the other (a consumer), or one (a branch)."""

    def note_cancel(self, int cancelling, bint is_own=False):
        """The task was asked to cancel, and now counts `cancelling` such requests; this one
        is the handler's own though its frames do not run."""
        if cancelling > self.cancels:
            if self.cancelling_now:
                self.our_cancels += 1
            elif self.in_step or is_own:
                self.own_cancels += 1
        elif (cancelling < self.cancels and self.in_step and self.own_cancels
                and self.cancels <= self.own_cancels + self.our_cancels):
            # Not while there is one of somebody else's: a timeout takes its own back.
            self.own_cancels -= 1
        self.cancels = cancelling

    def attach(self, task):
        """The task that drives this."""
        self.task = task

    @property
    def is_cancelled(self):
        """Somebody else wants its task to end."""
        return self.cancels > self.own_cancels + self.our_cancels

    @property
    def current_event(self):
        return self.event

    @property
    def current_key(self):
        return None if self.step is None else self.step.key

    @property
    def current_task(self):
        return self.task

    cdef int begin(self, Step step, CollectorEvent event, object given) except -1:
        """Call the collector with its payload, or payloads; DONE or SUSPENDED."""
        cdef PyObject *coroutine = NULL
        cdef PyObject *out = NULL
        cdef cq_outcome outcome
        arrive(self, step, event)
        if step.kind == MISSING:
            self.answer = Error.__new__(Error, step.collector)
            return DONE
        if step.policies & CONVERTS and step.batching is None:
            try:
                given = self.converted(step, event.payload)
            except BaseException as exc:
                return self.raised(exc)
        self.in_step = True
        outcome = begin_call(
            <PyObject *>step.call, <PyObject *>given,
            <PyObject *>step.ctx if step.with_ctx else NULL, &coroutine, &out)
        self.in_step = False
        if outcome == CQ_SUSPENDED:
            self.coroutine = owned(coroutine)
            self.yielded = owned(out)
            if step.policies & TIMED:
                self.set_deadline()
            return SUSPENDED
        if outcome == CQ_RETURNED:
            if type(<object>out) is Ok and step.kind == CALL and self.cancels == 0:
                self.answer = owned(out)
                return DONE
            return self.returned(owned(out))
        return self.raised(owned(out))

    cdef int call(self, Step step, CollectorEvent event) except -1:
        """Call a plain collector; SUSPENDED: it returned a coroutine, not begun yet."""
        cdef PyObject *coroutine = NULL
        cdef PyObject *out = NULL
        cdef cq_outcome outcome
        arrive(self, step, event)
        if step.kind == MISSING:
            self.answer = Error.__new__(Error, step.collector)
            return DONE
        given = event.payload
        if step.policies & CONVERTS:
            try:
                given = self.converted(step, event.payload)
            except BaseException as exc:
                return self.raised(exc)
        self.in_step = True
        outcome = run_call(
            <PyObject *>step.call, <PyObject *>given,
            <PyObject *>step.ctx if step.with_ctx else NULL, &coroutine, &out)
        self.in_step = False
        if outcome == CQ_SUSPENDED:
            self.coroutine = owned(coroutine)
            return SUSPENDED
        if outcome == CQ_RETURNED:
            return self.returned(owned(out))
        return self.raised(owned(out))

    cdef object converted(self, Step step, Payload payload):
        """The payload as its collector wants it: made once for all that want the same."""
        cdef dict made = self.made_by_now()
        if made is None:
            return step.convert(payload)
        if step.convert not in made:
            made[step.convert] = step.convert(payload)
        return made[step.convert]

    cdef dict made_by_now(self):
        """What was made of the event's payload for others; None: there are no others."""
        return None

    cdef int resume(self, object thrown) except -1:
        """Go on after a suspension, with an exception or without; DONE or SUSPENDED."""
        cdef PyObject *out = NULL
        cdef cq_outcome outcome
        self.yielded = None
        if thrown is not None:
            self.delivered = True
        if self.context is not None:
            step_in(self.context)
        self.in_step = True
        outcome = advance(<PyObject *>self.coroutine,
                          NULL if thrown is None else <PyObject *>thrown, &out)
        self.in_step = False
        if outcome == CQ_SUSPENDED:
            self.yielded = owned(out)
            return SUSPENDED
        self.coroutine = None
        if self.deadline is not None:
            self.deadline.due_ns = 0
            self.deadline = None
        if outcome == CQ_RETURNED:
            return self.returned(owned(out))
        return self.raised(owned(out))

    cdef int never_begun(self, object thrown) except -1:
        """Its task was cancelled before the collector was called."""
        self.verdict = PLAIN
        self.delivered = True
        if self.step.kind != MISSING:
            self.step.running += 1
        return self.raised(thrown)

    cdef int returned(self, object value) except -1:
        if self.step.kind == ROUTER:
            self.answer = whole_answer(value)
        elif (self.step.policies & DIVERTS and self.step.batching is not None
                and isinstance(value, (list, ResultList))):
            self.answer = value     # one for each of the batch
        else:
            self.answer = as_result(value)
        if self.cancels:
            self.weigh_cancels(None)
        return DONE

    cdef int raised(self, object exc) except -1:
        self.answer = error_from(exc)
        if self.cancels:
            self.weigh_cancels(exc)
        return DONE

    cdef int weigh_cancels(self, object exc) except -1:
        """The run is over and its task was asked to cancel: by whom, and was it heard?"""
        # Raised by itself, it is not the one that the task still has to deliver.
        heard = self.delivered and issubclass(type(exc), CancelledError)
        if self.cancels > self.own_cancels + self.our_cancels:
            self.leaving = True
            if heard:
                self.verdict = GIVEN_UP
                self.answer = Error(EventAborted("the task of its consumer was cancelled"))
            return 0
        if self.our_cancels and self.timed_out:
            self.answer = late(self.step)
        elif self.our_cancels:
            self.verdict = GIVEN_UP
            self.answer = Error(EventAborted(self.abort_why))
        self.timed_out = False
        self.spent = self.spent or not heard
        self.take_back_cancels()
        return 0

    cdef int take_back_cancels(self) except -1:
        """Leave the task as uncancelled as it was."""
        while self.cancels:
            before = self.cancels
            self.task.uncancel()
            if self.cancels == before:
                break
        self.own_cancels = 0
        self.our_cancels = 0
        return 0

    # -- timeouts -------------------------------------------------------------------------

    cdef int set_deadline(self) except -1:
        """It waits: from now on its collector's timeout can end it."""
        cdef Deadline deadline = Deadline.__new__(Deadline)
        self.core.sweep_timers()
        deadline.driver = self
        self.deadline = deadline
        self.timed_out = False
        return self.core.timers.set_alarm(
            deadline, monotonic_ns() + self.step.timeout_ns)

    cdef int time_out(self) except -1:
        """Its time is over: cancel it, and if it does not end then, go on without it."""
        if self.timed_out:
            self.deadline = None
            return self.write_off()
        if self.our_cancels:
            return 0        # it is being cancelled for another reason
        self.timed_out = True
        self.cancel_task()
        if self.deadline is not None:
            self.core.timers.set_alarm(self.deadline, monotonic_ns() + GRACE_NS)
        return 0

    cdef int write_off(self) except -1:
        """Settle what it runs, and let others have its place."""
        return 0

    cdef int cancel_task(self) except -1:
        if self.task is None or self.task.done():
            return 0
        self.cancelling_now = True
        try:
            self.task.cancel()
        finally:
            self.cancelling_now = False
        return 0


@cython.final
cdef class Deadline(Alarm):
    """When a run must have ended."""

    cdef int ring(self, int64_t now) except -1:
        return self.driver.time_out()


cdef Error late(Step step):
    """What becomes of a run that was too slow."""
    return Error(RunTimeout.after(step.timeout_ns / 1e9))


cdef object whole_answer(object value):
    """What a custom router's `handle_event` returned, as a ResultList; or an Error."""
    if type(value) is ResultList:
        return sealed_list(value.results, value.keys())
    if isinstance(value, (list, tuple)):
        return sealed_list([as_result(one) for one in value], (None,) * len(value))
    return error_from(TypeError(
        f"a router's handle_event returns a ResultList, got {value!r}"))


cdef char outcome_of(object answer) except -1:
    """What an answer other than a plain Ok makes of its event."""
    if type(answer) is not ResultList:
        return FAILED
    if not (<ResultList>answer).data:
        return UNROUTED
    return FAILED if answer.errors() else OK
