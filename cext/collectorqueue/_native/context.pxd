"""Which event's code is running: a Scope in a context of its own for each run."""
from cpython.ref cimport PyObject

from collectorqueue._native.event cimport CollectorEvent

cdef extern from *:
    """
    typedef struct { PyObject *found; int count; } cq_visit_state;
    static int cq_visit(PyObject *o, void *arg) {
        cq_visit_state *state = (cq_visit_state *)arg;
        state->found = o;
        state->count++;
        return 0;
    }
    /* Where in a context the mapping stands that its variables are in: the only object that
       it refers to while it is not entered. 0: it cannot be told. */
    static inline Py_ssize_t cq_variables_place(PyObject *context) {
        cq_visit_state state = {NULL, 0};
        traverseproc traverse = Py_TYPE(context)->tp_traverse;
        Py_ssize_t words = Py_TYPE(context)->tp_basicsize / (Py_ssize_t)sizeof(PyObject *);
        if (traverse == NULL || traverse(context, cq_visit, &state) || state.count != 1)
            return 0;
        while (--words && ((PyObject **)context)[words] != state.found) {}
        return words;
    }
    static inline PyObject *cq_word(PyObject *o, Py_ssize_t place) {
        return ((PyObject **)o)[place];
    }
    typedef struct { PyObject *wanted; int found; } cq_seek_state;
    static int cq_seek(PyObject *o, void *arg) {
        cq_seek_state *state = (cq_seek_state *)arg;
        state->found |= o == state->wanted;
        return 0;
    }
    /* Whether the mapping's root node itself refers to the scope: a changed copy then
       does too, and so the scope's owners tell of it. In a deeper node they would not,
       as copies share those. */
    static inline int cq_root_holds(PyObject *variables, PyObject *scope) {
        cq_visit_state root = {NULL, 0};
        cq_seek_state seek = {scope, 0};
        traverseproc traverse = Py_TYPE(variables)->tp_traverse;
        if (traverse == NULL || traverse(variables, cq_visit, &root) || root.count != 1)
            return 0;
        traverse = Py_TYPE(root.found)->tp_traverse;
        return traverse != NULL && !traverse(root.found, cq_seek, &seek) && seek.found;
    }
    static inline Py_ssize_t cq_owners(PyObject *o) { return Py_REFCNT(o); }
    """
    Py_ssize_t variables_place "cq_variables_place"(PyObject *context) noexcept
    PyObject *word_of "cq_word"(PyObject *o, Py_ssize_t place) noexcept
    bint root_holds "cq_root_holds"(PyObject *variables, PyObject *scope) noexcept
    Py_ssize_t owners "cq_owners"(PyObject *o) noexcept

cdef extern from "Python.h":
    int PyContext_Enter(PyObject *context) except -1
    int PyContext_Exit(PyObject *context) except -1


cdef Py_ssize_t place_of_variables      # in a context, in words; 0: not known

cdef class Scope:
    cdef CollectorEvent event       # None once its run is over
    cdef Scope parent               # the scope it was sent from, if its context came along
    cdef object step                # whose run it is, of an event with several collectors
    cdef CollectorEvent part        # the same, if it had to wait, and has a consumer of its own
    cdef bint is_over               # the same has ended, others of the event have not

cdef Scope current_scope()


cdef class RunContext:
    cdef object base                # the context every run gets a copy of
    cdef object context             # made for this run, or still as new from the last
    cdef object variables           # what `context` held when it was made; None: not known
    cdef Scope scope
    cdef bint entered

    cdef int make(self, CollectorEvent event) except -1
    cdef int let_go(self) except -1
    cdef object hand_over(self)


cdef object scoped_copy(object base, Scope scope)


cdef inline bint is_as_new(RunContext run) noexcept:
    """Whether nobody has changed or copied the context of a run that is over.

    The scope's owners tell of a copy that was changed since: it has a mapping of its own.
    """
    return (run.variables is not None
            and owners(<PyObject *>run.context) == 1 + run.entered
            and word_of(<PyObject *>run.context, place_of_variables)
                == <PyObject *>run.variables
            and owners(<PyObject *>run.variables) == 2
            and owners(<PyObject *>run.scope) == 2)


cdef inline int begin_run(RunContext run, CollectorEvent event) except -1:
    """Have a context for an event: `step_in` before each of its steps."""
    # Looked at only here, so that it is after all that the run before has set going: the
    # destructor of a payload, too.
    if run.context is None or event.result is not None or not is_as_new(run):
        run.make(event)
    run.scope.event = event
    return 0


cdef inline int end_part(RunContext run) except -1:
    """One of an event's collectors is done; what it has started stays inside until the
    event is over."""
    if run.scope is not None:
        run.scope.is_over = True
        if is_as_new(run):
            run.scope.event = None
        else:
            run.let_go()
    return 0


cdef inline int tidy(RunContext run) except -1:
    """There is nothing to run: keep nothing alive that a run has left in its context."""
    if run.context is not None and not is_as_new(run):
        run.let_go()
    return 0


cdef inline int step_in(RunContext run) except -1:
    """What runs from now on runs in this context, over the end of a run too."""
    if not run.entered:
        PyContext_Enter(<PyObject *>run.context)
        run.entered = True
    return 0


cdef inline int step_out(RunContext run) except -1:
    """Back to the context of the task: before it gives its turn up."""
    if run.entered:
        run.entered = False
        PyContext_Exit(<PyObject *>run.context)
    return 0
