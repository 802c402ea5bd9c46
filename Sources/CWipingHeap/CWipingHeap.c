#define _GNU_SOURCE
#include "CWipingHeap.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void (*release_function)(void *);

/* The C library's, or that of an allocator which was preloaded. */
static release_function find_release(void) {
    static _Atomic(release_function) found;
    static _Thread_local bool looking;
    release_function release = atomic_load_explicit(&found, memory_order_acquire);
    if (release != NULL) return release;
    /* What the search itself gives back is lost. */
    if (looking) return NULL;
    looking = true;
    release = (release_function)dlsym(RTLD_NEXT, "free");
    looking = false;
    /* Without one, all that is ever freed would be lost. */
    if (release == NULL) abort();
    atomic_store_explicit(&found, release, memory_order_release);
    return release;
}

/* What glibc leaves in the second word of what was given back, by which it finds out that it is given
 * back again; 0 = the allocator does no such thing. */
static uintptr_t find_mark(release_function release) {
    uintptr_t marks[2];
    for (int i = 0; i < 2; i++) {
        volatile uintptr_t *words = malloc(3 * sizeof(uintptr_t));
        if (words == NULL) return 0;
        words[0] = words[1] = words[2] = 0;
        release((void *)words);
        marks[i] = words[1];
    }
    return marks[0] == marks[1] ? marks[0] : 0;
}

static uintptr_t mark_of(release_function release) {
    static _Atomic(uintptr_t) found;
    static _Atomic(bool) known;
    if (!atomic_load_explicit(&known, memory_order_acquire)) {
        atomic_store_explicit(&found, find_mark(release), memory_order_relaxed);
        atomic_store_explicit(&known, true, memory_order_release);
    }
    return atomic_load_explicit(&found, memory_order_relaxed);
}

void free(void *memory) {
    if (memory == NULL) return;
    int saved = errno;
    release_function first = find_release();
    uintptr_t mark = first == NULL ? 0 : mark_of(first);
    size_t bytes = malloc_usable_size(memory);
    /* It bears the mark of what was given back already: wiped, nothing would tell the allocator. */
    if (mark == 0 || bytes < 2 * sizeof(uintptr_t) || ((uintptr_t *)memory)[1] != mark) {
        explicit_bzero(memory, bytes);
    }
    release_function release = find_release();
    if (release != NULL) release(memory);
    errno = saved;
}

/* Never the library's, which leaves behind what it has moved. */
void *realloc(void *memory, size_t bytes) {
    if (memory == NULL) return malloc(bytes);
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    size_t before = malloc_usable_size(memory);
    if (bytes <= before && bytes >= before / 2) return memory;
    void *moved = malloc(bytes);
    if (moved == NULL) return NULL;
    memcpy(moved, memory, before < bytes ? before : bytes);
    free(memory);
    return moved;
}
