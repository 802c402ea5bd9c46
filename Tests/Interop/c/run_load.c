/* Gets and stores on libcoffer, a client for each thread, while somebody stops, kills and starts the
 * daemon: see load.py. The library leaves it to the program to repeat a get that was sent and not
 * answered; this one does so for as long as a daemon may take to come back. */
#define _DEFAULT_SOURCE
#include <coffer/coffer.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { readers = 16, writers = 6, keys = 8, most_possible = 4096, patience_seconds = 60 };

static const char *path, *until;
static long wanted_gets;
static atomic_long gets, repeated, stores, ambiguous, problems;
static atomic_bool over;

static void complain(const char *what, const char *why) {
    if (atomic_fetch_add(&problems, 1) < 20) printf("FAIL %s: %s\n", what, why);
}

static coffer_client *open_client(void) {
    coffer_options options = {.socket_path = path, .timeout_ms = 60000};
    coffer_client *client = coffer_open(&options);
    if (client == NULL) abort();
    return client;
}

static void pause_ms(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* NULL, with a complaint, if there is no answer in all that time. */
static coffer_record *get(coffer_client *client, const char *name, const coffer_get_options *options) {
    coffer_record *record = NULL;
    time_t end = time(NULL) + patience_seconds;
    while (coffer_get(client, "load", name, options, &record) != COFFER_OK) {
        if (coffer_error_may_have_happened(client)) complain(name, "a get is said to have written");
        if (coffer_error_status(client) != COFFER_UNAVAILABLE || !coffer_error_retryable(client) ||
            time(NULL) > end) {
            complain(name, coffer_error_message(client));
            return NULL;
        }
        atomic_fetch_add(&repeated, 1);
        pause_ms(5);
    }
    return record;
}

static bool holds(const coffer_record *record, const char *text) {
    size_t size = strlen(text);
    return coffer_record_size(record) == size &&
           memcmp(coffer_record_credential(record), text, size) == 0;
}

static void *read_records(void *number) {
    coffer_client *client = open_client();
    char name[32], value[32];
    snprintf(name, sizeof name, "read-%zu", (size_t)number % keys);
    snprintf(value, sizeof value, "value-%zu", (size_t)number % keys);
    while (!atomic_load(&over)) {
        coffer_record *record = get(client, name, NULL);
        if (record != NULL && !holds(record, value)) complain(name, "it is another record");
        if (record != NULL) atomic_fetch_add(&gets, 1);
        coffer_record_free(record);
    }
    coffer_close(client);
    return NULL;
}

/* One record and its one writer: what it may hold. */
static void *write_record(void *number) {
    coffer_client *client = open_client();
    char name[32], value[32];
    static const coffer_get_options fresh = {.max_age_ms = 0, .has_max_age = true};
    long possible[most_possible];
    size_t count = 0;
    snprintf(name, sizeof name, "write-%zu", (size_t)number);
    for (long next = 1; count == 0 || !atomic_load(&over); next++) {
        snprintf(value, sizeof value, "%ld", next);
        coffer_status status = coffer_store(client, "load", name, value, strlen(value), NULL, NULL);
        if (status == COFFER_OK) count = 0;
        if (status == COFFER_OK || coffer_error_may_have_happened(client)) {
            if (count == most_possible) abort();
            possible[count++] = next;
        } else {
            pause_ms(1);
        }
        if (status != COFFER_OK && coffer_error_may_have_happened(client)) {
            atomic_fetch_add(&ambiguous, 1);
        }
        atomic_fetch_add(&stores, 1);
    }
    coffer_record *record = get(client, name, &fresh);
    bool found = record == NULL;
    for (size_t index = 0; index < count && !found; index++) {
        snprintf(value, sizeof value, "%ld", possible[index]);
        found = holds(record, value);
    }
    if (!found) complain(name, "it holds what no store can have left");
    coffer_record_free(record);
    coffer_close(client);
    return NULL;
}

static bool make_records(void) {
    coffer_client *client = open_client();
    bool made = true;
    for (int key = 0; key < keys; key++) {
        char name[32], value[32];
        snprintf(name, sizeof name, "read-%d", key);
        snprintf(value, sizeof value, "value-%d", key);
        if (coffer_store(client, "load", name, value, strlen(value), NULL, NULL) == COFFER_OK) continue;
        complain(name, coffer_error_message(client));
        made = false;
    }
    coffer_close(client);
    char ready[4096];
    snprintf(ready, sizeof ready, "%s.ready", until);
    FILE *file = made ? fopen(ready, "w") : NULL;
    return file != NULL && fclose(file) == 0;
}

int main(int count, char **arguments) {
    for (int index = 1; index + 1 < count; index += 2) {
        if (strcmp(arguments[index], "--socket") == 0) path = arguments[index + 1];
        if (strcmp(arguments[index], "--gets") == 0) wanted_gets = atol(arguments[index + 1]);
        if (strcmp(arguments[index], "--until") == 0) until = arguments[index + 1];
    }
    if (path == NULL || until == NULL) {
        fputs("usage: run_load --socket PATH --gets N --until FILE\n", stderr);
        return 2;
    }
    if (!make_records()) return 1;
    pthread_t threads[readers + writers];
    for (size_t index = 0; index < readers + writers; index++) {
        void *(*body)(void *) = index < readers ? read_records : write_record;
        if (pthread_create(&threads[index], NULL, body, (void *)index) != 0) abort();
    }
    while (access(until, F_OK) != 0 || atomic_load(&gets) < wanted_gets) pause_ms(20);
    atomic_store(&over, true);
    for (size_t index = 0; index < readers + writers; index++) pthread_join(threads[index], NULL);
    printf("%ld gets, %ld repetitions of gets, %ld stores, %ld of them ambiguous\n", gets, repeated, stores, ambiguous);
    printf("%ld passed, %ld failed\n", gets + stores, problems);
    return problems == 0 ? 0 : 1;
}
