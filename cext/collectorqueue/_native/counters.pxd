"""What is counted on an event's way: tallies and log-bucket histograms."""
from libc.stdint cimport int64_t, uint16_t, uint64_t

cdef extern from *:
    """
    #ifdef _MSC_VER
    #include <intrin.h>
    static inline int cq_top_bit(unsigned long long v) {
        unsigned long at; _BitScanReverse64(&at, v); return (int)at;
    }
    #else
    static inline int cq_top_bit(unsigned long long v) { return 63 - __builtin_clzll(v); }
    #endif
    /* To measure what counting costs: a build that does not. */
    #ifdef CQ_NO_METRICS
    #define cq_counting 0
    #else
    #define cq_counting 1
    #endif
    #ifdef __GNUC__
    #define cq_prefetch(P) __builtin_prefetch((const void *)(P), 1)
    #else
    #define cq_prefetch(P) ((void)0)
    #endif
    """
    void prefetch "cq_prefetch"(void *address) noexcept
    int top_bit "cq_top_bit"(uint64_t value) noexcept
    bint COUNTING "cq_counting"

cdef enum:
    SLOTS = 32              # an octave
    OCTAVES = 60


cdef struct Tally:          # 24 bytes, as two of them and five counts are one line
    uint16_t *recent        # how often which duration was seen, SLOTS of them an octave;
                            # before them, a pointer to what they were too small for
    int64_t total_ns
    short first             # the octave that `recent` begins with
    short octaves           # how many it has
    short latest            # the bucket that was hit last


cdef class Histogram:
    cdef Tally tally


cdef int widen(Tally *tally, int octave) except -1
cdef int carry(Tally *tally, Py_ssize_t at) except -1
cdef int add_tally(Tally *tally, Tally *other) except -1
cdef int copy_tally(Tally *copy, Tally *tally) except -1
cdef void free_tally(Tally *tally) noexcept
cdef void forget_tally(Tally *tally) noexcept
cdef tuple quantiles_of(Tally *tally, Tally *before)


cdef inline int count_ns(Tally *tally, int64_t ns) except -1:
    """Count one duration."""
    cdef uint64_t value = <uint64_t>ns if ns > 0 else 0
    cdef int octave = 0
    cdef uint64_t slot = value
    cdef int at
    if not COUNTING:
        return 0
    if value >= SLOTS:
        octave = top_bit(value) - 4
        slot = (value >> (octave - 1)) & (SLOTS - 1)
    if not 0 <= octave - tally.first < tally.octaves:
        widen(tally, octave)
    at = (octave - tally.first) * SLOTS + <int>slot
    tally.total_ns += <int64_t>value
    tally.latest = at
    tally.recent[at] += 1
    if tally.recent[at] == 0:
        carry(tally, at)
    return 0


cdef inline void expect_count(Tally *tally) noexcept:
    """Fetch what a `count_ns` will most likely touch, while other work is done."""
    prefetch(tally.recent + tally.latest)
