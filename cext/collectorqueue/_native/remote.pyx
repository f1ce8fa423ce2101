"""The way of a process collector's events to the workers.

Rules of residence: what an event is handed over as, and where it waits if it cannot be now.
Which worker gets it is the crew's.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.core cimport Core, core_of
from collectorqueue._native.crew cimport Crew
from collectorqueue._native.errand cimport Call, Errand, Part, Remote
from collectorqueue._native.event cimport ELSEWHERE, HELD_BACK, CollectorEvent
from collectorqueue._native.gathering cimport Gathering
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step, begin_step
from collectorqueue._native.window cimport Window


@cython.final
cdef class RemoteOutlet(Remote):
    """Where the events of one process collector go. `limit` and `timeout_ns`: 0 is none."""

    def __cinit__(self, Crew crew not None, Step step not None, *, int number, encode_into,
                  explain, bint takes_raw, bint is_async, bint idempotent,
                  Py_ssize_t limit, int64_t timeout_ns):
        cdef Core core
        self.crew = crew
        self.core = core = core_of(crew.home)
        self.step = step
        self.number = number
        self.encode_into = encode_into
        self.explain = explain
        self.takes_raw = takes_raw
        self.is_async = is_async
        self.idempotent = idempotent
        self.limit = limit
        self.timeout_ns = timeout_ns
        self.held = core.make_lane(HELD_BACK, core.drops_oldest)

    cdef int offer(self, CollectorEvent event, int64_t now) except -1:
        cdef Crew crew = self.crew
        cdef Window window = None
        if crew.lane.used == crew.lane.gone and not crew.urgent and not len(self.held):
            window = crew.choose(self)
        if window is not None:
            crew.start(event, self, window, now)
        else:
            event.place = ELSEWHERE
            crew.lane.push(event)
            crew.run_short()
        return 0

    cdef int rush(self, CollectorEvent event, int64_t now) except -1:
        cdef Errand errand = Errand.__new__(Errand)
        if not self.take_out(event, now):
            return 0
        errand.event = event
        return self.send_out(errand, event.payload)

    cdef int take_part(self, object gathering, Py_ssize_t at) except -1:
        cdef Part part = Part.__new__(Part)
        part.gathering = <Gathering>gathering
        part.at = at
        part.event = part.gathering.event
        return self.send_out(part, part.event.payload)

    def call(self, Payload payload not None, ctx=None):
        """Run the collector for a payload; a future of its Ok or Error."""
        cdef Call call = Call.__new__(Call)
        call.future = self.core.create_future()
        # The router's step counts it: `send_out` would once more.
        self.step.running -= 1
        self.send_out(call, payload)
        return call.future

    cdef int send_out(self, Errand errand, Payload payload) except -1:
        errand.outlet = self
        errand.payload = payload
        begin_step(self.step)
        return self.crew.submit(errand)
