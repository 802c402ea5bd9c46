#define _DEFAULT_SOURCE

#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Memory ---- */

typedef struct block {
    struct block *next;
    max_align_t bytes[];
} block;

static block *blocks;

void *scratch(size_t size) {
    block *made = calloc(1, sizeof *made + size);
    if (made == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    made->next = blocks;
    blocks = made;
    return made->bytes;
}

void scratch_free(void) {
    while (blocks != NULL) {
        block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

/* ---- Lines ---- */

static bool add_pair(pairs *to, char *token) {
    char *equals = strchr(token, '=');
    if (equals == NULL || to->count == most_pairs) return false;
    *equals = '\0';
    to->keys[to->count] = token;
    to->values[to->count] = equals + 1;
    to->used[to->count++] = false;
    return true;
}

/* The first token becomes *name, the others pairs. */
static bool parse_side(char *side, const char **name, pairs *to) {
    char *rest = NULL;
    *name = strtok_r(side, " ", &rest);
    to->count = 0;
    for (char *token; (token = strtok_r(NULL, " ", &rest)) != NULL;) {
        if (!add_pair(to, token)) return false;
    }
    return *name != NULL;
}

bool parse_case(char *line, test_case *parsed) {
    static const char arrow[] = " => ";
    char *right = strstr(line, arrow);
    if (right == NULL) return false;
    *right = '\0';
    return parse_side(line, &parsed->method, &parsed->request) &&
           parse_side(right + sizeof arrow - 1, &parsed->status, &parsed->wanted);
}

const char *take(pairs *from, const char *key) {
    for (size_t index = 0; index < from->count; index++) {
        if (strcmp(from->keys[index], key) == 0) {
            from->used[index] = true;
            return from->values[index];
        }
    }
    return NULL;
}

uint64_t take_number(pairs *from, const char *key, uint64_t otherwise) {
    const char *value = take(from, key);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

const char *unused(const pairs *from) {
    for (size_t index = 0; index < from->count; index++) {
        if (!from->used[index]) return from->keys[index];
    }
    return NULL;
}

/* ---- Percent-encoding ---- */

static int digit(char character) {
    static const char digits[] = "0123456789ABCDEF";
    const char *found = character == '\0' ? NULL : strchr(digits, character);
    return found == NULL ? 0 : (int)(found - digits);
}

char *unescape(const char *text, const char *end, size_t *size) {
    char *decoded = scratch((size_t)(end - text) + 1);
    *size = 0;
    while (text < end) {
        bool escaped = *text == '%' && end - text >= 3;
        int byte = escaped ? digit(text[1]) << 4 | digit(text[2]) : *text;
        decoded[(*size)++] = (char)byte;
        text += escaped ? 3 : 1;
    }
    return decoded;
}

const char *unescape_text(const char *text) {
    size_t size;
    return text == NULL ? "" : unescape(text, text + strlen(text), &size);
}

const char *escape(const char *text) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";
    char *encoded = scratch(3 * strlen(text) + 1);
    size_t size = 0;
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            encoded[size++] = *text;
        } else {
            snprintf(encoded + size, 4, "%%%02X", (unsigned char)*text);
            size += 3;
        }
    }
    return encoded;
}

/* ---- Versions ---- */

enum { most_versions = 64 };

static struct {
    char name[32];
    char version[129];
} saved[most_versions];
static size_t saved_count;

void save_version(const char *name, const char *version) {
    size_t index = 0;
    while (index < saved_count && strcmp(saved[index].name, name) != 0) index++;
    if (index == most_versions) {
        fprintf(stderr, "more than %d saved versions\n", most_versions);
        exit(2);
    }
    if (index == saved_count) saved_count++;
    snprintf(saved[index].name, sizeof saved[index].name, "%s", name);
    snprintf(saved[index].version, sizeof saved[index].version, "%s", version);
}

const char *resolve_version(const char *value) {
    if (value[0] != '@') return unescape_text(value);
    for (size_t index = 0; index < saved_count; index++) {
        if (strcmp(saved[index].name, value + 1) == 0) return saved[index].version;
    }
    return NULL;
}
