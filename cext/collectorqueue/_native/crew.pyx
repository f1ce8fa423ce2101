"""The workers as the loop's process sees them: what is out, and what waits to go out.

Rules of residence: bookkeeping. An event that must go out waits here, still queued, until a
worker has room; is written into that worker's frame; and ends when its result is found in
the worker's page. Sockets, processes and clocks that ring are handed in.

Each worker has a bounded window of events, short where runs are long, so that what was sent
does not wait behind a slow one; a worker with nothing to do takes what another was sent and
has not begun.
"""
import collections

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t

from collectorqueue._native.answers cimport Answers
from collectorqueue._native.batching cimport Batched
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.core cimport Core, core_of
from collectorqueue._native.errand cimport Errand, Remote, drop_run
from collectorqueue._native.event cimport (
    BATCH, ELSEWHERE, HELD_BACK, RUNNING, CollectorEvent,
)
from collectorqueue._native.holders cimport events_of
from collectorqueue._native.lanes cimport FifoLane
from collectorqueue._native.lot cimport Lot, wire_of
from collectorqueue._native.page cimport BEGUN, MATCHED, WORN, Finished
from collectorqueue._native.plan cimport Step, begin_step
from collectorqueue._native.results cimport Error
from collectorqueue._native.window cimport BYTES_OUT, Window

from collectorqueue.errors import RunTimeout

cdef enum:
    RERUNS = 3                  # of an idempotent event


@cython.final
@cython.no_gc_clear
cdef class Crew(Elsewhere):
    """All workers of one queue."""

    def __cinit__(self, Core core not None, *, Answers answers not None, on_timed,
                  on_short):
        self.home = core.home
        self.lane = core.make_lane(ELSEWHERE, core.drops_oldest)
        self.urgent = collections.deque()
        self.holding = {}
        self.windows = []
        self.dirty = []
        self.limbo = []
        self.on_timed = on_timed
        self.on_short = on_short
        self.answers = answers

    def join(self):
        """Be where the core's events go that run elsewhere; it has been opened."""
        core_of(self.home).elsewhere = self

    # -- for the core ---------------------------------------------------------------

    cdef int all_offered(self) except -1:
        if self.dirty:
            self.flush_now()
        return 0

    cdef list waiting(self):
        cdef Remote outlet
        held = []
        for outlet in self.holding:
            held += outlet.held.events()
        return held + self.lane.events()

    cdef list lanes(self):
        cdef Remote outlet
        found = [self.lane]
        for outlet in self.holding:
            found.append(outlet.held)
        return found

    cdef list running(self):
        cdef Errand errand
        found = {}
        for errand in self.errands():
            if errand.event is not None and errand.event.state == RUNNING:
                found.update(events_of(errand.event))
        return [event for event in found if (<CollectorEvent>event).state == RUNNING]

    cdef int forget(self, CollectorEvent event) except -1:
        if event.place == ELSEWHERE:
            self.lane.forget(event)
        elif event.place == HELD_BACK:
            (<Remote>(<Step>event.route).outlet).held.forget(event)
        return 0

    cdef bint cancel(self, CollectorEvent event) except -1:
        cdef Errand errand
        for errand in self.errands():
            if errand.event is event and errand.is_wanted():
                errand.abort("cancelled while a worker had it")
                return True
            if type(errand) is Lot and event in events_of(errand.event):
                return (<Lot>errand).abort_item(event, "cancelled while a worker had it")
        return False

    cdef int abort(self, str why) except -1:
        cdef Errand errand
        for errand in self.errands():
            if errand.is_wanted():
                errand.abort(why)
        return 0

    cdef list errands(self):
        """All that was handed over and has not ended, wherever it is."""
        cdef Window window
        found = list(self.urgent) + self.limbo
        for window in self.windows:
            found += [each for each in window.places if each is not None]
        return found

    # -- out ------------------------------------------------------------------------

    cdef Window choose(self, Remote outlet):
        """The worker with the least to do that has room for this; None: there is none."""
        cdef Window window, least = None
        if outlet.limit and outlet.out >= outlet.limit:
            return None
        for window in self.windows:
            if (least is None or window.outstanding < least.outstanding) and (
                    window.has_room(outlet)):
                least = window
        return least

    cdef int start(self, CollectorEvent event, Remote outlet, Window window,
                   int64_t now) except -1:
        cdef Errand errand
        if (<Step>outlet.step).removed:
            return outlet.turn_back(event)
        if event.flags & BATCH:
            return self.start_lot(event, outlet, window, now)
        errand = Errand.__new__(Errand)
        if not outlet.take_out(event, now):
            return 0
        errand.event = event
        errand.payload = event.payload
        errand.outlet = outlet
        begin_step(outlet.step)
        return self.hand(window, errand, now)

    cdef int start_lot(self, CollectorEvent run, Remote outlet, Window window,
                       int64_t now) except -1:
        """The same for a batch: all of it that still waits."""
        cdef Lot lot = Lot.__new__(Lot)
        cdef Batched batch = run.waiters
        cdef list payloads = batch.begin(outlet.step, now)
        if not payloads:
            return 0
        run.state = RUNNING
        lot.event = run
        lot.batch = batch
        lot.again = self.send_again
        lot.payload = wire_of(payloads, batch.trigger)
        lot.outlet = outlet
        begin_step(outlet.step)
        return self.hand(window, lot, now)

    def send_again(self, Errand errand not None):
        """It runs by now, and was not sent: before all that waits."""
        self.submit(errand)

    cdef int hand(self, Window window, Errand errand, int64_t now) except -1:
        if window.hand(errand, now):
            self.soil(window)
            if window.outstanding == 1:
                self.peak_busy = max(self.peak_busy, self.busy)
            if errand.outlet.timeout_ns:
                self.on_timed(errand.outlet.timeout_ns)
        return 0

    cdef int submit(self, Errand errand) except -1:
        """Of an event that runs by now: ahead of those that are queued."""
        cdef Window window = None
        if not self.urgent:
            window = self.choose(errand.outlet)
        if window is None:
            self.urgent.append(errand)
            self.run_short()
            return 0
        return self.hand(window, errand, monotonic_ns())

    cdef int soil(self, Window window) except -1:
        """It has bytes to send, at the end of this turn of the loop."""
        cdef Core core
        if not window.dirty:
            window.dirty = True
            self.dirty.append(window)
            if not self.flushing:
                self.flushing = True
                core = core_of(self.home)
                core.call_soon(self.flush, context=core.base_context)
        return 0

    def flush(self):
        """Send all that was written."""
        cdef Window window
        self.flushing = False
        dirty, self.dirty = self.dirty, []
        for window in dirty:
            window.dirty = False
            window.send()

    # -- back -----------------------------------------------------------------------

    def collect(self, Window window not None):
        """Take in the results that stand in a worker's page, and send it more.

        Returns how many. Raises ValueError if the page is garbled.
        """
        cdef Finished finished
        cdef unsigned char *body
        cdef Py_ssize_t count = 0
        while window.page.peek(&finished, &body):
            count += 1
            self.take_in(window, &finished, <char *>body)
            # Not sooner: from now on the worker may write there.
            window.page.consume(&finished)
        self.go_on()
        return count

    def collect_whole(self, Window window not None, bytes frame):
        """Take in a result that came whole on the socket. Raises ValueError likewise."""
        cdef Finished *finished = <Finished *>PyBytes_AS_STRING(frame)
        cdef char *body = PyBytes_AS_STRING(frame) + sizeof(Finished)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(frame) - <Py_ssize_t>sizeof(Finished)
        if length < 0 or length != finished.length:
            raise ValueError("a result on the socket is garbled")
        self.take_in(window, finished, body)
        self.go_on()

    cdef int take_in(self, Window window, Finished *finished, const char *body) except -1:
        """Give a result to the event that it is of."""
        cdef Errand errand = window.at(finished.sequence)
        cdef Remote outlet
        answer = self.answers.read(
            <int>finished.kind, body, finished.length, type(errand) is Lot)
        window.robbed = False
        if finished.flags & WORN:
            window.is_worn = True
        if type(answer) is Error:
            (<Error>answer).matched = 1 if finished.flags & MATCHED else 2
        if errand is None:
            window.late += 1
            return 0
        answer = errand.understood(answer)
        outlet = errand.outlet
        # Its worker may not have been killed for it yet; async ones end themselves.
        if 0 < outlet.timeout_ns < finished.run_ns and not outlet.is_async:
            answer = Error.__new__(Error, RunTimeout.after(outlet.timeout_ns / 1e9))
        window.take_off(errand)
        errand.began(window.page.begun_ns(errand.sequence))
        outlet.run_ns += finished.run_ns
        outlet.cpu_ns += finished.cpu_ns
        if not outlet.is_async:
            window.learn_pace(finished.run_ns)
        return errand.finish(answer, finished.run_ns)

    cdef int run_short(self) except -1:
        """Something waits: tell it once, until nothing does."""
        if not self.short_since:
            self.short_since = monotonic_ns()
            self.on_short()
        return 0

    def go_on(self):
        """There may be room now."""
        self.serve()
        if self.lane.used == self.lane.gone and not self.urgent and not self.holding:
            self.short_since = 0
        self.level()
        if self.dirty:
            self.flush_now()

    cdef int flush_now(self) except -1:
        # The call that was asked for finds nothing to do.
        asked = self.flushing
        self.flush()
        self.flushing = asked
        return 0

    cdef int serve(self) except -1:
        """Send what waits, as far as there is room: first what runs by now."""
        cdef Errand errand
        cdef Remote outlet
        cdef Window window
        cdef CollectorEvent event
        cdef int64_t now = monotonic_ns()
        if self.urgent:
            waiting, self.urgent = self.urgent, collections.deque()
            for errand in waiting:
                if not errand.is_wanted():
                    drop_run(errand)
                    continue
                window = self.choose(errand.outlet)
                if window is None:
                    self.urgent.append(errand)
                else:
                    self.hand(window, errand, now)
        self.hold_back(now)
        if self.holding:
            for outlet in list(self.holding):
                while len(outlet.held):
                    window = self.choose(outlet)
                    if window is None:
                        break
                    event = outlet.held.pop()
                    if not core_of(self.home).is_expired(event, now):
                        self.start(event, outlet, window, now)
                if not len(outlet.held):
                    del self.holding[outlet]
        return self.serve_lane(now)

    cdef int hold_back(self, int64_t now) except -1:
        """What comes next in the lane, and is for a collector that others wait for already,
        waits with them: in the order of the queue, ahead of some of them maybe."""
        cdef CollectorEvent event
        if type(self.lane) is FifoLane:
            return 0        # what came later comes later
        while self.holding and len(self.lane):
            event = self.lane.pop()
            if core_of(self.home).is_expired(event, now):
                continue
            if not len((<Remote>(<Step>event.route).outlet).held):
                self.lane.push(event)
                return 0
            self.hold(event)
        return 0

    cdef int hold(self, CollectorEvent event) except -1:
        cdef Remote outlet = <Remote>(<Step>event.route).outlet
        event.place = HELD_BACK
        outlet.held.push(event)
        self.holding[outlet] = None
        return 0

    cdef int serve_lane(self, int64_t now) except -1:
        cdef Remote outlet
        cdef Window window
        cdef CollectorEvent event
        while self.lane.used > self.lane.gone and self.has_any_room():
            event = self.lane.pop()
            if event is None:
                return 0
            if core_of(self.home).is_expired(event, now):
                continue
            outlet = <Remote>(<Step>event.route).outlet
            window = None if len(outlet.held) else self.choose(outlet)
            if window is None:
                self.hold(event)
            else:
                self.start(event, outlet, window, now)
        return 0

    cdef bint has_any_room(self) except -1:
        cdef Window window
        for window in self.windows:
            if window.has_room(None):
                return True
        return False

    cdef int level(self) except -1:
        """Give a worker that has nothing to do the half of what another has not begun."""
        cdef Window window, idle = None, fullest = None
        cdef Errand errand
        cdef Py_ssize_t wanted
        cdef Py_ssize_t size = 0
        cdef uint64_t sequence
        if self.urgent or self.lane.used > self.lane.gone or len(self.windows) < 2:
            return 0
        for window in self.windows:
            if window.outstanding == 0 and window.has_room(None):
                idle = window
            elif fullest is None or (window.outstanding - window.tasks
                                     > fullest.outstanding - fullest.tasks):
                fullest = window
        if idle is None or fullest is None or fullest.outstanding - fullest.tasks < 2:
            return 0
        wanted = min((fullest.outstanding - fullest.tasks) // 2, idle.places_left())
        taken = []
        sequence = fullest.next_sequence
        while sequence > fullest.oldest and len(taken) < wanted and size < BYTES_OUT:
            sequence -= 1
            errand = fullest.at(sequence)
            if errand is None or errand.outlet.is_async:
                continue
            if not fullest.page.withdraw(sequence):
                break       # begun, and so are those before
            taken.append(errand)
            size += errand.size
        for errand in reversed(taken):
            fullest.robbed = True
            fullest.take_off(errand)
            self.hand(idle, errand, errand.handed_ns)
        return 0

    # -- workers come and go ----------------------------------------------------------

    def enlist(self, Window window not None):
        """A worker is ready."""
        self.windows.append(window)
        window.is_open = True
        self.go_on()

    def dismiss(self, Window window not None):
        """The worker is dead. Returns the Errands that it had begun and not finished.

        All its results have been collected. What it had not begun goes to others, in order.
        """
        cdef Errand errand
        window.is_open = False
        if window in self.windows:
            self.windows.remove(window)
        self.take_back(window)
        begun = window.in_order()
        for errand in begun:
            window.take_off(errand)
        self.limbo += begun
        window.forget_unsent()
        self.go_on()
        return begun

    def corner(self, Window window not None):
        """The worker is about to be killed: it gets no more, and others do what it has not
        begun. It may finish what it has."""
        window.is_open = False
        self.take_back(window)
        self.go_on()

    cdef int take_back(self, Window window) except -1:
        """What a worker has not begun is to be sent again, before all else, in order."""
        cdef Errand errand
        unbegun = []
        for errand in window.in_order():
            if window.page.withdraw(errand.sequence):
                window.take_off(errand)
                unbegun.append(errand)
        self.urgent.extendleft(reversed(unbegun))
        return 0

    def bury(self, Errand errand not None, error, *, bint rerun):
        """It was lost with its worker: run it again, if it may be, or fail it.

        Returns whether it is run again.
        """
        cdef Remote outlet = errand.outlet
        cdef Error failure
        self.limbo.remove(errand)
        outlet.lost += 1
        if rerun and outlet.idempotent and errand.attempts < RERUNS and errand.is_wanted():
            errand.attempts += 1
            outlet.reruns += 1
            self.urgent.appendleft(errand)
            self.go_on()
            return True
        failure = Error.__new__(Error, error)
        failure.text = getattr(error, "traceback", None)
        errand.finish(failure, 0)
        return False

    def overdue(self, int64_t now):
        """What runs for longer than its timeout, as (Window, Errand, whether it is async),
        and ns until to look again; None: nothing with a timeout is out."""
        cdef Window window
        cdef Errand errand
        cdef int64_t left
        found = []
        soonest = None
        for window in self.windows:
            for errand in window.places:
                if errand is None or not errand.outlet.timeout_ns:
                    continue
                left = errand.outlet.timeout_ns
                if window.page.claim_of(errand.sequence) == BEGUN:
                    left -= now - window.page.begun_ns(errand.sequence)
                if left <= 0:
                    found.append((window, errand, errand.outlet.is_async))
                elif soonest is None or left < soonest:
                    soonest = left
        return found, soonest

    @property
    def waits(self):
        """How many events wait for a worker."""
        return (len(self.urgent) + self.lane.used - self.lane.gone
                + sum(len((<Remote>outlet).held) for outlet in self.holding))

    @property
    def busy(self):
        """How many workers have something to do."""
        cdef Window window
        cdef Py_ssize_t count = 0
        for window in self.windows:
            count += window.outstanding > 0
        return count

    def take_peak(self):
        """The most events or workers that were wanted at once, since the last call."""
        peak = max(self.peak_busy, self.waits + self.busy)
        self.peak_busy = self.busy
        return peak

    @property
    def out(self):
        """How many events workers have."""
        return sum((<Window>window).outstanding for window in self.windows)
