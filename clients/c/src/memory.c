#define _DEFAULT_SOURCE

#include "memory.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* Before each block: free() is not told a size, but wiping needs it. */
typedef struct block_header {
    alignas(max_align_t) size_t size;
} block_header;

static void *default_allocate(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void default_release(void *context, void *block) {
    (void)context;
    free(block);
}

coffer_memory coffer_memory_make(const coffer_allocator *allocator) {
    coffer_memory memory = {{default_allocate, default_release, NULL}};
    if (allocator != NULL) memory.allocator = *allocator;
    return memory;
}

void *coffer_memory_allocate(const coffer_memory *memory, size_t size) {
    const coffer_allocator *allocator = &memory->allocator;
    if (size > SIZE_MAX - sizeof(block_header)) return NULL;
    block_header *block = allocator->allocate(allocator->context, sizeof(block_header) + size);
    if (block == NULL) return NULL;
    block->size = size;
    return memset(block + 1, 0, size);
}

void coffer_memory_release(const coffer_memory *memory, void *block) {
    const coffer_allocator *allocator = &memory->allocator;
    if (block == NULL) return;
    block_header *header = (block_header *)block - 1;
    coffer_memory_wipe(block, header->size);
    allocator->release(allocator->context, header);
}

void coffer_memory_wipe(void *bytes, size_t size) {
    if (size > 0) explicit_bzero(bytes, size);
}

static void *budget_allocate(void *data, size_t size) {
    coffer_budget *budget = data;
    if (size > budget->remaining) return NULL;
    void *block = coffer_memory_allocate(budget->memory, size);
    if (block != NULL) budget->remaining -= size;
    return block;
}

static void budget_release(void *data, void *block) {
    coffer_budget *budget = data;
    coffer_memory_release(budget->memory, block);
}

void coffer_budget_init(coffer_budget *budget, const coffer_memory *memory, size_t bytes) {
    budget->base = (ProtobufCAllocator){budget_allocate, budget_release, budget};
    budget->memory = memory;
    budget->remaining = bytes;
}

void coffer_message_free(const coffer_memory *memory, ProtobufCMessage *message) {
    coffer_budget budget;
    coffer_budget_init(&budget, memory, 0);
    protobuf_c_message_free_unpacked(message, &budget.base);
}
