"""Keeping small finished objects out of the garbage collector's way.

An object may be left untracked only while every reference it holds is to an object whose
type cannot take part in a cycle (no Py_TPFLAGS_HAVE_GC), or to one of our own final
objects that is itself untracked by this rule. It is tracked again before anything else
is stored in it. 500,000 kept events cost a third of the throughput in collector passes
without this.

CQ_POOL makes a type's objects come untracked from a small pool of freed ones: to be linked
into the collector's list and out again for each event cost 8 % of a windowed send. BYTES is
the object's size, said where a compiler can see it: it clears so few without a call. Where it
is another (with pointers of 4 bytes, say), there is no pool. Those that are tracked may stand
in a chain of any length, as a payload of a payload of ...: they are freed by way of CPython's
trashcan, so that the C stack does not grow with it; Cython's would cost the others too.
"""
cdef extern from *:
    """
    static inline int cq_is_atomic(PyObject *o) {
        return !PyType_HasFeature(Py_TYPE(o), Py_TPFLAGS_HAVE_GC);
    }
    static inline int cq_is_tracked(PyObject *o) { return PyObject_GC_IsTracked(o); }
    static inline void cq_track(PyObject *o) {
        if (!PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
    }
    static inline void cq_untrack(PyObject *o) { PyObject_GC_UnTrack(o); }

    /* What PyObject_GC_IsTracked reads, without the call: three of an event's objects are
       asked when they are freed. */
    #if PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
    #define CQ_IS_TRACKED(o) (((uintptr_t *)(o))[-2] != 0)
    #else
    #define CQ_IS_TRACKED(o) PyObject_GC_IsTracked(o)
    #endif

    #ifndef CQ_POOL_SIZE
    #define CQ_POOL_SIZE 256
    #endif
    #define CQ_POOL(NAME, BYTES) \
        static PyObject *NAME##_pool[CQ_POOL_SIZE + 1]; \
        static int NAME##_pooled = 0; \
        static PyObject *NAME##_alloc(PyTypeObject *type, Py_ssize_t items) { \
            PyObject *o; \
            if (NAME##_pooled == 0) { \
                o = PyType_GenericAlloc(type, items); \
                if (o != NULL) PyObject_GC_UnTrack(o); \
                return o; \
            } \
            o = NAME##_pool[--NAME##_pooled]; \
            memset(o + 1, 0, (BYTES) - sizeof(PyObject)); \
            _Py_NewReference(o); \
            return o; \
        } \
        static void NAME##_free(void *o) { \
            if (NAME##_pooled < CQ_POOL_SIZE) NAME##_pool[NAME##_pooled++] = (PyObject *)o; \
            else PyObject_GC_Del(o); \
        } \
        static destructor NAME##_own_dealloc; \
        static void NAME##_dealloc(PyObject *o) { \
            if (!CQ_IS_TRACKED(o)) { \
                NAME##_own_dealloc(o); \
                return; \
            } \
            PyObject_GC_UnTrack(o); \
            Py_TRASHCAN_BEGIN(o, NAME##_dealloc) \
            NAME##_own_dealloc(o); \
            Py_TRASHCAN_END \
        } \
        static void NAME##_use_pool(PyObject *o) { \
            PyTypeObject *type = (PyTypeObject *)o; \
            if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) return; \
            NAME##_own_dealloc = type->tp_dealloc; \
            type->tp_dealloc = NAME##_dealloc; \
            if (type->tp_basicsize != (BYTES)) return; \
            type->tp_alloc = NAME##_alloc; \
            type->tp_free = NAME##_free; \
        }
    """
    bint is_atomic "cq_is_atomic"(object o) noexcept
    bint is_tracked "cq_is_tracked"(object o) noexcept
    void track "cq_track"(object o) noexcept
    void untrack "cq_untrack"(object o) noexcept
