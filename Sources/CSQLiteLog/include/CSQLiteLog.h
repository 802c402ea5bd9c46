#ifndef COFFER_CSQLITE_LOG_H
#define COFFER_CSQLITE_LOG_H

/* An SQLite VFS: C structs of C functions, which Swift cannot make. */

/* Registers an SQLite VFS of this name over the one called `below`, whose files it
 * keeps, but for the write-ahead logs: their frames reach `below` joined, less
 * than 128 KiB in a write. May be called again, from any thread; the VFS stays.
 *
 * A write that fails makes the SQLite call that caused it fail, and every later one
 * of its transaction. Returns SQLite's result code: SQLITE_NOTFOUND if
 * there is no VFS `below`. */
int coffer_sqlite_add_log_vfs(const char *_Nonnull name, const char *_Nonnull below);

#endif
