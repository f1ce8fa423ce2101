"""Where payloads come in: the compiled part of the publisher.

Rules of residence: what can be accepted at once. Waiting for room is the publisher's.
"""
from contextvars import copy_context

from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport QUEUED, CollectorEvent, Payload, as_payload
from collectorqueue._native.untracked cimport track


cdef class Sender:
    """Makes payloads of what it is given and offers them to the core."""

    def __init__(self, Core core not None):
        self.core = core

    def send_nowait(self, x, delivery=None, keys=None, topics=None, priority=None,
                    *, ttl=None):
        """Send without waiting; returns the accepted CollectorEvent.

        Raises QueueFull when there is no room, under `overflow="wait"` too, and never
        passes a sender that is blocked; QueueNotStarted, QueueClosed.
        """
        return self.core.offer(
            as_payload(x, delivery, keys, topics, priority, ttl), False)

    def offer(self, x, delivery=None, keys=None, topics=None, priority=None, ttl=None):
        """The event if `x` could be accepted at once, or its payload, which must wait."""
        cdef Payload payload = as_payload(x, delivery, keys, topics, priority, ttl)
        cdef CollectorEvent event = self.core.offer(payload, True)
        return payload if event is None else event

    def carry_context(self, CollectorEvent event not None):
        """Run it in a copy of the caller's context."""
        if event.result is None and event.state == QUEUED:
            track(event)
            event.result = copy_context()

    def offer_many(self, items, list accepted):
        """Accept what `items` yields; returns a payload that must wait, or None."""
        cdef Payload payload
        cdef CollectorEvent event
        for x in items:
            payload = x if type(x) is Payload else Payload(x)
            event = self.core.offer(payload, True)
            if event is None:
                return payload
            accepted.append(event)
        return None
