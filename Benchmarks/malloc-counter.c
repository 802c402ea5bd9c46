/* Counts the heap allocations of a process. Preload it and name a file:
 *
 *     cc -O2 -shared -fPIC -o malloc-counter.so malloc-counter.c
 *     COFFER_MALLOC_COUNTER=/tmp/count LD_PRELOAD=./malloc-counter.so cofferd …
 *
 * The file then holds, at any time, five 64-bit numbers in the machine's byte
 * order: calls of malloc, calloc, realloc, of the aligned forms, and of free
 * with a pointer. Threads add to them without a lock. A child of the process
 * that is preloaded too starts the file anew. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names, which no preloaded object replaces: no dlsym, which would
 * allocate by itself. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

struct counters {
    _Atomic uint64_t malloc, calloc, realloc, aligned, free;
};

/* Calls before the file is there are counted here, and stay here. */
static struct counters early;
static struct counters *_Atomic counters = &early;

static void count(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

__attribute__((constructor)) static void map_counters(void) {
    const char *path = getenv("COFFER_MALLOC_COUNTER");
    if (path == NULL) return;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return;
    if (ftruncate(fd, sizeof early) == 0) {
        void *map = mmap(NULL, sizeof early, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) counters = map;
    }
    close(fd);
}

void *malloc(size_t size) {
    count(&counters->malloc);
    return __libc_malloc(size);
}

void *calloc(size_t items, size_t size) {
    count(&counters->calloc);
    return __libc_calloc(items, size);
}

void *realloc(void *old, size_t size) {
    count(&counters->realloc);
    return __libc_realloc(old, size);
}

void free(void *memory) {
    if (memory != NULL) count(&counters->free);
    __libc_free(memory);
}

void *memalign(size_t alignment, size_t size) {
    count(&counters->aligned);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *memory = memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *result = memory;
    return 0;
}
