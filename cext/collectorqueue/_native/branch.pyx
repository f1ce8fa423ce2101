"""One of an event's several collectors, in a task of its own.

Rules of residence: one run, from the task's first step to its last. A coroutine must not
change tasks half-way (timeouts and task groups remember theirs), so each collector of an
event but the last is driven here, and its result handed to whoever gathers them.
"""
import asyncio
from collections.abc import Coroutine

cimport cython

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.driver cimport DONE, GIVEN_UP, SUSPENDED, Driver, late
from collectorqueue._native.plan cimport TIMED, count_run
from collectorqueue._native.results cimport Ok

cdef object CancelledError = asyncio.CancelledError


@cython.final
@cython.no_gc_clear
cdef class Branch(Driver):
    """One of an event's several collectors, in a task of its own."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.turn(None)

    def send(self, value):
        return self.turn(None)

    def throw(self, typ, val=None, tb=None):
        return self.turn(val if isinstance(val, BaseException) else (
            typ if isinstance(typ, BaseException) else typ()))

    def close(self):
        self.coroutine = None

    @property
    def cr_await(self):
        """The handler's coroutine it is in, for debuggers."""
        return self.coroutine

    @property
    def cr_frame(self):
        """The handler's frame, for `task.print_stack()`."""
        return getattr(self.coroutine, "cr_frame", None)

    @property
    def __name__(self):
        return f"collector {self.step.key}" if self.step is not None else "collector"

    @property
    def __qualname__(self):
        return f"collectorqueue.{self.__name__}"

    cdef object turn(self, object thrown):
        cdef int status = DONE
        if self.begun:
            status = self.resume(thrown)
        else:
            self.begun = True
            if thrown is None:
                status = self.begin(self.step, self.event, self.event.payload)
            else:
                self.never_begun(thrown)
        if status == SUSPENDED:
            if self.step.policies & TIMED and self.deadline is None and not self.timed_out:
                self.set_deadline()     # it was begun as a plain function
            yielded, self.yielded = self.yielded, None
            return yielded
        if not self.written_off:
            self.over(self.verdict == GIVEN_UP)
        if self.leaving:
            raise CancelledError()
        raise StopIteration

    cdef dict made_by_now(self):
        return self.gathering.made_by_now()

    cdef int over(self, bint gave_up) except -1:
        """What the collector answered is its part."""
        self.scope.is_over = True
        count_run(self.step, type(self.answer) is Ok, monotonic_ns() - self.event.start_ns)
        self.gathering.part_over(self.at, self.answer, gave_up)
        return self.gathering.let_go()

    cdef int write_off(self) except -1:
        self.written_off = True
        self.answer = late(self.step)
        self.over(False)
        self.core.on_written_off(self)
        return 0

    cpdef int disown(self) except -1:
        """Its event was given up: what comes of it concerns nobody."""
        if not self.written_off and self.task is not None and not self.task.done():
            self.written_off = True
            count_run(self.step, False, monotonic_ns() - self.event.start_ns)
        return 0

    cdef int abort(self, str why) except -1:
        self.timed_out = False
        self.abort_why = why
        return self.cancel_task()

    cdef int inherit(self, str why) except -1:
        """Take on a cancellation that was made before the coroutine came here: by the
        queue, which says why, or (None) by the collector itself."""
        if why is not None:
            return self.abort(why)
        if self.task is not None and not self.task.done():
            self.in_step = True
            self.task.cancel()
            self.in_step = False
        return 0

    def is_over_or_detached(self):
        return self.task is None or self.task.done() or self.step.detached


Coroutine.register(Branch)
