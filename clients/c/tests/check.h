/* Checks that end the test program; fit for threads. */
#ifndef COFFER_CHECK_H
#define COFFER_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: in %s: %s\n", __FILE__, __LINE__, __func__, #condition); \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

#define CHECK_TEXT(expected, actual)                                                      \
    do {                                                                                  \
        const char *expected_text = (expected), *actual_text = (actual);                  \
        if (actual_text == NULL || strcmp(expected_text, actual_text) != 0) {             \
            fprintf(                                                                      \
                stderr, "%s:%d: in %s: expected \"%s\", got \"%s\"\n", __FILE__, __LINE__, \
                __func__, expected_text, actual_text == NULL ? "(NULL)" : actual_text);   \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

#define CHECK_STATUS(expected, actual) \
    CHECK_TEXT(coffer_status_name(expected), coffer_status_name(actual))

/* One test of a program: its name is printed, so that a hang can be placed. */
#define RUN(test)        \
    do {                 \
        puts(#test);     \
        fflush(stdout);  \
        test();          \
    } while (0)

#endif
