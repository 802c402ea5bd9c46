/* Memory that is overwritten before it goes back to where it came from. */
#ifndef COFFER_MEMORY_H
#define COFFER_MEMORY_H

#include <protobuf-c/protobuf-c.h>

#include "coffer/coffer.h"

/* Copied by value into every result, so that results outlive the client. */
typedef struct coffer_memory {
    coffer_allocator allocator;
} coffer_memory;

/* NULL = malloc and free. */
coffer_memory coffer_memory_make(const coffer_allocator *allocator);

/* A block of zeros aligned for any type, or NULL. */
void *coffer_memory_allocate(const coffer_memory *memory, size_t size);

/* Overwrites the whole block and gives it back. Takes NULL. */
void coffer_memory_release(const coffer_memory *memory, void *block);

/* Overwrites bytes in a way the compiler keeps. */
void coffer_memory_wipe(void *bytes, size_t size);

/* What protobuf-c allocates from while it decodes one message: `remaining`
 * bytes at most, for it turns small inputs into large trees. */
typedef struct coffer_budget {
    ProtobufCAllocator base;
    const coffer_memory *memory;
    size_t remaining;
} coffer_budget;

void coffer_budget_init(coffer_budget *budget, const coffer_memory *memory, size_t bytes);

/* Frees a message that was decoded with this memory. Takes NULL. */
void coffer_message_free(const coffer_memory *memory, ProtobufCMessage *message);

#endif
