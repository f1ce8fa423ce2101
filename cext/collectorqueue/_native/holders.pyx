"""Where runs wait, and what they are of, as the core sees them.

Rules of residence: what must be asked, not how it is done. A run is one event at one
collector. It is the event itself, or stands for one of its parts (its `waiters` are a
Share), or for many events that are run as one (a Bundle).
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport BATCH, PART, ROUTED, CollectorEvent, new_event
from collectorqueue._native.timers cimport Alarm
from collectorqueue._native.untracked cimport track


cdef class Holder(Alarm):
    """Where the runs of one collector wait."""

    cdef bint admit(self, CollectorEvent run, int64_t now) except -1:
        """Whether one may go on; if not, it waits here."""
        return True

    cdef bint enter(self, int64_t now) except -1:
        """Whether one may go on."""
        return True

    cdef int forget(self, CollectorEvent run) except -1:
        """One of those that wait here has ended."""
        return 0

    cdef int leave(self) except -1:
        """One that was let go on is over."""
        return 0

    cdef int take_back(self) except -1:
        """One that was let go on has not begun, and will ask again."""
        return 0

    cdef Py_ssize_t limit_reached(self) noexcept:
        """How many it let go on that must end before another may; 0: another may."""
        return 0

    cdef int flush(self) except -1:
        """Nothing more will come: what waits for that need not."""
        return 0

    cdef int dismiss_calls(self) except -1:
        """The turn of those calls that wait here does not come."""
        cdef CollectorEvent run
        for run in self.runs():
            if is_call(run):
                (<Share>run.waiters).future.cancel()
        return 0

    cdef bint holds_events(self) except -1:
        """Whether anything but calls waits here."""
        return any([not is_call(run) for run in self.runs()])

    cdef list runs(self):
        """Those that wait here."""
        return []


cdef class Parts:
    """What an event with several collectors is made of."""

    cdef int give_up(self, str why) except -1:
        """The event ends ABORTED, with the results there are."""
        return 0

    cdef int abort(self, str why) except -1:
        """Cancel all that runs of it; the event ends ABORTED."""
        return 0

    cdef list drivers(self):
        """What drives those of its collectors that no consumer does."""
        return []

    cdef int turn_away(self, CollectorEvent run, object error, bint gave_up) except -1:
        """A part that waits cannot begin: its result is this."""
        return 0


@cython.final
cdef class Share:
    """Which part of which event a run is of."""


cdef class Bundle(Alarm):
    """The runs that one run stands for."""

    cdef bint abort_item(self, CollectorEvent event, str why) except -1:
        """An event of it is given up while it runs; False: it was the last."""
        return True


cdef bint is_call(CollectorEvent run):
    """Whether it stands for a call of a custom router, and for no event."""
    return run.flags & PART and (<Share>run.waiters).future is not None


cdef CollectorEvent stand_in(CollectorEvent event, object step, int kind, object what):
    """A run that waits in an event's place in the order: for a part of it, or a batch."""
    cdef CollectorEvent run = new_event(event.payload, event.home, event.id, event.sent_ns)
    track(run)
    run.flags = kind | ROUTED
    run.route = step
    run.waiters = what
    return run


cdef dict events_of(CollectorEvent run):
    """The events that a run is of, as keys."""
    cdef Parts parts
    if run.flags & PART:
        parts = (<Share>run.waiters).parts
        return {} if parts is None else {parts.event: None}
    if run.flags & BATCH:
        return events_of_all((<Bundle>run.waiters).items)
    return {run: None}


cdef dict events_of_all(list runs):
    """The same for several."""
    found = {}
    for run in runs:
        found.update(events_of(run))
    return found
