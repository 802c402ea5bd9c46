/* The lines of a case file: tokens, percent-encoding, saved versions. */
#ifndef COFFER_CASES_H
#define COFFER_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { most_pairs = 40 };

/* key=value tokens of one side of a case. */
typedef struct pairs {
    size_t count;
    const char *keys[most_pairs];
    const char *values[most_pairs];
    bool used[most_pairs];
} pairs;

typedef struct test_case {
    const char *method;
    const char *status;
    pairs request;
    pairs wanted;
} test_case;

/* Cuts `line` into its tokens, in place. False: the line is not a case. */
bool parse_case(char *line, test_case *parsed);

/* The value of a key, marked as used; NULL if there is none. */
const char *take(pairs *from, const char *key);

/* The number that a key has, or `otherwise`. */
uint64_t take_number(pairs *from, const char *key, uint64_t otherwise);

/* The first key that nobody took, or NULL. */
const char *unused(const pairs *from);

/* Percent-decodes up to `end`. The result ends with a NUL that does not count
 * and belongs to the runner until the next case. */
char *unescape(const char *text, const char *end, size_t *size);

/* The same for text; "" for NULL. */
const char *unescape_text(const char *text);

/* Percent-encodes; belongs to the runner until the next case. */
const char *escape(const char *text);

/* A block of zeros that belongs to the runner until the next case. */
void *scratch(size_t size);
void scratch_free(void);

/* Keeps a version under a name, for ever. */
void save_version(const char *name, const char *version);

/* The version that a value means: `@NAME` a kept one (NULL if none is), else
 * the value's text. */
const char *resolve_version(const char *value);

#endif
