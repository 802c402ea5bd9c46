#include "CSQLiteLog.h"

#include <sqlite3.h>
#include <string.h>

/* SQLite writes each frame of its write-ahead log with two calls, a header and
 * a page. Here they are joined: what is left of a commit is one write before its
 * sync.
 *
 * Held back are only frames that by their own header end no transaction, and the
 * header of the one that does until its page follows; only while the connection
 * has the lock to write, and never past its end. So whatever SQLite takes for
 * committed has been handed down, with success, before SQLite was told so; how
 * it is synced is as it was. Nothing here depends on the setting `synchronous`.
 *
 * A file is laid out as the VFS below does it; what is ours follows. Methods
 * that we have no part in are that VFS's own, called directly. A log and its
 * database file are used under their connection's mutex. */

enum {
    /* 31 frames of 4 KiB pages. SQLite's unix VFS cannot write 128 KiB or more at
     * once: it cuts off the upper bits of the size. Room for a frame of any page. */
    CAPACITY = 31 * (24 + 4096),
    FRAME_HEADER = 24,
    /* SQLite's WAL_WRITE_LOCK: part of its file format, as the frame is. */
    WRITE_LOCK = 0,
};

/* What the last write to a log was. */
enum last { OTHER, HEADER, LAST_HEADER };

struct log {
    /* First, for the file's pMethods points here: the way from a file to this. */
    sqlite3_io_methods methods;
    const sqlite3_io_methods *below;
    struct database *database;
    /* Sealed records and SQLite's own numbers, as on the disk: never wiped. */
    char *buffer;
    int used;
    /* Where the buffer belongs in the file, and where the last write ended. */
    sqlite3_int64 start, next;
    enum last last;
    /* The connection has the lock to write. */
    int writing;
    /* Why frames of this transaction were lost, from `start` on. */
    int failed;
};

struct database {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *below;
    struct log *log;
};

struct vfs {
    sqlite3_vfs base;
    sqlite3_vfs *below;
    char name[];
};

static struct log *log_of(sqlite3_file *file) { return (struct log *)file->pMethods; }

/* A transaction that lost frames must not commit: SQLite may have been told in
 * the course of a read, after which it would go on. */
static int hand_down(sqlite3_file *file) {
    struct log *log = log_of(file);
    if (log->failed != SQLITE_OK || log->used == 0) return log->failed;
    int bytes = log->used;
    log->used = 0;
    log->failed = log->below->xWrite(file, log->buffer, bytes, log->start);
    return log->failed;
}

/* What the lock protected is over. Frames still held were rolled back, and once
 * the lock is gone their place may be another's. */
static void end_transaction(struct log *log) {
    if (log->used > 0 || log->failed != SQLITE_OK) log->next = -1;
    log->used = 0;
    log->failed = SQLITE_OK;
    log->writing = 0;
}

/* Takes in what continues the frames held, if there is room. */
static int gather(struct log *log, const void *from, int bytes, sqlite3_int64 at) {
    if (log->buffer == NULL) log->buffer = sqlite3_malloc(CAPACITY);
    if (log->buffer == NULL || bytes > CAPACITY - log->used) return 0;
    if (log->used == 0) log->start = at;
    memcpy(log->buffer + log->used, from, (size_t)bytes);
    log->used += bytes;
    return 1;
}

/* The header of a transaction's last frame holds the database's size in pages. */
static enum last kind(const unsigned char *from, int bytes) {
    static const unsigned char none[4];
    if (bytes != FRAME_HEADER) return OTHER;
    return memcmp(from + 4, none, sizeof none) == 0 ? HEADER : LAST_HEADER;
}

/* Joins a header that continues the log, and the page that continues the header.
 * All else goes down as it comes: the log's own header, and what SQLite writes
 * anew in the frames of a transaction that did not fit its cache. */
static int log_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at) {
    struct log *log = log_of(file);
    if (log->failed != SQLITE_OK) return log->failed;
    int continues = at == log->next;
    enum last header = continues ? log->last : OTHER;
    log->last = header == OTHER ? kind(from, bytes) : OTHER;
    log->next = at + bytes;
    int is_frame = continues && (header != OTHER || log->last != OTHER);
    if (log->writing && is_frame) {
        if (bytes > CAPACITY - log->used && hand_down(file) != SQLITE_OK) return log->failed;
        if (gather(log, from, bytes, at)) return header == LAST_HEADER ? hand_down(file) : SQLITE_OK;
    }
    int code = hand_down(file);
    return code == SQLITE_OK ? log->below->xWrite(file, from, bytes, at) : code;
}

/* Of lost frames nothing is read: what is in their place in the file is older. */
static int log_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at) {
    struct log *log = log_of(file);
    if (at + bytes > log->start && hand_down(file) != SQLITE_OK) return log->failed;
    return log->below->xRead(file, to, bytes, at);
}

static int log_sync(sqlite3_file *file, int flags) {
    int code = hand_down(file);
    return code == SQLITE_OK ? log_of(file)->below->xSync(file, flags) : code;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int code = hand_down(file);
    return code == SQLITE_OK ? log_of(file)->below->xTruncate(file, size) : code;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size) {
    int code = hand_down(file);
    return code == SQLITE_OK ? log_of(file)->below->xFileSize(file, size) : code;
}

static int log_control(sqlite3_file *file, int operation, void *argument) {
    int code = hand_down(file);
    return code == SQLITE_OK ? log_of(file)->below->xFileControl(file, operation, argument) : code;
}

static int log_close(sqlite3_file *file) {
    struct log *log = log_of(file);
    end_transaction(log);
    sqlite3_free(log->buffer);
    if (log->database != NULL) log->database->log = NULL;
    file->pMethods = log->below;
    return log->below->xClose(file);
}

/* SQLite takes and lets go of the locks of a log on the database file. With
 * locking_mode=EXCLUSIVE it does not, and nothing is gathered. */
static int database_lock(sqlite3_file *file, int first, int count, int flags) {
    struct database *database = (struct database *)file->pMethods;
    struct log *log = first == WRITE_LOCK ? database->log : NULL;
    if (log != NULL && (flags & SQLITE_SHM_UNLOCK)) end_transaction(log);
    int code = database->below->xShmLock(file, first, count, flags);
    if (log != NULL && code == SQLITE_OK && (flags & SQLITE_SHM_LOCK)) log->writing = 1;
    return code;
}

static void wrap_database(sqlite3_file *file, struct database *database) {
    *database = (struct database){.methods = *file->pMethods, .below = file->pMethods};
    database->methods.xShmLock = database_lock;
    file->pMethods = &database->methods;
}

static void wrap_log(sqlite3_file *file, struct log *log, sqlite3_file *of) {
    *log = (struct log){.methods = *file->pMethods, .below = file->pMethods, .next = -1};
    log->database = (struct database *)of->pMethods;
    log->database->log = log;
    /* Without the calls that map a file into memory: they would pass the buffer by. */
    log->methods.iVersion = 1;
    log->methods.xClose = log_close;
    log->methods.xRead = log_read;
    log->methods.xWrite = log_write;
    log->methods.xTruncate = log_truncate;
    log->methods.xSync = log_sync;
    log->methods.xFileSize = log_size;
    log->methods.xFileControl = log_control;
    file->pMethods = &log->methods;
}

/* Without the promise that a write harms no byte beside it, SQLite pads commits
 * and splits frames, which are then not known by their size. */
static int can_gather(sqlite3_file *database) {
    const sqlite3_io_methods *methods = database->pMethods;
    return methods != NULL && methods->iVersion >= 2 && methods->xShmLock == database_lock &&
           (methods->xDeviceCharacteristics(database) & SQLITE_IOCAP_POWERSAFE_OVERWRITE);
}

static int round_up(int bytes) { return (bytes + 7) & ~7; }

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
    sqlite3_vfs *below = ((struct vfs *)vfs)->below;
    void *ours = (char *)file + round_up(below->szOsFile);
    file->pMethods = NULL;
    int code = below->xOpen(below, path, file, flags, out);
    if (code != SQLITE_OK) return code;
    if ((flags & SQLITE_OPEN_MAIN_DB) && file->pMethods->iVersion >= 2) wrap_database(file, ours);
    if (flags & SQLITE_OPEN_WAL) {
        sqlite3_file *database = sqlite3_database_file_object(path);
        if (can_gather(database)) wrap_log(file, ours, database);
    }
    return SQLITE_OK;
}

static int add_vfs(const char *name, const char *below_name) {
    if (sqlite3_vfs_find(name) != NULL) return SQLITE_OK;
    sqlite3_vfs *below = sqlite3_vfs_find(below_name);
    if (below == NULL) return SQLITE_NOTFOUND;
    struct vfs *vfs = sqlite3_malloc((int)(sizeof *vfs + strlen(name) + 1));
    if (vfs == NULL) return SQLITE_NOMEM;
    strcpy(vfs->name, name);
    vfs->below = below;
    vfs->base = *below;
    vfs->base.pNext = NULL;
    vfs->base.zName = vfs->name;
    vfs->base.szOsFile = round_up(below->szOsFile) + (int)sizeof(struct log);
    vfs->base.xOpen = vfs_open;
    return sqlite3_vfs_register(&vfs->base, 0);
}

int coffer_sqlite_add_log_vfs(const char *name, const char *below) {
    int code = sqlite3_initialize();
    if (code != SQLITE_OK) return code;
    sqlite3_mutex *mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    sqlite3_mutex_enter(mutex);
    code = add_vfs(name, below);
    sqlite3_mutex_leave(mutex);
    return code;
}
