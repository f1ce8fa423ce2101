"""A batch that a worker is handed."""
from collectorqueue._native.batching cimport Batched
from collectorqueue._native.errand cimport Errand
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.payload cimport Payload


cdef class Lot(Errand):
    cdef Batched batch
    cdef object again               # (Lot): have the rest of it sent

    cdef bint abort_item(self, CollectorEvent event, str why) except -1


cpdef Payload wire_of(list payloads, str trigger)
