#include "CBaselines.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 32 };

struct coffer_commits {
    sqlite3 *database;
    sqlite3_stmt *begin, *upsert, *commit;
    size_t payload_bytes;
    sqlite3_int64 now;
    uint8_t payload[];
};

/* A rowid table: as fast as WITHOUT ROWID where records are replaced, and faster
 * where many new ones come, for the tree searched by tag holds no payloads. */
static const char SCHEMA[] =
    "PRAGMA page_size=%d; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA locking_mode=EXCLUSIVE;"
    "CREATE TABLE record (tag BLOB PRIMARY KEY NOT NULL, user_tag BLOB NOT NULL,"
    " version TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;"
    "CREATE INDEX record_user ON record (user_tag);";

static const char UPSERT[] =
    "INSERT INTO record (tag, user_tag, version, created, updated, expires, payload)"
    " VALUES (?1, ?2, ?3, ?4, ?4, 0, ?5)"
    " ON CONFLICT (tag) DO UPDATE SET version = excluded.version, updated = excluded.updated,"
    " expires = excluded.expires, payload = excluded.payload";

static int prepare(struct coffer_commits *commits, int page_bytes) {
    sqlite3 *database = commits->database;
    char schema[sizeof SCHEMA + 16];
    snprintf(schema, sizeof schema, SCHEMA, page_bytes);
    return sqlite3_exec(database, schema, NULL, NULL, NULL) == SQLITE_OK &&
                   sqlite3_prepare_v2(database, "BEGIN IMMEDIATE", -1, &commits->begin, NULL) == SQLITE_OK &&
                   sqlite3_prepare_v2(database, UPSERT, -1, &commits->upsert, NULL) == SQLITE_OK &&
                   sqlite3_prepare_v2(database, "COMMIT", -1, &commits->commit, NULL) == SQLITE_OK
               ? 0
               : -1;
}

struct coffer_commits *coffer_commits_open(const char *path, size_t payload_bytes, int page_bytes,
                                           char *error, size_t error_bytes) {
    struct coffer_commits *commits = calloc(1, sizeof *commits + payload_bytes);
    if (commits == NULL) {
        snprintf(error, error_bytes, "out of memory");
        return NULL;
    }
    commits->payload_bytes = payload_bytes;
    /* Not text and not zeros, as sealed bytes are neither. */
    for (size_t i = 0; i < payload_bytes; i++) commits->payload[i] = (uint8_t)(i * 167 + 41);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &commits->database, flags, NULL) == SQLITE_OK && prepare(commits, page_bytes) == 0)
        return commits;
    snprintf(error, error_bytes, "%s", coffer_commits_error(commits));
    coffer_commits_close(commits);
    return NULL;
}

/* Spreads keys over all 32 bytes, as the keyed hash does in a real vault:
 * neighbours in the tree are strangers. */
static void make_tag(uint64_t seed, uint8_t tag[TAG]) {
    for (int i = 0; i < TAG; i += 8) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t mixed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        mixed ^= mixed >> 31;
        memcpy(tag + i, &mixed, 8);
    }
}

static int step(sqlite3_stmt *statement) {
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? 0 : -1;
}

static int upsert(struct coffer_commits *commits, uint32_t key) {
    uint8_t tag[TAG], user_tag[TAG];
    char version[24];
    make_tag(key, tag);
    make_tag(~(uint64_t)key, user_tag);
    sqlite3_int64 now = ++commits->now;
    int length = snprintf(version, sizeof version, "%022lld", (long long)now);
    sqlite3_stmt *statement = commits->upsert;
    sqlite3_bind_blob(statement, 1, tag, TAG, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, user_tag, TAG, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, version, length, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, 1790000000000 + now);
    sqlite3_bind_blob(statement, 5, commits->payload, (int)commits->payload_bytes, SQLITE_STATIC);
    return step(statement);
}

int coffer_commits_write(struct coffer_commits *commits, const uint32_t *keys, size_t count) {
    if (step(commits->begin) != 0) return -1;
    for (size_t i = 0; i < count; i++)
        if (upsert(commits, keys[i]) != 0) return -1;
    return step(commits->commit);
}

const char *coffer_commits_error(const struct coffer_commits *commits) {
    return sqlite3_errmsg(commits->database);
}

void coffer_commits_close(struct coffer_commits *commits) {
    sqlite3_finalize(commits->begin);
    sqlite3_finalize(commits->upsert);
    sqlite3_finalize(commits->commit);
    sqlite3_close(commits->database);
    free(commits);
}
