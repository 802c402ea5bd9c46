#ifndef COFFER_CBASELINES_H
#define COFFER_CBASELINES_H

/* What Coffer's speed is measured against: the least work that could do the
 * same job, in C. Nothing here is part of the daemon. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A frame that answers every call of one method. Only its call id is changed. */
struct coffer_echo_reply {
    uint32_t method;
    const uint8_t *_Nonnull frame;
    size_t bytes;
};

/* Starts a child process that answers every request frame on `path` with the
 * prepared reply of its method (of the last one, for an unknown method): one
 * thread, one epoll, one recv and one send for each batch of requests.
 *
 * The socket accepts connections when this returns. A request frame may have at
 * most `largest_request` bytes; a connection that sends more is closed. The
 * replies are copied. The child runs on `cpu` only, -1 = on any. It is killed when
 * the calling thread ends.
 *
 * Returns its process id, or -1 with errno. */
pid_t coffer_echo_start(const char *_Nonnull path, const struct coffer_echo_reply *_Nonnull replies,
                        size_t reply_count, size_t largest_request, int cpu);

/* Kills the child and waits until it is gone. */
void coffer_echo_stop(pid_t child);

/* Lets the calling thread run on this CPU only. 0, or -1 with errno. */
int coffer_pin_to_cpu(int cpu);

/* A SQLite database made for one purpose: to be written in durable
 * transactions as fast as SQLite itself can. */
struct coffer_commits;

/* Creates the database file `path`, which must not exist: WAL,
 * synchronous=FULL, locking_mode=EXCLUSIVE, pages of `page_bytes` (a power of two,
 * 512 to 65536), and a table of sealed records with payloads of `payload_bytes`.
 * NULL on failure, with the cause in `error`. */
struct coffer_commits *_Nullable coffer_commits_open(const char *_Nonnull path,
                                                     size_t payload_bytes, int page_bytes,
                                                     char *_Nonnull error, size_t error_bytes);

/* Upserts the record of each key in one transaction and commits it to the disk.
 * 0, or -1 with the cause in coffer_commits_error. */
int coffer_commits_write(struct coffer_commits *_Nonnull commits, const uint32_t *_Nonnull keys,
                         size_t count);

/* Lets `count` threads (1 to 1024) write such records, one after the other, each
 * waiting for its own to be durable: what comes while a transaction is committed
 * becomes the next one. Thread i takes every `count`-th of the keys from the i-th on,
 * over and over.
 *
 * Ends when, after the warm-up, as many rows were written or the seconds are over;
 * `nanoseconds` is how long that took, and `take` gets the latency of each such row.
 * 0, or -1 if a thread could not be started or with the cause in
 * coffer_commits_error. */
int coffer_commits_by_writers(struct coffer_commits *_Nonnull commits, size_t count, const uint32_t *_Nonnull keys,
                              size_t key_count, double warmup, double seconds, uint64_t rows,
                              uint64_t *_Nonnull nanoseconds,
                              void (*_Nonnull take)(void *_Nonnull context, uint64_t latency),
                              void *_Nonnull context);

const char *_Nonnull coffer_commits_error(const struct coffer_commits *_Nonnull commits);

void coffer_commits_close(struct coffer_commits *_Nonnull commits);

#endif
