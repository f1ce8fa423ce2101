"""A batch that a worker is handed.

Rules of residence: how one run of many events begins and ends in the books. On the wire it
is one event, whose value has those of all, see `wire_of`, and whose result those of all.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.answers cimport answers_from
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.errand cimport Errand
from collectorqueue._native.event cimport ABORTED, OK, PART, RUNNING, CollectorEvent
from collectorqueue._native.holders cimport Share
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.results cimport Error, Ok


@cython.final
cdef class Lot(Errand):
    """One batch, at a worker or on its way there."""

    cdef bint is_wanted(self) noexcept:
        cdef CollectorEvent item
        for item in self.batch.items:
            if item.state == RUNNING:
                return True
        return False

    cdef object understood(self, object answer):
        cdef list answers
        if type(answer) is not Ok:
            return answer
        answers = answers_from((<Ok>answer).value)
        if len(answers) != len(self.batch.items):
            raise ValueError(
                f"a batch of {len(self.batch.items)} got {len(answers)} results")
        return answers

    cdef int finish(self, object answer, int64_t run_ns) except -1:
        cdef int64_t now = monotonic_ns()
        self.event.state = ABORTED      # that stands for nothing any more
        return self.batch.over(self.outlet.step, answer, False, now - run_ns, now)

    cdef int began(self, int64_t ns) except -1:
        cdef CollectorEvent item
        for item in self.batch.items:
            if item.state == RUNNING and not item.flags & PART:
                item.start_ns = ns
        return 0

    cdef int unfit(self, object exc) except -1:
        """It cannot be written: those that cannot fail, the others are sent without them."""
        cdef CollectorEvent item
        cdef int64_t now = monotonic_ns()
        scratch = bytearray()
        fit = []
        for item in self.batch.items:
            try:
                self.outlet.encode_into(item.payload.value, scratch, 0)
            except BaseException as why:
                error = Error(self.outlet.explain(item.payload.value, why))
                self.outlet.step.failed += 1
                self.batch.item_over(item, self.outlet.step, error, False, now)
            else:
                fit.append(item)
        if not fit or len(fit) == len(self.batch.items):
            self.batch.items = fit
            return self.finish(Error(exc), 0)
        self.batch.items = fit
        self.payload = wire_of([(<CollectorEvent>item).payload for item in fit],
                               self.batch.trigger)
        self.again(self)
        return 0

    cdef int abort(self, str why) except -1:
        cdef CollectorEvent item
        for item in self.batch.items:
            self.abort_item((<Share>item.waiters).parts.event if item.flags & PART else item,
                            why)
        return 0

    cdef bint abort_item(self, CollectorEvent event, str why) except -1:
        """What comes of an event is discarded, if it is one of these."""
        if event.state >= OK:
            return False
        self.batch.abort_item(event, why)
        return True


cpdef Payload wire_of(list payloads, str trigger):
    """Many payloads as the value of one: why they were handed over, and each of them."""
    cdef Payload payload
    return Payload([trigger, [
        [payload.value, payload.mode, payload.address,
         payload.number if payload.prioritised else None]
        for payload in payloads
    ]])
