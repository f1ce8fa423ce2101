"""Awaiting and being awaited, from the compiled side, without an exception for each value.

`advance` steps a coroutine; what it returns comes back as a value. CQ_AWAITABLE(name) gives
a class of ours the two slots by which CPython steps it: `am_send`, which tasks use, and
`tp_iternext`, which `await` uses. The latter has to hand its value over in a StopIteration:
made and thrown away for each, it cost 3 of 7 tenths of a microsecond of an `await event`, so
one is kept and filled anew, as long as nobody else has it.
"""
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

cdef extern from *:
    """
    /* The exception that is set, as one object with its traceback; clears it. */
    static inline PyObject *cq_take_exception(void) {
    #if PY_VERSION_HEX >= 0x030C0000
        return PyErr_GetRaisedException();
    #else
        PyObject *type, *value, *tb;
        PyErr_Fetch(&type, &value, &tb);
        PyErr_NormalizeException(&type, &value, &tb);
        if (tb != NULL) PyException_SetTraceback(value, tb);
        Py_XDECREF(type);
        Py_XDECREF(tb);
        return value;
    #endif
    }

    typedef enum { CQ_RAISED = -1, CQ_RETURNED = 0, CQ_SUSPENDED = 1 } cq_outcome;

    /* Advance a coroutine or awaitable; *out is what it raised, returned or waits on. */
    static inline cq_outcome cq_advance(PyObject *coroutine, PyObject *thrown,
                                        PyObject **out) {
        if (thrown == NULL) {
            PySendResult sent = PyIter_Send(coroutine, Py_None, out);
            if (sent == PYGEN_NEXT) return CQ_SUSPENDED;
            if (sent == PYGEN_RETURN) return CQ_RETURNED;
        } else {
            *out = PyObject_CallMethod(coroutine, "throw", "O", thrown);
            if (*out != NULL) return CQ_SUSPENDED;
            if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
                PyObject *stop = cq_take_exception();
                *out = PyObject_GetAttrString(stop, "value");
                Py_DECREF(stop);
                if (*out != NULL) return CQ_RETURNED;
            }
        }
        *out = cq_take_exception();
        return CQ_RAISED;
    }

    /* Raise StopIteration(value), whose reference is taken over: never a tuple. */
    #if PY_VERSION_HEX >= 0x030C0000
    static PyObject *cq_kept_stop = NULL;
    static inline int cq_stop_is_ours(void) {
        return cq_kept_stop != NULL && Py_REFCNT(cq_kept_stop) == 1;
    }
    static inline void cq_stop_with(PyObject *value) {
        PyStopIterationObject *stop = (PyStopIterationObject *)cq_kept_stop;
        PyObject *old;
        if (!cq_stop_is_ours() || stop->traceback != NULL || stop->context != NULL) {
            stop = (PyStopIterationObject *)PyObject_CallNoArgs(PyExc_StopIteration);
            if (stop == NULL) {
                Py_DECREF(value);
                return;
            }
            Py_XDECREF(cq_kept_stop);
            cq_kept_stop = (PyObject *)stop;
        }
        old = stop->value;
        stop->value = value;
        Py_INCREF(stop);    /* ours no longer, for what runs by letting the old one go */
        Py_XDECREF(old);
        PyErr_SetRaisedException((PyObject *)stop);
    }
    /* Nothing stays alive because it was once returned. */
    static inline void cq_forget_stop(void) {
        if (cq_stop_is_ours()) {
            PyStopIterationObject *stop = (PyStopIterationObject *)cq_kept_stop;
            PyObject *old = stop->value;
            if (stop->traceback != NULL || stop->context != NULL || stop->cause != NULL
                    || stop->notes != NULL) {
                Py_CLEAR(cq_kept_stop);
                return;
            }
            if (old == Py_None) return;
            stop->value = Py_NewRef(Py_None);
            Py_XDECREF(old);
        }
    }
    #else
    static inline void cq_stop_with(PyObject *value) {
        PyErr_SetObject(PyExc_StopIteration, value);
        Py_DECREF(value);
    }
    static inline void cq_forget_stop(void) {}
    #endif

    typedef int (*cq_step)(PyObject *self, PyObject **out);

    #define CQ_AWAITABLE(NAME) \
        static cq_step NAME##_step; \
        static PyObject *NAME##_next(PyObject *self) { \
            PyObject *out = NULL; \
            int outcome = NAME##_step(self, &out); \
            if (outcome == CQ_SUSPENDED) return out; \
            if (outcome == CQ_RETURNED) cq_stop_with(out); \
            return NULL; \
        } \
        static PySendResult NAME##_send(PyObject *self, PyObject *value, PyObject **out) { \
            int outcome = NAME##_step(self, out); \
            if (outcome == CQ_SUSPENDED) return PYGEN_NEXT; \
            if (outcome == CQ_RETURNED) return PYGEN_RETURN; \
            *out = NULL; \
            return PYGEN_ERROR; \
        } \
        static void NAME##_step_by(PyObject *type, cq_step step) { \
            PyTypeObject *t = (PyTypeObject *)type; \
            NAME##_step = step; \
            t->tp_iternext = NAME##_next; \
            t->tp_as_async->am_send = NAME##_send; \
            PyType_Modified(t); \
        }
    """
    ctypedef enum cq_outcome:
        CQ_RAISED, CQ_RETURNED, CQ_SUSPENDED

    # Hands over a new reference, and leaves no exception set.
    cq_outcome advance "cq_advance"(PyObject *coroutine, PyObject *thrown,
                                    PyObject **out) noexcept
    void forget_stop "cq_forget_stop"() noexcept

    # One step of an awaitable: CQ_RETURNED or CQ_SUSPENDED with a new reference, or raise.
    ctypedef int (*Step_function "cq_step")(object self, PyObject **out) except -1


cdef inline object owned(PyObject *o):
    """Take over a new reference."""
    made = <object>o
    Py_DECREF(made)
    return made


cdef inline PyObject *handed_over(object o):
    """A new reference, for somebody else to own."""
    Py_INCREF(o)
    return <PyObject *>o
