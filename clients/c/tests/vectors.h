/* The golden frames of proto/vectors; its README.md specifies the format. */
#ifndef COFFER_VECTORS_H
#define COFFER_VECTORS_H

#include <stddef.h>
#include <stdint.h>

typedef struct vector {
    char *line;
    const char *name;
    uint8_t *bytes;
    size_t size;
    /* All after "=> ". */
    const char *outcome;
} vector;

/* Calls `each` for every vector of the file; returns how many there were. */
size_t for_each_vector(const char *file, void (*each)(const vector *one));

/* The value of the first " KEY=" in an outcome, up to the next space, in a
 * buffer that the next call uses again; NULL if there is none. */
const char *outcome_value(const vector *one, const char *key);

#endif
