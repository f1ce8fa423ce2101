"""Which event's code is running: a Scope in a context of its own for each run.

Rules of residence: context variables only. One event cannot touch the next: every run gets
a fresh copy of the context the queue was started in, with a Scope in it by which code
inside a handler, and tasks started from it, are recognised.

A context that comes back exactly as it was made, and that nobody has copied, cannot be told
from a fresh one, so it serves the next run as it is (saves about 150 ns an event). Whether
it is: variables live in one immutable mapping, which a change replaces and a copy shares;
the same mapping, owned by that context and by us alone, means neither has happened. (We
own it so that its address cannot be given to another one.) The import checks that this
interpreter works that way; otherwise every run gets a new context.
"""
import contextvars

cimport cython
from cpython.ref cimport PyObject

from collectorqueue._native.event cimport OK, CollectorEvent

cdef extern from "Python.h":
    object PyContext_Copy(object context)
    object PyContextVar_Set(object var, object value)
    int PyContextVar_Get(object var, PyObject *default, PyObject **value) except -1

cdef extern from *:
    """
    static inline PyObject *cq_var_get(PyObject *var) {
        PyObject *value = NULL;
        if (PyContextVar_Get(var, Py_None, &value) < 0) return NULL;
        return value;
    }
    """
    object var_get "cq_var_get"(object var)

cdef object SCOPE = contextvars.ContextVar("collectorqueue_scope")


@cython.final
cdef class Scope:
    """The run of one event, as the code inside its handlers finds it."""


cdef Scope current_scope():
    """The innermost scope of the running code; None outside of any handler."""
    return var_get(SCOPE)


cdef object scoped_copy(object base, Scope scope):
    """A copy of a context with a scope set in it."""
    copy = PyContext_Copy(base)
    PyContext_Enter(<PyObject *>copy)
    try:
        PyContextVar_Set(SCOPE, scope)
    finally:
        PyContext_Exit(<PyObject *>copy)
    return copy


cdef Scope those_that_live(Scope innermost):
    """A chain of scopes without those whose event is over: one event may send the next for
    ever."""
    cdef Scope scope
    while innermost is not None and is_over(innermost):
        innermost = innermost.parent
    scope = innermost
    while scope is not None:
        while scope.parent is not None and is_over(scope.parent):
            scope.parent = scope.parent.parent
        scope = scope.parent
    return innermost


cdef inline bint is_over(Scope scope) noexcept:
    return scope.event is None or scope.event.state >= OK


@cython.final
cdef class RunContext:
    """The context of one run after the other, each as good as new."""

    def __cinit__(self, base):
        self.base = base

    cdef int make(self, CollectorEvent event) except -1:
        """A context of this run's own: a copy of its sender's, or of the base."""
        step_out(self)
        self.scope = Scope.__new__(Scope)
        if event.result is not None:
            self.scope.parent = those_that_live(event.result.get(SCOPE))
            self.context = scoped_copy(event.result, self.scope)
            self.variables = None
        else:
            self.context = scoped_copy(self.base, self.scope)
            self.variables = None
            if REUSE:
                self.variables = <object>word_of(
                    <PyObject *>self.context, place_of_variables)
                if not root_holds(<PyObject *>self.variables, <PyObject *>self.scope):
                    self.variables = None
        return 0

    cdef object hand_over(self):
        """Give the context of this run, and its scope, to what goes on with it."""
        context = self.context
        self.let_go()
        self.scope = None
        return context

    cdef int let_go(self) except -1:
        """The next run gets another context."""
        step_out(self)
        self.context = None
        self.variables = None
        return 0


def reuse_is_safe():
    """Whether this interpreter's contexts behave as the reuse above needs."""
    marker = contextvars.ContextVar("collectorqueue_marker")
    context = contextvars.Context()
    context.run(marker.set, 1)
    global place_of_variables
    place_of_variables = variables_place(<PyObject *>context)
    if place_of_variables == 0:
        return False
    variables = <object>word_of(<PyObject *>context, place_of_variables)
    if owners(<PyObject *>variables) != 2:
        return False
    if not contextvars.copy_context().run(is_recognised_entered, context, variables):
        return False
    copy = context.copy()
    if (word_of(<PyObject *>copy, place_of_variables) != <PyObject *>variables
            or owners(<PyObject *>variables) != 3):
        return False
    copy.run(marker.set, 2)
    if (word_of(<PyObject *>copy, place_of_variables) == <PyObject *>variables
            or owners(<PyObject *>variables) != 2):
        return False
    return context[marker] == 1


def is_recognised_entered(context, variables):
    """Whether a context shows what it holds while it is entered, and who owns it."""
    outside = owners(<PyObject *>context)
    PyContext_Enter(<PyObject *>context)
    try:
        return (owners(<PyObject *>context) == outside + 1
                and word_of(<PyObject *>context, place_of_variables)
                == <PyObject *>variables)
    finally:
        PyContext_Exit(<PyObject *>context)


cdef bint REUSE = reuse_is_safe()
