"""A field that the interpreter can read by itself.

What Cython calls `readonly` is a property: a call each time that a handler reads
`payload.value`. A member descriptor is looked up once, and then read from its place (160
of the 4,000 instructions of an event).
"""
cdef extern from *:
    """
    #include <structmember.h>
    #ifndef Py_T_OBJECT_EX  /* before Python 3.12 */
    #define Py_T_OBJECT_EX T_OBJECT_EX
    #define Py_READONLY READONLY
    #endif

    static int cq_show_first_slot(PyObject *o, const char *name) {
        PyTypeObject *type = (PyTypeObject *)o;
        PyMemberDef *slot = PyMem_RawCalloc(1, sizeof *slot);   /* lives as the type does */
        PyObject *member;
        int done;
        if (slot == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        slot->name = name;
        slot->type = Py_T_OBJECT_EX;
        slot->offset = sizeof(PyObject);
        slot->flags = Py_READONLY;
        member = PyDescr_NewMember(type, slot);
        if (member == NULL) return -1;
        done = PyDict_SetItemString(type->tp_dict, name, member);
        Py_DECREF(member);
        PyType_Modified(type);
        return done;
    }
    """
    int show_first_slot "cq_show_first_slot"(object type, const char *name) except -1
