#include "CSQLiteShims.h"

#include <sqlite3.h>

int coffer_sqlite_switch(void *connection, int option, int on) {
    int now = -1;
    int code = sqlite3_db_config((sqlite3 *)connection, option, on, &now);
    if (code == SQLITE_OK && now != on) return SQLITE_ERROR;
    return code;
}
