"""What could never end, as handlers wait.

Rules of residence: one search through the graph of waits. What is done about what it finds
is not known here.

It is found the other way round. All that those asked for need is gathered, and what those
need, and so on; then whatever needs nothing more is taken out, until nothing is left that
could be. Each node is looked at once.
"""
cimport cython

from collectorqueue._native.event cimport (
    ADMITTED, BATCH, BEHIND, DELAYED, IN_LANE, OK, ON_TRIAL, PART, QUEUED, CollectorEvent,
    EventWait,
)
from collectorqueue._native.holders cimport events_of
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.waitgraph cimport Handler, WaitGraph


@cython.final
cdef class Node:
    """An event, a batch, or one of an event's several handlers, that has not ended."""


@cython.final
cdef class Place:
    """What is let into one collector, all of which may be stuck."""


@cython.final
cdef class Standstill:
    """One search after the other."""

    def __cinit__(self, WaitGraph graph, Postponed core):
        self.graph = graph
        self.core = core

    cdef object circle(self, Handler owner, CollectorEvent target):
        """Why what a handler waits for cannot end before it does; None: it can."""
        if not self.are_stuck(owner, target, self.core.has_limits):
            return None
        if target is owner.event or target in events_of(owner.event):
            return "a handler waits for its own event"
        if self.core.has_limits and not self.are_stuck(owner, target, False):
            return ("a handler waits for an event of a collector that is at its limit, and "
                    f"whose runs wait for that: {target!r}")
        if target.state == QUEUED:
            return ("a handler waits for an event with its own ordering key, or for one "
                    f"that waits for that: {target!r}")
        return "a handler waits for an event whose handler waits for it"

    cdef bint are_stuck(self, Handler owner, CollectorEvent target,
                        bint with_places) except -1:
        """Both: the handler alone may be stuck in another wait."""
        found = self.search([owner.node], set(), with_places)
        return owner.node in found and target in found

    cdef set stuck(self, object keys, bint beside_all):
        """Of these events and handlers, and all that those need: what could never end.
        `beside_all`: if none ended, either, of those who wait for all."""
        callers = self.graph.callers() if beside_all else set()
        return self.search(keys, callers, self.core.has_limits)

    cdef set search(self, object keys, set callers, bint with_places):
        """Those of these, and of all that they need, that could never end."""
        self.callers = callers
        self.with_places = with_places
        self.nodes = {}
        self.places = {}
        self.todo = []
        self.before = {}
        self.parts = self.let_in = self.bundles = None
        for key in keys:
            self.node_at(key)
        while self.todo:
            self.explore(self.todo.pop())
        self.end_all_that_can()
        return set(self.nodes)

    cdef int end_all_that_can(self) except -1:
        """Take out what needs nothing more, and what needed only that."""
        cdef Node node, other
        cdef Place place
        ending = [node for node in self.nodes.values() if node.missing == 0]
        while ending:
            node = ending.pop()
            del self.nodes[node.key]
            for other in node.dependents:
                other.missing -= 1
                if other.missing == 0:
                    ending.append(other)
            for place in node.held:
                place.stuck -= 1
                if place.stuck != place.limit - 1:
                    continue
                for other in place.wanting:
                    other.missing -= 1
                    if other.missing == 0:
                        ending.append(other)
        return 0

    # -- who gives way --------------------------------------------------------------------

    cdef EventWait one_to_refuse(self):
        """After a search: a wait in a circle, so that not all of that need be refused, and
        none that only waits for it. To be asked again, until nobody is stuck: then None."""
        cdef EventWait wait = None
        while self.nodes and wait is None:
            wait = self.wait_in_a_circle()
            if wait is None:
                self.nodes.popitem()    # as if it could end: others must be told of theirs
            else:
                self.give_up(wait)
            self.end_all_that_can()
        return wait

    cdef EventWait wait_in_a_circle(self):
        """The one for the event that was sent last."""
        cdef Node node, other
        cdef EventWait wait, last = None
        path = {}
        node = next(iter(self.nodes.values()))
        while node is not None and node not in path:
            path[node] = len(path)
            node = self.in_the_way_of(node)
        if node is None:
            return None
        circle = list(path)[path[node]:]
        for node, other in zip(circle, [*circle[1:], node]):
            for wait in self.graph.waiting.get(node.key, ()):
                if self.counts(wait) and wait.event is other.key and (
                        last is None or wait.event.id > last.event.id):
                    last = wait
        return last

    cdef bint counts(self, EventWait wait) except -1:
        """Whether its handler has to wait."""
        return wait.refusal is None and not (<Handler>wait.owner).is_over()

    cdef Node in_the_way_of(self, Node node):
        cdef Node other
        cdef Place place
        for other in node.needs:
            if other.key in self.nodes:
                return other
        for place in node.wanted:
            for other in place.holders if place.stuck >= place.limit else ():
                if other.key in self.nodes:
                    return other
        return None

    cdef int give_up(self, EventWait wait) except -1:
        cdef Node node = self.nodes[(<Handler>wait.owner).node]
        cdef Node other = self.nodes[wait.event]
        node.needs.remove(other)
        other.dependents.remove(node)
        node.missing -= 1
        return 0

    # -- what there is to know ------------------------------------------------------------

    cdef Node node_at(self, object key):
        """None: it has ended."""
        cdef CollectorEvent event = key[0] if type(key) is tuple else key
        cdef Node node = self.nodes.get(key)
        if node is None and event.state < OK:
            node = Node.__new__(Node)
            node.key = key
            node.needs = []
            node.dependents = []
            node.wanted = []
            node.held = []
            self.nodes[key] = node
            self.todo.append(node)
        return node

    cdef int need(self, Node node, object key) except -1:
        """It does not end before that."""
        cdef Node other = self.node_at(key)
        if other is not None:
            node.needs.append(other)
            other.dependents.append(node)
            node.missing += 1
        return 0

    cdef int explore(self, Node node) except -1:
        if type(node.key) is tuple:
            return self.explore_handler(node, node.key[0], node.key[1])
        return self.explore_event(node, node.key)

    cdef int explore_event(self, Node node, CollectorEvent event) except -1:
        route = event.route
        if event.state == QUEUED:
            if event.place == BEHIND or event.place == DELAYED or event.flags & ON_TRIAL:
                other = self.one_before(event)
                if other is not None and other is not event:
                    self.need(node, other)
            if route is None:
                route = self.core.likely_route(event.payload)
        if type(route) is not tuple:
            return self.explore_handler(node, event, route)
        for step in route if event.route is None else self.steps_of(event):
            self.need(node, (event, step))
        return 0

    cdef int explore_handler(self, Node node, CollectorEvent event, object step) except -1:
        """Of a batch likewise."""
        cdef EventWait wait
        for wait in self.graph.waiting.get(node.key, ()):
            if self.counts(wait):
                self.need(node, wait.event)
        if node.key in self.callers:
            node.missing += 1
        for bundle in self.bundles_of(event):
            if (<CollectorEvent>bundle).route is step:
                self.need(node, bundle)
        if not self.with_places or step is None:
            return 0
        if type(event.route) is tuple:
            self.look_for_parts()
            if step in self.parts.get(event, ()):
                self.need_place(node, step)
        elif event.state == QUEUED and not event.flags & ADMITTED:
            self.look_for_parts()
            if event not in self.let_in:
                self.need_place(node, step)
        return 0

    # -- places ---------------------------------------------------------------------------

    cdef int need_place(self, Node node, object step) except -1:
        """It has not begun: one that its collector has let in must end, if it is at its
        limit."""
        cdef Place place = self.place_of(step)
        if place is not None:
            node.wanted.append(place)
            place.wanting.append(node)
            node.missing += 1
        return 0

    cdef Place place_of(self, Step step):
        cdef Place place
        cdef Node node
        cdef Handler handler
        if step in self.places:
            return self.places[step]
        self.places[step] = None
        limit = self.core.limit_reached(step)
        handlers = self.graph.holding.get(step, ())
        if not limit or len(handlers) < limit:
            return None     # or one runs that does not wait
        holders = {handler.node for handler in handlers if not handler.is_over()}
        nodes = [node for node in map(self.node_at, holders) if node is not None]
        if len(nodes) < limit:
            return None
        place = Place.__new__(Place)
        place.limit = limit
        place.stuck = len(nodes)
        place.holders = nodes
        place.wanting = []
        for node in nodes:
            node.held.append(place)
        self.places[step] = place
        return place

    cdef set steps_of(self, CollectorEvent event):
        """Those of an event's several collectors that may keep it from its end."""
        cdef CollectorEvent bundle
        cdef Handler handler
        found = {handler.step for handler in self.graph.parts.get(event, ())}
        for bundle in self.bundles_of(event):
            found.add(bundle.route)
        if self.with_places:
            self.look_for_parts()
            found.update(self.parts.get(event, ()))
        return found

    cdef int look_for_parts(self) except -1:
        """What waits for its place in a collector, in pieces or in batches."""
        cdef CollectorEvent run
        if self.parts is not None:
            return 0
        self.parts = {}
        self.let_in = set()
        for run in self.core.waiting_runs():
            if run.flags & BATCH and run.place == IN_LANE:
                self.let_in.update(events_of(run))
            elif run.flags & (PART | BATCH) and not run.flags & ADMITTED:
                for event in events_of(run):
                    self.parts.setdefault(event, set()).add(run.route)
        return 0

    cdef list bundles_of(self, CollectorEvent event):
        if self.bundles is None:
            self.bundles = {}
            for bundle in self.graph.batches:
                for item in events_of(bundle):
                    self.bundles.setdefault(item, []).append(bundle)
        return self.bundles.get(event, [])

    # -- ordering keys ----------------------------------------------------------------------

    cdef CollectorEvent one_before(self, CollectorEvent event):
        """The first of its line, if only that may have begun and nobody needs a place of a
        collector; else the one right before it."""
        if not self.core.has_limits:
            return self.core.first_of_key(event)
        if event.place == DELAYED:
            return self.core.last_of_key(event)
        if event not in self.before:
            self.before.update(self.core.order_of_key(event))
        return self.before.get(event)
