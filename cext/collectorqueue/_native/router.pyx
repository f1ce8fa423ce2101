"""Which collectors a payload is for: the key index and the topic index.

Rules of residence: look-up only. A dispatch is one dictionary look-up whatever the number
of collectors and topics; the route it finds is ready, and shared by all events that take
it: one Step, or else a tuple of them. Building is linear: routes are made when they are
first asked for.
"""
cimport cython
from cpython.ref cimport PyObject

from collectorqueue._native.payload cimport BY_BROADCAST, BY_KEY, BY_TOPIC, Payload
from collectorqueue._native.plan cimport Step, missing_step

from collectorqueue.errors import DuplicateKey, UnknownKey


cdef extern from "Python.h":
    # Borrowed; NULL where there is none. A str as a key raises nothing.
    PyObject *PyDict_GetItemWithError(dict names, object name) except? NULL


@cython.final
cdef class Index:
    """Steps by key and by topic."""

    def __cinit__(self):
        self.steps = {}
        self.topics = {}
        self.topic_routes = {}
        self.sinks = set()

    def add_sink(self, Step step not None):
        """Know a step for dead letters: it is reached by its key only."""
        if step.key in self.steps:
            raise DuplicateKey(step.key)
        self.steps[step.key] = step
        self.sinks.add(step)
        self.everyone = None

    def add(self, Step step not None, topics):
        """Route to a step from now on. Raises DuplicateKey."""
        if step.key in self.steps:
            raise DuplicateKey(step.key)
        self.registered += 1
        step.order = self.registered
        self.steps[step.key] = step
        for topic in topics:
            listening = self.topics.get(topic)
            if listening is None:
                self.topics[topic] = [step]
            else:
                (<list>listening).append(step)
            self.topic_routes.pop(topic, None)
        self.everyone = None

    def remove(self, Step step not None, topics):
        """Route to a step no longer."""
        step.removed = True
        del self.steps[step.key]
        self.sinks.discard(step)
        for topic in topics:
            listening = <list>self.topics[topic]
            listening.remove(step)
            if not listening:
                del self.topics[topic]
            self.topic_routes.pop(topic, None)
        self.everyone = None

    def active_steps(self):
        """Those that events came to, in registration order."""
        cdef Step step
        return [step for step in self.steps.values()
                if step.ok or step.failed or step.running]

    cdef object route(self, Payload payload):
        """The Step for a payload, or a tuple of none or several, in registration order."""
        cdef PyObject *found
        if payload.mode == BY_BROADCAST:
            if self.everyone is None:
                self.everyone = as_route(tuple([
                    step for step in self.steps.values() if step not in self.sinks]))
            return self.everyone
        if type(payload.address) is tuple:
            return self.join(payload)
        if payload.mode == BY_KEY:
            found = PyDict_GetItemWithError(self.steps, payload.address)
            return () if found is NULL else <object>found
        found = PyDict_GetItemWithError(self.topic_routes, payload.address)
        return self.topic_route(payload.address) if found is NULL else <object>found

    cdef object topic_route(self, object topic):
        listening = self.topics.get(topic)
        if listening is None:
            return ()
        route = as_route(tuple(listening))
        self.topic_routes[topic] = route
        return route

    cdef object join(self, Payload payload):
        """Several keys or topics: each collector once; unknown keys after the known."""
        cdef dict chosen = {}
        cdef list unknown = []
        for name in <tuple>payload.address:
            if payload.mode == BY_KEY:
                step = self.steps.get(name)
                if step is not None:
                    chosen[step] = None
                elif name not in unknown:
                    unknown.append(name)
            else:
                for step in self.topics.get(name, ()):
                    chosen[step] = None
        if not chosen:
            return ()
        steps = sorted(chosen, key=registration)
        for name in unknown:
            steps.append(missing_step(name, UnknownKey(f"no collector {name!r}", name)))
        return as_route(tuple(steps))

    def find(self, Payload payload not None):
        """The keys of the collectors that a payload would go to."""
        route = self.route(payload)
        return [(<Step>step).key for step in (
            route if type(route) is tuple else (route,))]

    def known_topics(self):
        """All topics that some collector listens to."""
        return list(self.topics)


def registration(Step step):
    return step.order


cdef object as_route(tuple steps):
    """One step is a route by itself: that saves a tuple on every event's way."""
    return steps[0] if len(steps) == 1 else steps


cdef str describe_miss(Payload payload):
    """Which address found no collector."""
    if payload.mode == BY_KEY:
        return f"no collector has the key {payload.address!r}"
    if payload.mode == BY_TOPIC:
        return f"no collector listens to the topic {payload.address!r}"
    return "there is no collector"
