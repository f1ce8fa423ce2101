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

cdef extern from *:
    """
    typedef struct { PyObject *found; int count; } cq_visit_state;
    static int cq_visit(PyObject *o, void *arg) {
        cq_visit_state *state = (cq_visit_state *)arg;
        state->found = o;
        state->count++;
        return 0;
    }
    /* The one object a context that is not entered refers to, borrowed; else None. */
    static inline PyObject *cq_context_variables(PyObject *context) {
        cq_visit_state state = {NULL, 0};
        traverseproc traverse = Py_TYPE(context)->tp_traverse;
        if (traverse == NULL || traverse(context, cq_visit, &state)) return Py_None;
        return state.count == 1 ? state.found : Py_None;
    }
    static inline Py_ssize_t cq_owners(PyObject *o) { return Py_REFCNT(o); }
    """
    PyObject *context_variables "cq_context_variables"(object context) noexcept
    Py_ssize_t owners "cq_owners"(PyObject *o) noexcept

cdef extern from "Python.h":
    object PyContext_Copy(object context)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
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
    PyContext_Enter(copy)
    try:
        PyContextVar_Set(SCOPE, scope)
    finally:
        PyContext_Exit(copy)
    return copy


@cython.final
cdef class RunContext:
    """The context of one run after the other, each as good as new."""

    def __cinit__(self, base):
        self.base = base

    cdef int enter(self, CollectorEvent event) except -1:
        """Begin a run: `step_in` and `step_out` around each of its steps, then `leave`."""
        if event.result is not None:
            self.scope = Scope.__new__(Scope)
            self.scope.parent = event.result.get(SCOPE)
            self.context = scoped_copy(event.result, self.scope)
            self.variables = None
        elif self.context is None:
            self.scope = Scope.__new__(Scope)
            self.context = scoped_copy(self.base, self.scope)
            self.variables = <object>context_variables(self.context) if REUSE else None
        self.scope.event = event
        return 0

    cdef int leave(self) except -1:
        """End a run; keep the context only if it is as new."""
        self.scope.event = None
        if (self.variables is None
                or owners(<PyObject *>self.context) != 1
                or context_variables(self.context) != <PyObject *>self.variables
                or owners(<PyObject *>self.variables) != 2):
            self.context = None
            self.variables = None
        return 0

    cdef int step_in(self) except -1:
        return PyContext_Enter(self.context)

    cdef int step_out(self) except -1:
        return PyContext_Exit(self.context)


def reuse_is_safe():
    """Whether this interpreter's contexts behave as the reuse above needs."""
    marker = contextvars.ContextVar("collectorqueue_marker")
    context = contextvars.Context()
    context.run(marker.set, 1)
    variables = <object>context_variables(context)
    if variables is None or owners(<PyObject *>variables) != 2:
        return False
    copy = context.copy()
    if (context_variables(copy) != <PyObject *>variables
            or owners(<PyObject *>variables) != 3):
        return False
    copy.run(marker.set, 2)
    if (context_variables(copy) == <PyObject *>variables
            or owners(<PyObject *>variables) != 2):
        return False
    return context[marker] == 1


cdef bint REUSE = reuse_is_safe()
