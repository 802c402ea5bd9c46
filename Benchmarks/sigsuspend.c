/* Preloaded into a program under Valgrind only. Valgrind 3.19 writes into the
 * mask that sigsuspend is given; libdispatch keeps its mask in read-only memory
 * and parks the main thread with it, and so Valgrind crashes. A copy helps. */

#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
    sigset_t copy = *mask;
    return (int)syscall(SYS_rt_sigsuspend, &copy, _NSIG / 8);
}
