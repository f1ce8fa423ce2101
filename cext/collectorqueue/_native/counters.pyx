"""What is counted on an event's way: log-bucket histograms, filled without a lock.

Rules of residence: numbers only; who counts what is decided elsewhere.
Theory: a value is filed by its octave and the next five bits, so a bucket is at most 1/32
of its value wide and its middle at most 1.6 % off (as in HdrHistogram). An octave's page
is made when it is first hit: most handlers touch three or four.
"""
cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

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
    """
    int top_bit "cq_top_bit"(uint64_t value) noexcept


@cython.final
cdef class Histogram:
    """How often which duration was seen; nanoseconds in, quantiles out (<= 2 % error)."""

    def __dealloc__(self):
        cdef int octave
        for octave in range(OCTAVES):
            free(self.pages[octave])

    cdef int add(self, int64_t ns) except -1:
        cdef uint64_t value = <uint64_t>ns if ns > 0 else 0
        cdef int octave = 0
        cdef int slot
        if value < SLOTS:
            slot = <int>value
        else:
            octave = top_bit(value) - 4
            slot = <int>((value >> (octave - 1)) & (SLOTS - 1))
        if self.pages[octave] is NULL:
            self.new_page(octave)
        self.pages[octave][slot] += 1
        self.count += 1
        self.total_ns += <int64_t>value
        return 0

    cdef int new_page(self, int octave) except -1:
        self.pages[octave] = <uint64_t *>calloc(SLOTS, sizeof(uint64_t))
        if self.pages[octave] is NULL:
            raise MemoryError()
        return 0

    def record(self, ns):
        """Count one duration of `ns` nanoseconds."""
        self.add(ns)

    def merge(self, Histogram other not None):
        """Add all that `other` has counted."""
        cdef int octave, slot
        for octave in range(OCTAVES):
            if other.pages[octave] is NULL:
                continue
            if self.pages[octave] is NULL:
                self.new_page(octave)
            for slot in range(SLOTS):
                self.pages[octave][slot] += other.pages[octave][slot]
        self.count += other.count
        self.total_ns += other.total_ns

    def quantile(self, double q):
        """The duration, in ns, that a share `q` (0 to 1) did not exceed; 0 when empty."""
        cdef int octave, slot
        cdef uint64_t seen = 0
        cdef uint64_t wanted, width
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile is between 0 and 1, got {q!r}")
        if self.count == 0:
            return 0
        wanted = <uint64_t>(q * <double>self.count + 0.999999)
        wanted = min(max(wanted, 1), self.count)
        for octave in range(OCTAVES):
            if self.pages[octave] is NULL:
                continue
            for slot in range(SLOTS):
                seen += self.pages[octave][slot]
                if seen >= wanted:
                    if octave == 0:
                        return slot
                    width = <uint64_t>1 << (octave - 1)
                    return <uint64_t>(SLOTS + slot) * width + (width >> 1)
        return 0

    def mean(self):
        """The mean duration in ns; 0.0 when empty."""
        return self.total_ns / <double>self.count if self.count else 0.0
