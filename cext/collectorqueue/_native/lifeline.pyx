"""A thread that ends a worker when the loop's process is gone, and rings when that is due.

Rules of residence: one thread that never touches Python, so that it also works while a
collector holds the interpreter's lock and does not come back. A result that was not rung for
before the next run began is rung for here, if that run is a long one.
"""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #if defined(__linux__)
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <poll.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    #include <sys/timerfd.h>
    #include <unistd.h>
    #ifndef POLLRDHUP
    #define POLLRDHUP 0x2000
    #endif
    static int cq_line = -1, cq_bell = -1, cq_timer = -1;
    static int cq_unrung = 0;
    static void *cq_watch(void *unused) {
        struct pollfd watched[2] = {{cq_line, POLLRDHUP, 0}, {cq_timer, POLLIN, 0}};
        uint64_t count, one = 1;
        for (;;) {
            int found = poll(watched, 2, -1);
            if (found < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (found > 0 && !watched[0].revents && watched[1].revents == POLLIN) {
                if (read(cq_timer, &count, sizeof count) == sizeof count
                        && __atomic_exchange_n(&cq_unrung, 0, __ATOMIC_ACQ_REL)
                        && write(cq_bell, &one, sizeof one) < 0 && errno == EBADF)
                    watched[1].fd = -1;     /* a collector has closed what is not its own */
                continue;
            }
            if (found > 0 && !watched[0].revents) { watched[1].fd = -1; continue; }
            /* The whole process group: children of collectors too. */
            kill(0, SIGKILL);
            _exit(1);
        }
        return NULL;
    }
    static int cq_hold(int line, int bell) {
        pthread_t thread;
        pthread_attr_t small;
        sigset_t all, before;
        int error;
        cq_line = line;
        cq_bell = bell;
        cq_timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (cq_timer < 0) return errno;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_init(&small);
        pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&small, 65536);
        error = pthread_create(&thread, &small, cq_watch, NULL);
        pthread_attr_destroy(&small);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return error;
    }
    static void cq_ring_within(int64_t ns) {
        struct itimerspec due = {{0, 0}, {ns / 1000000000, ns % 1000000000}};
        __atomic_store_n(&cq_unrung, 1, __ATOMIC_RELEASE);
        timerfd_settime(cq_timer, 0, &due, NULL);
    }
    static void cq_was_rung(void) { __atomic_store_n(&cq_unrung, 0, __ATOMIC_RELEASE); }
    #else
    static int cq_hold(int line, int bell) { return -1; }
    static void cq_ring_within(int64_t ns) {}
    static void cq_was_rung(void) {}
    #endif
    """
    int c_hold "cq_hold"(int line, int bell) noexcept
    void c_ring_within "cq_ring_within"(int64_t ns) noexcept
    void c_was_rung "cq_was_rung"() noexcept


def hold(int line, int bell):
    """Kill this process group when the other end of a stream socket is closed."""
    cdef int error = c_hold(line, bell)
    if error:
        raise OSError(error, "a worker's watching thread could not be started")


cdef void ring_within(int64_t ns) noexcept:
    """Have the bell rung when this time is over, unless `was_rung` comes first."""
    c_ring_within(ns)


cdef void was_rung() noexcept:
    """It has been rung."""
    c_was_rung()
