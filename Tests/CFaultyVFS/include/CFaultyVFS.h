#ifndef COFFER_CFAULTYVFS_H
#define COFFER_CFAULTYVFS_H

/* An SQLite VFS that is unix-excl, but for the faults asked for. For tests.
 *
 * Faults hold for all files of the VFS with this tag in their path, so that
 * tests which run side by side do not meet each other's. */

/* Registers the VFS "coffer-faulty"; may be called again. Returns SQLite's code. */
int coffer_faulty_register(void);

enum coffer_fault {
    COFFER_FAULT_NONE = 0,
    /* fsync fails. */
    COFFER_FAULT_SYNC = 1,
    /* A write finds the disk full. */
    COFFER_FAULT_FULL = 2,
    /* A write fails. */
    COFFER_FAULT_WRITE = 3,
    /* A read fails. */
    COFFER_FAULT_READ = 4,
    /* fsync takes 2 s. */
    COFFER_FAULT_SLOW = 5,
};

/* Sets the fault of every file whose path contains `tag`; up to 64 tags. */
void coffer_faulty_set(const char *tag, enum coffer_fault fault);

/* How many calls the fault of this tag made fail or wait so far. */
int coffer_faulty_hits(const char *tag);

/* Writes to write-ahead logs that were let through. */
struct coffer_log_writes {
    long calls;
    long long bytes;
    int largest;
};

/* Those to files whose path contains `tag`, opened after it was first set. */
struct coffer_log_writes coffer_faulty_log_writes(const char *tag);

#endif
