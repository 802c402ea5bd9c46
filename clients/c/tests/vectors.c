#define _DEFAULT_SOURCE

#include "vectors.h"

#include <sys/types.h>

#include "check.h"

static unsigned nibble(char digit) {
    CHECK((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f'));
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* Appends one piece, HEX or HEX*TIMES, or counts it if there are no bytes. */
static size_t append_piece(const char *piece, const char *end, uint8_t *bytes, size_t size) {
    const char *star = memchr(piece, '*', (size_t)(end - piece));
    size_t times = star == NULL ? 1 : strtoull(star + 1, NULL, 10);
    size_t length = (size_t)((star == NULL ? end : star) - piece) / 2;
    for (size_t index = 0; bytes != NULL && index < times * length; index++) {
        const char *digits = piece + 2 * (index % length);
        bytes[size + index] = (uint8_t)(nibble(digits[0]) << 4 | nibble(digits[1]));
    }
    return size + times * length;
}

static size_t decode_bytes(const char *text, uint8_t *bytes) {
    size_t size = 0;
    while (*text != '\0') {
        const char *end = text + strcspn(text, "+");
        size = append_piece(text, end, bytes, size);
        text = *end == '+' ? end + 1 : end;
    }
    return size;
}

static void parse(vector *one, char *line) {
    char *bytes = strchr(line, ' ');
    CHECK(bytes != NULL);
    *bytes++ = '\0';
    char *arrow = strstr(bytes, " => ");
    CHECK(arrow != NULL);
    *arrow = '\0';
    one->line = line;
    one->name = line;
    one->outcome = arrow + 4;
    one->size = decode_bytes(bytes, NULL);
    one->bytes = malloc(one->size + 1);
    CHECK(one->bytes != NULL);
    decode_bytes(bytes, one->bytes);
}

size_t for_each_vector(const char *file, void (*each)(const vector *one)) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", VECTORS, file);
    FILE *stream = fopen(path, "r");
    CHECK(stream != NULL);
    char *line = NULL;
    size_t capacity = 0, count = 0;
    for (ssize_t length; (length = getline(&line, &capacity, stream)) > 0;) {
        if (line[length - 1] == '\n') line[length - 1] = '\0';
        if (line[0] == '\0' || line[0] == '#') continue;
        vector one;
        parse(&one, line);
        each(&one);
        free(one.bytes);
        count++;
    }
    free(line);
    fclose(stream);
    return count;
}

const char *outcome_value(const vector *one, const char *key) {
    static char value[256];
    size_t length = strlen(key);
    for (const char *at = one->outcome; (at = strstr(at, key)) != NULL; at += length) {
        if (at == one->outcome || at[-1] != ' ' || at[length] != '=') continue;
        size_t size = strcspn(at + length + 1, " ");
        CHECK(size < sizeof value);
        memcpy(value, at + length + 1, size);
        value[size] = '\0';
        return value;
    }
    return NULL;
}
