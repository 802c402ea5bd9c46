#ifndef COFFER_CLINUX_H
#define COFFER_CLINUX_H

/* What the Linux kernel offers and Swift's Glibc module does not show: macros,
 * functions hidden behind _GNU_SOURCE, and calls without a wrapper. Each
 * function returns what the kernel does: -1 with errno on failure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/* Who is at the other end of a Unix socket, as of its connect(2). */
struct coffer_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/* Reads SO_PEERCRED. */
int coffer_peer_credentials(int fd, struct coffer_peer *_Nonnull peer);

/* Reads SO_PEERGROUPS: the supplementary groups of the peer, as of its connect(2). Returns how many there are; -1 with
 * errno, which is ERANGE if there are more than fit. */
int coffer_peer_groups(int fd, gid_t *_Nonnull groups, int capacity);

/* Reads SO_PEERPIDFD (Linux 6.5): a close-on-exec descriptor of the process that connected, whose number can be that of
 * another process by now. -1 with errno. */
int coffer_peer_process(int fd);

/* Whether the process of such a descriptor has not ended: for as long, no other has its number. */
bool coffer_process_lives(int process);

/* Whether the kernel has SO_PEERPIDFD. */
bool coffer_gives_peer_processes(void);

/* A page-aligned region for secrets, zeroed; NULL on failure.
 *
 * The region is memfd_secret(2) memory if the kernel grants it (not even root
 * can read it from outside, and no core dump holds it), else locked anonymous
 * memory left out of core dumps. `refused` says what the kernel refused, which is
 * worth a warning. The region is wiped in a forked child where the kernel can. */
struct coffer_refused_memory {
    /* The errno of each; 0 = it was granted, or not asked for. */
    int memfd_secret;
    int mlock;
};
void *_Nullable coffer_secret_map(size_t bytes, struct coffer_refused_memory *_Nonnull refused);

/* Overwrites memory; never optimised away. */
void coffer_wipe(void *_Nonnull memory, size_t bytes);

/* Takes a variable out of the environment and overwrites every value that it had
 * there: a name can come more than once, and getenv(3) shows only the first. */
void coffer_forget_variable(const char *_Nonnull name);

/* The same for every variable whose name begins so, its name included. */
void coffer_forget_variables(const char *_Nonnull prefix);

/* How many regions malloc reserves for its threads at most: each takes 64 MiB of address space. Before there are
 * threads. 0 on success. */
int coffer_bound_arenas(int count);

/* The environment's entry "NAME=VALUE" of this index, from 0; null past the last. Before there are threads. */
const char *_Nullable coffer_environment_entry(size_t index);

/* The same for every variable that names a proxy: http_proxy, ALL_PROXY and any other
 * that ends so, in any case. Its address may have a password. */
void coffer_forget_proxies(void);

/* Clears what finished calls have left on this thread's stack below the caller,
 * and in the vector registers: copies of secrets that no owner can wipe. */
void coffer_scrub_stack(void);

/* Turns off core dumps and ptrace by the same uid; for good also new privileges, which a program that takes this one's
 * place could not have either. */
int coffer_harden_process(bool for_good);

/* CLOCK_BOOTTIME in nanoseconds: counts time asleep, never jumps. */
uint64_t coffer_boot_nanoseconds(void);

/* CLOCK_REALTIME in milliseconds since 1970. */
uint64_t coffer_wall_milliseconds(void);

/* Fills memory from getrandom(2); -1 with errno on failure. */
int coffer_random(void *_Nonnull memory, size_t bytes);

/* A file in memory with these bytes, which nobody can change and only its owner read; programs that this process
 * starts inherit the descriptor. -1 with errno on failure. */
int coffer_memory_file(const void *_Nullable bytes, size_t count);

/* A non-blocking, close-on-exec eventfd(2) at 0. */
int coffer_eventfd(void);

/* Gives threads that are made from now on without a size at least so much stack. */
void coffer_default_thread_stack(size_t bytes);

/* Names the calling thread, for people who look with ps or gdb; cut at 15 bytes. */
void coffer_name_thread(const char *_Nonnull name);

/* epoll_wait and epoll_ctl with the event as plain numbers: the packed union
 * of struct epoll_event is awkward from Swift. */
int coffer_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);
int coffer_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token);
int coffer_epoll_remove(int epoll, int fd);

/* The `data.u64` of an event. */
static inline uint64_t coffer_epoll_token(const struct epoll_event *_Nonnull event) {
    return event->data.u64;
}

/* A stream socket listening on `path`, non-blocking, close-on-exec, created
 * with `mode` before anyone can connect (fchmod before bind). */
int coffer_unix_listen(const char *_Nonnull path, mode_t mode, int backlog);

/* A stream socket connected to `path`, blocking, close-on-exec. */
int coffer_unix_connect(const char *_Nonnull path);

/* accept4(2), non-blocking, close-on-exec, without the peer's address. */
int coffer_accept(int listener);

/* Makes a descriptor of another process's making close-on-exec and non-blocking; -1 with errno. */
int coffer_hand_over(int fd);

/* 1 for a listening Unix stream socket, 0 for another socket; -1 with errno for anything else. */
int coffer_is_unix_listener(int fd);

enum { COFFER_UNIX_PATH_BYTES = 109 };

/* Where a Unix socket is bound, as text of at most COFFER_UNIX_PATH_BYTES with its end: a path,
 * "@name" for an abstract name, "" for none. -1 with errno. */
int coffer_unix_path(int fd, char *_Nonnull path);

#endif
