"""What is counted on an event's way: log-bucket histograms, filled without a lock.

Rules of residence: numbers only; who counts what is decided elsewhere.
Theory: a value is filed by its octave and the next five bits, so a bucket is at most 1/32
of its value wide and its middle at most 1.6 % off (as in HdrHistogram). Only the octaves
between the shortest and the longest duration seen have buckets, of 16 bits each, which
carry into 64: with a thousand collectors in turn, what was waited for was memory, and in
this form a tally takes 64 bytes an octave and touches two lines of the cache, not four.
"""
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset


@cython.final
cdef class Histogram:
    """How often which duration was seen; nanoseconds in, quantiles out (<= 2 % error)."""

    def __dealloc__(self):
        free_tally(&self.tally)

    @property
    def count(self):
        """How many durations were counted."""
        return count_of(&self.tally)

    @property
    def total_ns(self):
        """Their sum."""
        return self.tally.total_ns

    def record(self, ns):
        """Count one duration of `ns` nanoseconds."""
        count_ns(&self.tally, ns)

    def merge(self, Histogram other not None):
        """Add all that `other` has counted."""
        add_tally(&self.tally, &other.tally)

    def quantile(self, double q):
        """The duration, in ns, that a share `q` (0 to 1) did not exceed; 0 when empty."""
        cdef uint64_t seen = 0
        cdef uint64_t count = count_of(&self.tally)
        cdef uint64_t wanted
        cdef Py_ssize_t at
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile is between 0 and 1, got {q!r}")
        if count == 0:
            return 0
        wanted = rank_of(q, count)
        for at in range(self.tally.octaves * SLOTS):
            seen += times(&self.tally, at)
            if seen >= wanted:
                return middle(self.tally.first + at // SLOTS, at % SLOTS)
        return 0

    def mean(self):
        """The mean duration in ns; 0.0 when empty."""
        count = self.count
        return self.tally.total_ns / count if count else 0.0


cdef inline uint64_t *carried(Tally *tally) noexcept:
    """What has left `recent`; NULL: nothing yet."""
    return NULL if tally.recent is NULL else (<uint64_t **>tally.recent - 1)[0]


cdef inline uint64_t times(Tally *tally, Py_ssize_t at) noexcept:
    """How often a bucket was hit."""
    return tally.recent[at] + (carried(tally)[at] if carried(tally) is not NULL else 0)


cdef uint64_t count_of(Tally *tally) noexcept:
    """How many durations were counted."""
    cdef uint64_t seen = 0
    cdef Py_ssize_t at
    for at in range(tally.octaves * SLOTS):
        seen += times(tally, at)
    return seen


cdef inline uint64_t rank_of(double share, uint64_t count) noexcept:
    """Which of so many durations, from the shortest on, a share of them does not exceed."""
    return min(max(<uint64_t>(share * <double>count + 0.999999), 1), count)


cdef object middle(int octave, int slot):
    """The duration in the middle of a bucket."""
    cdef uint64_t width
    if octave == 0:
        return slot
    width = <uint64_t>1 << (octave - 1)
    return <uint64_t>(SLOTS + slot) * width + (width >> 1)


cdef int widen(Tally *tally, int octave) except -1:
    """Have buckets for one more octave, and for those between it and the others."""
    cdef Tally wider
    cdef Py_ssize_t at, shift
    cdef void *block
    wider.first = <short>octave
    wider.octaves = 1
    if tally.octaves:
        wider.first = min(wider.first, tally.first)
        wider.octaves = <short>max(octave + 1, tally.first + tally.octaves) - wider.first
    wider.total_ns = tally.total_ns
    wider.latest = 0
    block = calloc(1, sizeof(void *) + wider.octaves * SLOTS * sizeof(uint16_t))
    if block is NULL:
        raise MemoryError()
    wider.recent = <uint16_t *>(<void **>block + 1)
    shift = (tally.first - wider.first) * SLOTS
    for at in range(tally.octaves * SLOTS):
        wider.recent[at + shift] = tally.recent[at]
        if carried(tally) is not NULL and carried(tally)[at]:
            add_carried(&wider, at + shift, carried(tally)[at])
    free_tally(tally)
    tally[0] = wider
    return 0


cdef int carry(Tally *tally, Py_ssize_t at) except -1:
    """A bucket of `recent` has just wrapped to zero."""
    add_carried(tally, at, <uint64_t>1 << 16)
    return 0


cdef int add_carried(Tally *tally, Py_ssize_t at, uint64_t more) except -1:
    if carried(tally) is NULL:
        (<void **>tally.recent - 1)[0] = calloc(tally.octaves * SLOTS, sizeof(uint64_t))
        if carried(tally) is NULL:
            raise MemoryError()
    carried(tally)[at] += more
    return 0


cdef int add_tally(Tally *tally, Tally *other) except -1:
    """Add what `other` has counted."""
    cdef Py_ssize_t at
    if other.octaves == 0:
        return 0
    widen(tally, other.first)
    widen(tally, other.first + other.octaves - 1)
    for at in range(other.octaves * SLOTS):
        if times(other, at):
            add_carried(tally, at + (other.first - tally.first) * SLOTS, times(other, at))
    tally.total_ns += other.total_ns
    return 0


cdef void free_tally(Tally *tally) noexcept:
    if tally.recent is not NULL:
        free(carried(tally))
        free(<void **>tally.recent - 1)


cdef int copy_tally(Tally *copy, Tally *tally) except -1:
    """Make an empty tally one of the same counts."""
    cdef size_t count = tally.octaves * SLOTS
    cdef void *block
    if tally.octaves == 0:
        return 0
    block = malloc(sizeof(void *) + count * sizeof(uint16_t))
    if block is NULL:
        raise MemoryError()
    copy[0] = tally[0]
    copy.recent = <uint16_t *>(<void **>block + 1)
    memcpy(copy.recent, tally.recent, count * sizeof(uint16_t))
    (<void **>block)[0] = NULL
    if carried(tally) is not NULL:
        (<void **>block)[0] = malloc(count * sizeof(uint64_t))
        if carried(copy) is NULL:
            forget_tally(copy)
            raise MemoryError()
        memcpy(carried(copy), carried(tally), count * sizeof(uint64_t))
    return 0


cdef void forget_tally(Tally *tally) noexcept:
    """Make it an empty one."""
    free_tally(tally)
    memset(tally, 0, sizeof(Tally))


cdef tuple quantiles_of(Tally *tally, Tally *before):
    """(count, mean, p50, p90, p99, p99.9), in seconds, of what was counted since it was a
    copy of `before`; NULL: of all."""
    cdef uint64_t found[OCTAVES * SLOTS]
    cdef uint64_t wanted[4]
    cdef uint64_t count, seen = 0
    cdef int64_t total_ns = tally.total_ns
    cdef Py_ssize_t at
    if before is not NULL:
        total_ns -= before.total_ns
    count = counts_of(tally, before, found)
    if count == 0:
        return 0, 0.0, 0.0, 0.0, 0.0, 0.0
    wanted[0], wanted[1] = rank_of(0.5, count), rank_of(0.9, count)
    wanted[2], wanted[3] = rank_of(0.99, count), rank_of(0.999, count)
    quantiles = []
    for at in range(tally.octaves * SLOTS):
        seen += found[at]
        while seen >= wanted[len(quantiles)]:
            quantiles.append(middle(tally.first + at // SLOTS, at % SLOTS) / 1e9)
            if len(quantiles) == 4:
                return (count, total_ns / count / 1e9, *quantiles)


cdef uint64_t counts_of(Tally *tally, Tally *before, uint64_t *found) noexcept:
    """How often each bucket was hit since `before`; returns their sum."""
    cdef Py_ssize_t at, shift
    cdef uint64_t count = 0
    for at in range(tally.octaves * SLOTS):
        found[at] = times(tally, at)
        count += found[at]
    if before is not NULL:
        shift = (before.first - tally.first) * SLOTS    # a tally only ever becomes wider
        for at in range(before.octaves * SLOTS):
            found[at + shift] -= times(before, at)
            count -= times(before, at)
    return count
