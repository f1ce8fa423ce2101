"""What a worker has answered, read.

Rules of residence: bytes and plain values in, an Ok or Error out; nothing of the events that
they are of. What no worker of ours would write is a ValueError.
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize

from collectorqueue._native.results cimport Error, Ok
from collectorqueue._native.wire cimport NOTHING, PACKED, RAW

from collectorqueue.errors import RemoteError, RunTimeout

cdef str OVERRAN = f"{RunTimeout.__module__}.{RunTimeout.__qualname__}"


@cython.final
cdef class Answers:
    """Reads them; with `decode(data)`. What is whole but no value here, such as a dict with
    keys that have no hash, is a failure that `undecodable(error)` describes; in a batch,
    which `decode_apart(data)` reads, it is one of a few."""

    def __cinit__(self, *, decode, decode_apart, undecodable):
        self.decode = decode
        self.decode_apart = decode_apart
        self.undecodable = undecodable

    cdef object read(self, int form, const char *body, Py_ssize_t length, bint is_batch):
        """An Ok or Error; of a batch the Ok has what `answers_from` takes."""
        if form == NOTHING:
            return Ok.__new__(Ok, None)
        data = PyBytes_FromStringAndSize(body, length)
        if form == RAW:
            return Ok.__new__(Ok, data)
        try:
            value = self.decode(data)
            return Ok.__new__(Ok, value) if form == PACKED else failure_from(value)
        except Exception as exc:
            if form != PACKED:
                raise ValueError(f"a failure cannot be decoded: {exc}") from exc
            if is_batch:
                return Ok.__new__(Ok, self.decode_apart(data))
            return failure_from(self.undecodable(exc))


cpdef list answers_from(object said):
    """What a worker made of a batch: the result of each. Raises ValueError for nonsense."""
    try:
        return [answer_from(each) for each in list_from(said)]
    except Exception as exc:
        raise ValueError(f"the results of a batch cannot be understood: {exc!r}") from exc


cdef object answer_from(object said):
    cdef Error error
    if len(list_from(said)) == 2:
        _, value = said
        return Ok(value)
    _, type_name, text, traceback, details, matched = said
    error = failure_from([type_name, text, traceback, details])
    error.matched = 1 if matched else 2
    return error


cdef list list_from(object said):
    if type(said) is not list:
        raise TypeError(f"a list was expected, got {said!r:.200}")
    return said


cdef Error failure_from(object said):
    """A failure in a worker, of what it was described as. Raises TypeError or ValueError."""
    cdef Error error
    type_name, text, traceback, details = list_from(said)
    for each in (type_name, text, traceback):
        if type(each) is not str:
            raise TypeError(f"a failure is described in text, got {said!r:.200}")
    if type_name == OVERRAN:
        remote = RunTimeout(text)
    else:
        remote = RemoteError(type_name, text, traceback)
    error = Error.__new__(Error, remote, details)
    error.text = traceback
    return error
