"""Which handlers wait for which events, as it is.

Rules of residence: the graph, and what is found in it at once.
"""
from collectorqueue._native.barrier cimport Members
from collectorqueue._native.event cimport BATCH, CollectorEvent, EventWait
from collectorqueue._native.holders cimport events_of


cdef class WaitGraph:
    """The waits that handlers of one queue are in."""

    def __cinit__(self):
        self.waiting = {}
        self.batches = {}
        self.holding = {}
        self.for_all = {}

    cdef int begin(self, EventWait wait, CollectorEvent owner) except -1:
        wait.owner = owner
        self.waiting.setdefault(owner, {})[wait] = None
        self.holding.setdefault(wait.owner_step, {})[wait] = None
        if owner.flags & BATCH:
            self.batches[owner] = None
        return 0

    cdef int end(self, EventWait wait) except -1:
        remove(self.holding, wait.owner_step, wait)
        if remove(self.waiting, wait.owner, wait):
            self.batches.pop(wait.owner, None)
        wait.owner = None
        return 0

    cdef set holders(self, object step, bint beside_all):
        """The events whose handlers in a step wait; `beside_all`: those for all, too."""
        cdef EventWait wait
        cdef Members members
        found = {wait.owner for wait in self.holding.get(step, ())}
        for members in self.for_all if beside_all else ():
            if members.owner_step is step:
                found.add(members.owner)
        return found

    cdef Py_ssize_t blocked_runs(self) except -1:
        """How many runs have a handler that waits."""
        cdef Members members
        if not self.for_all:
            return len(self.waiting)
        return len(self.waiting.keys() | {members.owner for members in self.for_all})

    cdef set callers(self):
        """The events whose handlers wait for all."""
        cdef Members members
        found = set()
        for members in self.for_all:
            found.add(members.owner)
            found.update(events_of(members.owner))
        return found


cdef bint remove(dict sets, object key, object what) except -1:
    """Whether it has no more of its kind, if it was ever noted."""
    found = sets.get(key)
    if found is None:
        return True
    found.pop(what, None)
    if not found:
        del sets[key]
    return not found
