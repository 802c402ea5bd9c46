#ifndef COFFER_CSQLITE_LOG_H
#define COFFER_CSQLITE_LOG_H

/* An SQLite VFS: C structs of C functions, which Swift cannot make. */

/* Registers an SQLite VFS of this name over the one called `below`, whose files it
 * keeps, but for the write-ahead logs: their frames reach `below` joined, less
 * than 128 KiB in a write. May be called again, from any thread; the VFS stays.
 *
 * A write that fails is told by the call of SQLite's that had it done, and by all
 * that follow in its transaction. Returns SQLite's result code: SQLITE_NOTFOUND if
 * there is no VFS `below`. */
int coffer_sqlite_add_log_vfs(const char *_Nonnull name, const char *_Nonnull below);

#endif
