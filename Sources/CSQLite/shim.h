#ifndef COFFER_CSQLITE_H
#define COFFER_CSQLITE_H

/* SQLite 3, and what of it is out of Swift's reach: Swift calls no variadic C
 * function. */

#include <sqlite3.h>

/* Turns an option of sqlite3_db_config that takes an int on (1) or off (0).
 * Returns SQLite's result code, and SQLITE_ERROR if the option stayed as it was. */
static inline int coffer_sqlite_switch(sqlite3 *_Nonnull connection, int option, int on) {
    int now = -1;
    int code = sqlite3_db_config(connection, option, on, &now);
    if (code == SQLITE_OK && now != on) return SQLITE_ERROR;
    return code;
}

#endif
