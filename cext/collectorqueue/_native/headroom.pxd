"""Frames for what must not fail half-way.

Who calls may be as deep in recursion as Python allows. What is done then (a consumer woken,
the loop told, which is Python code in asyncio's own) must not end in a RecursionError: those
who wait would be forgotten. It gets a few frames more than its caller has left, which are
taken back after.
"""
cdef extern from *:
    """
    static inline void cq_give_frames(int count) {
    #if PY_VERSION_HEX >= 0x030C0000
        PyThreadState_Get()->py_recursion_remaining += count;
    #else
        PyThreadState_Get()->recursion_remaining += count;
    #endif
    }
    """
    void give_frames "cq_give_frames"(int count) noexcept

cdef enum:
    FRAMES = 200        # for a log line, and asyncio's debug mode
