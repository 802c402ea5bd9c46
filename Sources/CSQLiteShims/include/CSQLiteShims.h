#ifndef COFFER_CSQLITE_SHIMS_H
#define COFFER_CSQLITE_SHIMS_H

/* What of SQLite is out of Swift's reach: sqlite3_db_config is variadic, and
 * Swift calls no variadic C function; a VFS is C structs of C functions. The
 * connection is a void pointer so that this module needs no sqlite3.h in its
 * interface, which GRDBSQLite already owns. */

/* Turns an option of sqlite3_db_config that takes an int on (1) or off (0).
 * Returns SQLite's result code, and SQLITE_ERROR if the option did not take. */
int coffer_sqlite_switch(void *_Nonnull connection, int option, int on);

/* Registers an SQLite VFS of this name over the one called `below`, whose files it
 * keeps, but for the write-ahead logs: their frames reach `below` joined, less
 * than 128 KiB in a write. May be called again, from any thread; the VFS stays.
 *
 * A write that fails is told by the call of SQLite's that had it done, and by all
 * that follow in its transaction. Returns SQLite's result code: SQLITE_NOTFOUND if
 * there is no VFS `below`. */
int coffer_sqlite_add_log_vfs(const char *_Nonnull name, const char *_Nonnull below);

#endif
