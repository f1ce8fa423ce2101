"""What a publisher sends: a value, and whom it is for.

Rules of residence: what was said by whoever sends it, checked. What few payloads have
stands in an object of its own, Terms.
"""
import enum
import types

cimport cython

from collectorqueue._native.slots cimport show_first_slot
from collectorqueue._native.untracked cimport is_atomic, track

from collectorqueue.errors import ConfigError, PayloadSealed


class Delivery(enum.StrEnum):
    """Whom a payload is for."""

    BROADCAST = "broadcast"
    KEY = "key"
    TOPIC = "topic"


cdef tuple DELIVERIES = (Delivery.BROADCAST, Delivery.KEY, Delivery.TOPIC)
cdef object AS_STR = str.__str__
cdef dict MODES = {"broadcast": BY_BROADCAST, "key": BY_KEY, "topic": BY_TOPIC}

cdef extern from *:
    """
    CQ_POOL(cq_payload, 48)

    /* Payload(value), past the eight arguments of its making: 150 of 4000 instructions.
       Three objects come first, and what follows them is zero. */
    static PyObject *cq_payload_of(PyObject *type, PyObject *value) {
        PyObject *made = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
        PyObject **fields = (PyObject **)(made + 1);
        if (made == NULL) return NULL;
        fields[0] = Py_NewRef(value);
        fields[1] = Py_NewRef(Py_None);
        fields[2] = Py_NewRef(Py_None);
        return made;
    }
    """
    void use_payload_pool "cq_payload_use_pool"(object type)
    Payload cq_payload_of(object type, object value)


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class Terms:
    """What few payloads have: an ordering key, a delay, a ttl."""


@cython.final
cdef class Payload:
    """A value and whom it is for.

        Payload({"id": 7})                              # broadcast
        Payload({"id": 7}, topics="order.paid")         # every collector of the topic
        Payload({"id": 7}, keys=["mail", "audit"])      # these two

    `keys` and `topics` are one str or several. `priority` (lower first) counts in a
    PRIORITY queue only. Events with the same `ordering_key` (a str, bytes or int) run one
    at a time, in the order they were sent. `delay` and `ttl` are in seconds from being
    sent: it does not start sooner than the one; an event that has not started by the other
    ends DROPPED. A payload can be changed until it is sent.
    """

    __class_getitem__ = classmethod(types.GenericAlias)

    def __cinit__(self, value, delivery=None, keys=None, topics=None, priority=None,
                  *, ordering_key=None, delay=None, ttl=None):
        self.value = value
        if delivery is not None:
            aim(self, delivery, keys, topics)
        elif type(topics) is str and keys is None:
            self.mode = BY_TOPIC
            self.address = topics
        elif type(keys) is str and topics is None and len(<str>keys):
            self.mode = BY_KEY
            self.address = keys
        elif topics is not None or keys is not None:
            aim(self, delivery, keys, topics)
        if priority is not None:
            self.set_priority(priority)
        if ttl is not None or delay is not None or ordering_key is not None:
            self.rare = terms_of(ordering_key, delay, ttl)
        if not is_atomic(value):
            track_payload(self)

    @property
    def delivery(self):
        """A `Delivery`."""
        return DELIVERIES[self.mode]

    @property
    def keys(self):
        """The collector keys it is for, as a tuple; empty unless `Delivery.KEY`."""
        return as_tuple(self.address) if self.mode == BY_KEY else ()

    @property
    def topics(self):
        """The topics it is sent on, as a tuple; empty unless `Delivery.TOPIC`."""
        return as_tuple(self.address) if self.mode == BY_TOPIC else ()

    @property
    def priority(self):
        """An int, lower first; None: the queue's `default_priority`."""
        return self.number if self.prioritised else None

    @property
    def ordering_key(self):
        """What it keeps its order with; None: nothing."""
        return None if self.rare is None else self.rare.ordering_key

    @property
    def delay(self):
        """Seconds from being sent before which it does not start; None: at once."""
        return None if self.rare is None else self.rare.delay or None

    @property
    def ttl(self):
        """Seconds from being sent in which it must start; None: for ever."""
        return None if self.rare is None else self.rare.ttl or None

    def set_delivery(self, delivery, keys=None, topics=None):
        """Say anew whom it is for. Raises PayloadSealed once it has been sent."""
        self.check_open()
        aim(self, delivery, keys, topics)

    def set_priority(self, priority):
        """Say anew how urgent it is, lower first; between -2**31 and 2**31 - 1.

        Raises PayloadSealed once it has been sent.
        """
        self.check_open()
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(f"priority must be an int, got {priority!r}")
        if not -2**31 <= priority < 2**31:
            raise ConfigError(
                f"priority must be between -2**31 and 2**31 - 1, got {priority!r}")
        self.number = priority
        self.prioritised = True

    def with_value(self, value):
        """The same payload with another value."""
        cdef Payload made = payload_of(value)
        if self.tracked:
            track_payload(made)
        made.address = self.address
        made.rare = self.rare
        made.number = self.number
        made.mode = self.mode
        made.prioritised = self.prioritised
        made.sealed = self.sealed
        return made

    def check_open(self):
        if self.sealed:
            raise PayloadSealed("a payload cannot be changed after it was sent")

    def __repr__(self):
        inside = [repr(self.value)]
        if self.mode == BY_KEY:
            inside.append(f"keys={self.address!r}")
        elif self.mode == BY_TOPIC:
            inside.append(f"topics={self.address!r}")
        if self.prioritised:
            inside.append(f"priority={self.number}")
        for name in ("ordering_key", "delay", "ttl"):
            if getattr(self, name) is not None:
                inside.append(f"{name}={getattr(self, name)!r}")
        return f"Payload({', '.join(inside)})"


use_payload_pool(Payload)
show_first_slot(Payload, "value")


cdef int aim(Payload payload, object delivery, object keys, object topics) except -1:
    cdef char mode
    if delivery is None:
        if keys is not None and topics is not None:
            raise ConfigError(
                "a payload with both keys and topics needs a delivery, got "
                f"keys={keys!r}, topics={topics!r}"
            )
        mode = BY_KEY if keys is not None else (
            BY_TOPIC if topics is not None else BY_BROADCAST)
    else:
        if not isinstance(delivery, str) or delivery not in MODES:
            raise ConfigError(
                "delivery must be one of 'broadcast', 'key', 'topic', "
                f"got {delivery!r}"
            )
        mode = MODES[delivery]
    if mode == BY_KEY:
        address = checked_address("keys", keys)
    elif mode == BY_TOPIC:
        address = checked_address("topics", topics)
    else:
        address = None
        if keys or topics:
            raise ConfigError(
                "a broadcast payload takes no keys and no topics, got "
                f"keys={keys!r}, topics={topics!r}"
            )
    if not is_atomic(address):
        track_payload(payload)
    payload.mode = mode
    payload.address = address
    return 0


cdef int track_payload(Payload payload) except -1:
    track(payload)
    payload.tracked = True
    return 0


cdef Payload payload_of(object value):
    """A broadcast of a value."""
    cdef Payload payload = cq_payload_of(Payload, value)
    if not is_atomic(value):
        track_payload(payload)
    return payload


cdef Payload as_payload(object x, object delivery, object keys, object topics,
                        object priority, object ordering_key, object delay, object ttl):
    """What was given to a send as a payload: `x` itself, or one made of it."""
    if type(x) is Payload:
        if (delivery is not None or keys is not None or topics is not None
                or priority is not None or ordering_key is not None or delay is not None
                or ttl is not None):
            raise TypeError(
                "a Payload says itself whom it is for; give delivery, keys, topics, "
                "priority, ordering_key, delay and ttl with a plain value only"
            )
        return x
    cdef Payload payload = payload_of(x)
    if delivery is not None or keys is not None or topics is not None:
        aim(payload, delivery, keys, topics)
    if priority is not None:
        payload.set_priority(priority)
    if ordering_key is not None or delay is not None or ttl is not None:
        payload.rare = terms_of(ordering_key, delay, ttl)
    return payload


cdef Payload keyed_payload(object x, object key):
    """The same with an ordering key only."""
    cdef Payload payload
    if type(x) is Payload or key is None:
        return as_payload(x, None, None, None, None, key, None, None)
    payload = payload_of(x)
    payload.rare = terms_of(key, None, None)
    return payload


cdef object as_tuple(object address):
    return (address,) if isinstance(address, str) else address


def checked_address(str name, given):
    """One str, or a tuple of several."""
    if given is None:
        raise ConfigError(f"this delivery needs {name}, got none")
    if isinstance(given, str):
        several = (given,)
    else:
        try:
            several = tuple(given)
        except TypeError:
            raise TypeError(f"{name} must be a str or several, got {given!r}") from None
    if not several:
        raise ConfigError(f"{name} must name at least one, got {given!r}")
    names = []
    for one in several:
        if not isinstance(one, str):
            raise TypeError(f"{name} must be str, got {one!r}")
        if not len(<str>one) and name == "keys":
            raise ConfigError(f"a key must not be empty, got {given!r}")
        # The text alone: a subclass's own hash and equality may be anything.
        names.append(one if type(one) is str else AS_STR(one))
    return names[0] if len(names) == 1 else tuple(names)


cdef Terms terms_of(object ordering_key, object delay, object ttl):
    """Checked. Raises ConfigError, TypeError."""
    cdef Terms terms = Terms.__new__(Terms)
    if ordering_key is not None:
        if type(ordering_key) is not str:
            check_ordering_key(ordering_key)
        if ordering_key == "":
            raise ConfigError("an ordering key must not be empty, got ''")
        terms.ordering_key = ordering_key
    if delay is not None:
        terms.delay = checked_seconds("delay", delay, True)
    if ttl is not None:
        terms.ttl = checked_seconds("ttl", ttl, False)
        if terms.delay >= terms.ttl:
            raise ConfigError(
                f"a delay must be shorter than the ttl, or the event could never start, "
                f"got delay={delay!r}, ttl={ttl!r}")
    return terms


def check_ordering_key(key):
    """Raises TypeError."""
    kind = type(key)
    if kind is not int and kind is not bytes and kind is not str:   # bool is none of them
        raise TypeError(f"an ordering key must be a str, bytes or int, got {key!r}")


def checked_seconds(str name, seconds, bint or_zero):
    """Seconds as a float. Raises ConfigError, TypeError."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, got {seconds!r}")
    if not 0 <= seconds <= 1e9 or not (seconds or or_zero):
        raise ConfigError(
            f"{name} must be {'at least 0' if or_zero else 'above 0'} and at most 1e9 seconds, "
            f"got {seconds!r}")
    return float(seconds)
