#include "CFaultyVFS.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

struct tag {
    char text[128];
    enum coffer_fault fault;
    int hits;
    struct coffer_log_writes writes;
};

/* Tags are never removed, so files may point to theirs. */
static struct tag tags[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static sqlite3_vfs *real;
static sqlite3_vfs faulty;

/* The real file follows in the same allocation. */
struct file {
    sqlite3_file base;
    struct tag *tag;
    int is_log;
};

static sqlite3_file *inner(sqlite3_file *file) { return (sqlite3_file *)((struct file *)file + 1); }

static struct tag *find(const char *text) {
    for (int i = 0; i < 64; i++)
        if (tags[i].text[0] && strcmp(tags[i].text, text) == 0) return &tags[i];
    return NULL;
}

void coffer_faulty_set(const char *text, enum coffer_fault fault) {
    pthread_mutex_lock(&lock);
    struct tag *tag = find(text);
    for (int i = 0; !tag && i < 64; i++)
        if (!tags[i].text[0]) {
            tag = &tags[i];
            strncpy(tag->text, text, sizeof tag->text - 1);
        }
    if (tag) tag->fault = fault;
    pthread_mutex_unlock(&lock);
}

int coffer_faulty_hits(const char *text) {
    pthread_mutex_lock(&lock);
    struct tag *tag = find(text);
    int hits = tag ? tag->hits : -1;
    pthread_mutex_unlock(&lock);
    return hits;
}

struct coffer_log_writes coffer_faulty_log_writes(const char *text) {
    struct coffer_log_writes writes = {0};
    pthread_mutex_lock(&lock);
    struct tag *tag = find(text);
    if (tag) writes = tag->writes;
    pthread_mutex_unlock(&lock);
    return writes;
}

static void count(sqlite3_file *file, int bytes) {
    struct tag *tag = ((struct file *)file)->tag;
    if (!tag || !((struct file *)file)->is_log) return;
    pthread_mutex_lock(&lock);
    tag->writes.calls++;
    tag->writes.bytes += bytes;
    if (bytes > tag->writes.largest) tag->writes.largest = bytes;
    pthread_mutex_unlock(&lock);
}

static int fails(sqlite3_file *file, enum coffer_fault fault) {
    struct tag *tag = ((struct file *)file)->tag;
    if (!tag) return 0;
    pthread_mutex_lock(&lock);
    int yes = tag->fault == fault;
    if (yes) tag->hits++;
    pthread_mutex_unlock(&lock);
    return yes;
}

static int file_close(sqlite3_file *f) { return inner(f)->pMethods->xClose(inner(f)); }

static int file_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) {
    if (fails(f, COFFER_FAULT_READ)) return SQLITE_IOERR_READ;
    return inner(f)->pMethods->xRead(inner(f), to, n, at);
}

static int file_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) {
    if (fails(f, COFFER_FAULT_FULL)) return SQLITE_FULL;
    if (fails(f, COFFER_FAULT_WRITE)) return SQLITE_IOERR_WRITE;
    count(f, n);
    return inner(f)->pMethods->xWrite(inner(f), from, n, at);
}

static int file_sync(sqlite3_file *f, int flags) {
    if (fails(f, COFFER_FAULT_SYNC)) return SQLITE_IOERR_FSYNC;
    if (fails(f, COFFER_FAULT_SLOW)) sleep(2);
    return inner(f)->pMethods->xSync(inner(f), flags);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
    return inner(f)->pMethods->xTruncate(inner(f), size);
}
static int file_size(sqlite3_file *f, sqlite3_int64 *size) {
    return inner(f)->pMethods->xFileSize(inner(f), size);
}
static int file_lock(sqlite3_file *f, int level) { return inner(f)->pMethods->xLock(inner(f), level); }
static int file_unlock(sqlite3_file *f, int level) { return inner(f)->pMethods->xUnlock(inner(f), level); }
static int file_reserved(sqlite3_file *f, int *out) {
    return inner(f)->pMethods->xCheckReservedLock(inner(f), out);
}
static int file_control(sqlite3_file *f, int op, void *arg) {
    return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}
static int file_sector(sqlite3_file *f) { return inner(f)->pMethods->xSectorSize(inner(f)); }
static int file_traits(sqlite3_file *f) { return inner(f)->pMethods->xDeviceCharacteristics(inner(f)); }
static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
    return inner(f)->pMethods->xShmMap(inner(f), page, size, extend, out);
}
static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}
static void file_shm_barrier(sqlite3_file *f) { inner(f)->pMethods->xShmBarrier(inner(f)); }
static int file_shm_unmap(sqlite3_file *f, int remove) {
    return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int faulty_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
    (void)vfs;
    file->pMethods = NULL;
    int code = real->xOpen(real, path, inner(file), flags, out);
    if (code != SQLITE_OK) return code;
    struct tag *found = NULL;
    pthread_mutex_lock(&lock);
    for (int i = 0; path && i < 64; i++)
        if (tags[i].text[0] && strstr(path, tags[i].text)) found = &tags[i];
    pthread_mutex_unlock(&lock);
    ((struct file *)file)->tag = found;
    ((struct file *)file)->is_log = (flags & SQLITE_OPEN_WAL) != 0;
    file->pMethods = &methods;
    return SQLITE_OK;
}

int coffer_faulty_register(void) {
    int code = sqlite3_initialize();
    if (code != SQLITE_OK) return code;
    pthread_mutex_lock(&lock);
    if (!real) {
        real = sqlite3_vfs_find("unix-excl");
        if (real) {
            faulty = *real;
            faulty.zName = "coffer-faulty";
            faulty.szOsFile = (int)sizeof(struct file) + real->szOsFile;
            faulty.xOpen = faulty_open;
            code = sqlite3_vfs_register(&faulty, 0);
        } else {
            code = SQLITE_NOTFOUND;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}
