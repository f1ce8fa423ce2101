"""How an exception is written out as text, and what it holds is let go of.

Rules of residence: one exception, whatever it says of itself.
"""
import traceback

TEXT_LIMIT = 256 * 1024  # bytes of traceback kept: enough to read, too few to hurt
# What is small is written out when it is asked for, which is seldom: that took 9 tenths of
# the time of an event whose handler raises.
cdef Py_ssize_t FEW_FRAMES = 16
cdef Py_ssize_t FEW_LETTERS = 2_000
cdef Py_ssize_t MOST_INSIDE = 1_000

# As the base classes have them: an exception may say anything in their place.
cdef object NAME_OF_TYPE = type.__dict__["__name__"]
cdef object OF_TYPE = type.__getattribute__
cdef object INSIDE = BaseExceptionGroup.__dict__["exceptions"]
cdef dict CAUSES = {
    name: BaseException.__dict__[name] for name in ("__cause__", "__context__")
}


cdef extern from "Python.h":
    int PyException_SetTraceback(object exc, object tb) except -1
    void PyException_SetContext(object exc, void *stolen)
    void PyException_SetCause(object exc, void *stolen)


cdef object account_of(object exc):
    """What is kept of where an exception came from: what a text can be made of, if that is
    small and has no frames in it, or the text."""
    try:
        why = unwritable(exc)
        if why is not None:
            return unwritten(exc, why)
        taken = traceback.TracebackException.from_exception(
            exc, lookup_lines=False, compact=True)
        if (len(taken.stack) <= FEW_FRAMES and not isinstance(exc, BaseExceptionGroup)
                and taken.__cause__ is None and taken.__context__ is None
                and sum(map(len, taken.format_exception_only())) <= FEW_LETTERS):
            return taken
        return shortened("".join(taken.format()))
    except BaseException:   # whatever a hostile exception does
        return unwritten(exc, "it could not be formatted")


cdef str unwritten(object exc, str why):
    return f"{own_name(type(exc))}: <{why}>\n"


cdef object own_name(type kind):
    """A class's own name, whatever it says of that."""
    return NAME_OF_TYPE.__get__(kind)


cpdef str encodable(object text):
    """The text, with what UTF-8 cannot hold written as escapes."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


cdef str unwritable(object exc):
    """Why writing this out could take for ever; None: it takes as long as it is.

    The members of a group may be shared, and each is written as often as there are ways to
    it; causes are written once. What says for itself where it comes from may say anything.
    """
    cdef Py_ssize_t found = 0
    cdef list waiting = [exc]
    cdef set seen = {id(exc)}
    while waiting:
        each = waiting.pop()
        for name, read in CAUSES.items():
            if OF_TYPE(type(each), name) is not read:
                return f"its {name} is its own"
            cause = read.__get__(each)
            if cause is not None and id(cause) not in seen:
                seen.add(id(cause))
                waiting.append(cause)
        if issubclass(type(each), BaseExceptionGroup):
            if OF_TYPE(type(each), "exceptions") is not INSIDE:
                return "its exceptions are its own"
            inside = INSIDE.__get__(each)
            found += len(inside)
            if found > MOST_INSIDE:
                return f"with more than {MOST_INSIDE} exceptions inside"
            seen.update(map(id, inside))
            waiting.extend(inside)
    return None


cpdef str shortened(str text):
    """The beginning and the end of a text, within the limit as UTF-8."""
    if len(text) * 4 <= TEXT_LIMIT:
        return text
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= TEXT_LIMIT:
        return text
    half = TEXT_LIMIT // 2 - 50
    begin = encoded[:half].decode("utf-8", "ignore")
    end = encoded[len(encoded) - half:].decode("utf-8", "ignore")
    return f"{begin}\n... {len(encoded) - 2 * half} bytes left out ...\n{end}"


cpdef int let_go(object exc) except -1:
    """Take the traceback, context and cause off an exception and off those inside a group."""
    cdef list waiting = [exc]
    cdef set seen = {id(exc)}
    while waiting:
        each = waiting.pop()
        # Past its attributes: they may refuse assignment, or hide members.
        PyException_SetTraceback(each, None)
        PyException_SetContext(each, NULL)
        PyException_SetCause(each, NULL)
        if issubclass(type(each), BaseExceptionGroup):
            for inner in INSIDE.__get__(each):
                if id(inner) not in seen:
                    seen.add(id(inner))
                    waiting.append(inner)
    return 0
