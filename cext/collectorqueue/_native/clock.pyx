"""One C function tells the time; tests swap it for their loop's virtual time.

Rules of residence: reading the clock, nothing else. Wall-clock time is never used.

Reading CLOCK_MONOTONIC was the largest single cost of an event (2 x 25 of 330 ns). Where the
kernel itself keeps time by the processor's counter (clocksource tsc: constant, and equal on
all cores), the counter is read directly (9 ns) and the kernel's clock is asked again each
half millisecond, so the two never part by more than the counter's drift in that time, a few
nanoseconds. Anywhere else, and after any jump, the kernel's clock is what is read.
"""
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>
    #ifdef _WIN32
    #include <windows.h>
    static int64_t cq_kernel_ns(void) {
        LARGE_INTEGER count, per_second;
        QueryPerformanceCounter(&count);
        QueryPerformanceFrequency(&per_second);
        return (count.QuadPart / per_second.QuadPart) * 1000000000LL
            + (count.QuadPart % per_second.QuadPart) * 1000000000LL / per_second.QuadPart;
    }
    #else
    #include <time.h>
    static int64_t cq_kernel_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
    }
    #endif

    #if defined(__x86_64__) && defined(__linux__)
    #include <x86intrin.h>
    #define CQ_TICKS() __rdtsc()
    #define CQ_HAS_TICKS 1
    #else
    #define CQ_TICKS() 0
    #define CQ_HAS_TICKS 0
    #endif

    #ifdef __GNUC__
    #define CQ_SELDOM __attribute__((noinline, cold))
    #else
    #define CQ_SELDOM
    #endif
    #define CQ_CALIBRATE_NS 20000000LL  /* over which the rate is measured: 3 in a million */
    #define CQ_TRUST_NS 500000.0        /* for which the counter is followed by itself */

    static struct {
        int usable;             /* the kernel keeps time by the same counter */
        uint64_t first_ticks;   /* where the calibration began */
        int64_t first_ns;
        uint64_t ticks;         /* the last reading of both */
        int64_t ns;
        uint64_t trusted;       /* ticks for which that holds; 0: not calibrated */
        double ns_per_tick;
        int64_t latest;         /* what was told last: time never goes back */
    } cq_clock;

    static CQ_SELDOM int64_t cq_ask_kernel(void) {
        int64_t ns = cq_kernel_ns();
        if (cq_clock.usable) {
            uint64_t ticks = CQ_TICKS();
            if (cq_clock.first_ticks == 0) {
                cq_clock.first_ticks = ticks;
                cq_clock.first_ns = ns;
            } else if (cq_clock.trusted == 0
                       && ns - cq_clock.first_ns >= CQ_CALIBRATE_NS) {
                cq_clock.ns_per_tick = (double)(ns - cq_clock.first_ns)
                    / (double)(ticks - cq_clock.first_ticks);
                if (cq_clock.ns_per_tick > 0.05 && cq_clock.ns_per_tick < 20.0)
                    cq_clock.trusted = (uint64_t)(CQ_TRUST_NS / cq_clock.ns_per_tick);
                else
                    cq_clock.usable = 0;
            }
            cq_clock.ticks = ticks;
            cq_clock.ns = ns;
        }
        if (ns > cq_clock.latest) cq_clock.latest = ns;
        return cq_clock.latest;
    }

    static inline int64_t cq_monotonic_ns(void) {
        /* Unsigned: a counter that went back is far beyond what is trusted. */
        uint64_t passed = CQ_TICKS() - cq_clock.ticks;
        if (passed < cq_clock.trusted) {
            int64_t ns = cq_clock.ns + (int64_t)((double)passed * cq_clock.ns_per_tick);
            if (ns > cq_clock.latest) cq_clock.latest = ns;
            return cq_clock.latest;
        }
        return cq_ask_kernel();
    }

    static void cq_use_ticks(int usable) {
        memset(&cq_clock, 0, sizeof cq_clock);
        cq_clock.usable = usable && CQ_HAS_TICKS;
    }
    """
    int64_t cq_monotonic_ns() noexcept
    void cq_use_ticks(bint usable) noexcept

cdef object source = None   # seconds, as a loop's `time`; None: the real clock
cdef bint swapped = False


cdef int64_t monotonic_ns() noexcept:
    return swapped_ns() if swapped else cq_monotonic_ns()


cdef int64_t swapped_ns() noexcept:
    try:
        return <int64_t>(<double>source() * 1e9)
    except Exception:
        return cq_monotonic_ns()


def follow(new_source):
    """Take the time from `new_source()` (seconds, float) instead; `None`: the real clock."""
    global source, swapped
    source = new_source
    swapped = new_source is not None


def now_ns():
    """The core's time now: nanoseconds on a monotonic clock with no fixed zero."""
    return monotonic_ns()


def kernel_uses_counter():
    """Whether the kernel trusts the processor's counter on this machine."""
    try:
        path = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        with open(path) as file:
            return file.read().strip() == "tsc"
    except OSError:
        return False


cq_use_ticks(kernel_uses_counter())
