#ifndef COFFER_CSQLITE_SHIMS_H
#define COFFER_CSQLITE_SHIMS_H

/* sqlite3_db_config is variadic, and Swift calls no variadic C function. The
 * connection is a void pointer so that this module needs no sqlite3.h in its
 * interface, which GRDBSQLite already owns. */

/* Turns an option of sqlite3_db_config that takes an int on (1) or off (0).
 * Returns SQLite's result code, and SQLITE_ERROR if the option did not take. */
int coffer_sqlite_switch(void *_Nonnull connection, int option, int on);

#endif
