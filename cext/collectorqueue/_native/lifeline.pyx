"""A thread that ends a worker when the loop's process is gone.

Rules of residence: one thread that never touches Python, so that it also works while a
collector holds the interpreter's lock and does not come back.
"""

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
    #include <unistd.h>
    #ifndef POLLRDHUP
    #define POLLRDHUP 0x2000
    #endif
    static void *cq_watch(void *argument) {
        struct pollfd watched = {(int)(intptr_t)argument, POLLRDHUP, 0};
        for (;;) {
            int found = poll(&watched, 1, -1);
            if (found < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            /* The whole process group: children of collectors too. */
            kill(0, SIGKILL);
            _exit(1);
        }
        return NULL;
    }
    static int cq_hold(int socket) {
        pthread_t thread;
        pthread_attr_t small;
        sigset_t all, before;
        int error;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_init(&small);
        pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&small, 65536);
        error = pthread_create(&thread, &small, cq_watch, (void *)(intptr_t)socket);
        pthread_attr_destroy(&small);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return error;
    }
    #else
    static int cq_hold(int socket) { return -1; }
    #endif
    """
    int c_hold "cq_hold"(int socket) noexcept


def hold(int socket):
    """Kill this process group when the other end of a stream socket is closed."""
    cdef int error = c_hold(socket)
    if error:
        raise OSError(error, "a worker's watching thread could not be started")
