"""What a collector answers: one `Ok` or `Error`, and the list of them that a waiter gets.

Rules of residence: values only. Nothing here knows of queues, events or loops.
"""
import types
from collections.abc import Sequence

cimport cython

from collectorqueue._native.accounts cimport account_of, let_go, shortened, unwritten
from collectorqueue._native.slots cimport show_first_slot
from collectorqueue._native.untracked cimport is_atomic, track

from collectorqueue.errors import CollectorFailed

cdef extern from *:
    """
    CQ_POOL(cq_ok, 24)
    """
    void use_ok_pool "cq_ok_use_pool"(object type)


@cython.final
cdef class Ok:
    """A collector's value: `Ok(42).unwrap() == 42`."""

    __match_args__ = ("value",)
    __class_getitem__ = classmethod(types.GenericAlias)

    def __cinit__(self, value=None):
        self.value = value
        if not is_atomic(value):
            track(self)

    def ok(self):
        """True."""
        return True

    def error(self):
        """False."""
        return False

    def unwrap(self):
        """The value."""
        return self.value

    def __eq__(self, other):
        return isinstance(other, Ok) and self.value == (<Ok>other).value

    def __hash__(self):
        return hash((Ok, self.value))

    def __repr__(self):
        return f"Ok({self.value!r})"


use_ok_pool(Ok)
show_first_slot(Ok, "value")


@cython.final
@cython.trashcan(True)
cdef class Error:
    """A collector's failure: `err` is the exception, or the text the collector gave.

    `err` has lost its traceback, context and cause, so that a stored result keeps no frame
    alive, nor what only a frame held; `traceback` has them as text. What the exception
    itself refers to it keeps. `attempts` tells how many runs ended so, the first included.
    """

    __match_args__ = ("err",)
    __class_getitem__ = classmethod(types.GenericAlias)

    def __cinit__(self, err, details=None):
        # By what it is, first: what an exception says of its class may be anything.
        if not isinstance(err, (BaseException, str)) and not (
            isinstance(err, type) and issubclass(err, BaseException)
        ):
            raise TypeError(f"an Error holds an exception or a str, got {err!r}")
        self.err = err
        self.details = details
        self.text = None
        self.attempts = 1

    @property
    def value(self):
        """None: a failure has no value."""
        return None

    @property
    def traceback(self):
        """The formatted traceback, at most 256 KiB; '' where nothing was raised."""
        if self.text is None:
            return ""
        if type(self.text) is not str:
            try:
                self.text = shortened("".join(self.text.format()))
            except Exception:   # another time it may be
                return unwritten(self.err, "it could not be formatted")
        return self.text

    def ok(self):
        """False."""
        return False

    def error(self):
        """True."""
        return True

    def unwrap(self):
        """Raise `err`; a text is raised as `CollectorFailed`."""
        if isinstance(self.err, str):
            raise CollectorFailed(self.err)
        if isinstance(self.err, BaseException):
            # A shared exception must not collect the frames of everyone who unwraps it.
            raise self.err.with_traceback(None)
        raise self.err

    def __eq__(self, other):
        return isinstance(other, Error) and (
            self.err is (<Error>other).err or self.err == (<Error>other).err
        )

    def __hash__(self):
        return hash((Error, self.err))

    def __repr__(self):
        if self.details is None:
            return f"Error({self.err!r})"
        return f"Error({self.err!r}, details={self.details!r})"


@cython.final
@cython.trashcan(True)
@cython.freelist(64)
@cython.collection_type("sequence")
cdef class ResultList:
    """The results of one event, in the order its collectors were registered.

        results = await event
        results["receipt"].unwrap()     # by collector key
        results.first().value           # the only one, or the first
        [error.err for error in results.errors()]

    A list that came from an event cannot be changed.
    """

    def __cinit__(self, results=None, keys=None):
        self.data = [] if results is None else list(results)
        self.labels = None if keys is None else tuple(keys)
        self.sealed = False
        for result in self.data:
            if not isinstance(result, (Ok, Error)):
                raise TypeError(f"a ResultList holds Ok and Error, got {result!r}")
        if self.labels is not None and len(self.labels) != len(self.data):
            raise ValueError(
                f"a ResultList needs one key a result, got {len(self.labels)} "
                f"keys for {len(self.data)} results"
            )

    @property
    def results(self):
        """The results as a list of one's own."""
        return self.data[:]

    def keys(self):
        """The collectors' keys, in the order of the results; None where there was none."""
        if self.labels is None:
            return (None,) * len(self.data)
        return self.labels

    def items(self):
        """Pairs of collector key and result."""
        return list(zip(self.keys(), self.data))

    def first(self):
        """The first result; an `Error` when the list is empty."""
        return self.data[0] if self.data else Error("result list is empty")

    def iter(self):
        """An iterator over the results."""
        return iter(self.data)

    def size(self):
        """How many results there are."""
        return len(self.data)

    def errors(self):
        """The results that are an `Error`."""
        return [result for result in self.data if isinstance(result, Error)]

    def append(self, result):
        """Add a result, while the list is still its maker's. Raises TypeError later."""
        if self.sealed:
            raise TypeError("the results of an event cannot be changed")
        if not isinstance(result, (Ok, Error)):
            raise TypeError(f"a ResultList holds Ok and Error, got {result!r}")
        if self.labels is not None:
            self.labels = self.labels + (None,)
        self.data.append(result)

    def index(self, result, start=0, stop=None):
        """The position of a result; ValueError when it is not there."""
        return self.data.index(result, start, len(self.data) if stop is None else stop)

    def count(self, result):
        """How often a result is there."""
        return self.data.count(result)

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return iter(self.data)

    def __reversed__(self):
        return reversed(self.data)

    def __contains__(self, result):
        return result in self.data

    def __getitem__(self, at):
        if isinstance(at, str):
            for key, result in zip(self.keys(), self.data):
                if key == at:
                    return result
            raise KeyError(at)
        return self.data[at]

    def __eq__(self, other):
        if isinstance(other, ResultList):
            return self.data == (<ResultList>other).data
        return isinstance(other, list) and self.data == other

    __hash__ = None

    def __repr__(self):
        if self.labels is None:
            return f"ResultList({self.data!r})"
        inside = ", ".join(f"{key}={result!r}" for key, result in self.items())
        return f"ResultList({inside})"


Sequence.register(ResultList)


cdef ResultList sealed_list(list data, tuple labels):
    cdef ResultList made = ResultList.__new__(ResultList)
    made.data = data
    made.labels = labels
    made.sealed = True
    return made


cdef object as_result(object value):
    """A handler's return value as Ok or Error."""
    if type(value) is Ok:
        return value
    if type(value) is Error:
        strip(<Error>value)
        return value
    return Ok.__new__(Ok, value)


cdef Error error_from(BaseException exc):
    """An exception as an Error that keeps nothing alive but the exception itself."""
    cdef Error made = Error.__new__(Error, exc)
    strip(made)
    return made


cdef int strip(Error result) except -1:
    if not isinstance(result.err, BaseException):
        return 0
    exc = result.err
    if result.text is None:
        result.text = account_of(exc)
    let_go(exc)
    return 0


cpdef Error tried(Error error, int attempts):
    """The same failure, of so many runs."""
    cdef Error told = Error.__new__(Error, error.err, error.details)
    told.text = error.text
    told.attempts = attempts
    return told


def result_of(value):
    """A handler's return value as Ok or Error, as a consumer makes it."""
    return as_result(value)


def failure_of(exc):
    """An exception as the Error that a consumer makes of it."""
    return error_from(exc)
