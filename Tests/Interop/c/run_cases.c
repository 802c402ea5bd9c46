/*
 * Runs the cases of a file against a live daemon with an empty vault.
 *
 *     run_cases --socket PATH CASES
 *
 * Prints a line for each failing case and at the end "N passed, N failed".
 */
#define _DEFAULT_SOURCE

#include <coffer/coffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cases.h"

/* Why the case at hand failed; empty while it holds. */
static char complaint[512];

__attribute__((format(printf, 2, 3))) static void expect(bool holds, const char *format, ...) {
    if (holds || complaint[0] != '\0') return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
}

static void expect_text(const char *name, const char *expected, const char *actual) {
    expect(
        expected == NULL || (actual != NULL && strcmp(expected, actual) == 0),
        "%s: expected %.100s, got %.100s", name, expected, actual == NULL ? "nothing" : actual);
}

/* The bytes of value= or fill=; NULL if there is neither. */
static const char *take_credential(pairs *from, size_t *size) {
    const char *value = take(from, "value");
    const char *count = take(from, "fill");
    if (value != NULL) return unescape(value, value + strlen(value), size);
    if (count == NULL) return NULL;
    *size = strtoull(count, NULL, 10);
    char *bytes = scratch(*size + 1);
    for (size_t index = 0; index < *size; index++) bytes[index] = (char)(index * 31 + 7);
    return bytes;
}

static const char *take_text(pairs *from, const char *key) {
    return unescape_text(take(from, key));
}

static const char *take_version(pairs *from, const char *key) {
    const char *value = take(from, key);
    if (value == NULL) return NULL;
    const char *version = resolve_version(value);
    expect(version != NULL, "no version was saved as %.64s", value);
    return version;
}

static coffer_get_options take_get_options(pairs *from) {
    const char *max_age = take(from, "max_age");
    if (max_age == NULL) return (coffer_get_options){0};
    return (coffer_get_options){true, strtoull(max_age, NULL, 10)};
}

/* Every label.NAME=, marked as used; room for most_pairs. Returns how many. */
static size_t take_labels(pairs *from, coffer_label *labels) {
    size_t count = 0;
    for (size_t index = 0; index < from->count; index++) {
        if (strncmp(from->keys[index], "label.", 6) != 0) continue;
        from->used[index] = true;
        labels[count++] = (coffer_label){
            unescape_text(from->keys[index] + 6), unescape_text(from->values[index])};
    }
    return count;
}

/* ---- The methods: each sends a call and checks what a success brought ---- */

static coffer_status run_store(coffer_client *client, test_case *one) {
    coffer_label labels[most_pairs];
    coffer_stored *stored;
    size_t size = 0;
    const char *credential = take_credential(&one->request, &size);
    const char *user = take_text(&one->request, "user");
    const char *connection = take_text(&one->request, "conn");
    coffer_store_options options = {
        .ttl_seconds = (uint32_t)take_number(&one->request, "ttl", 0),
        .labels = labels,
        .label_count = take_labels(&one->request, labels),
        .if_version = take_version(&one->request, "if_version"),
        .if_absent = take_number(&one->request, "if_absent", 0) == 1,
    };
    coffer_status status =
        coffer_store(client, user, connection, credential, size, &options, &stored);
    if (status == COFFER_OK) {
        const char *version = coffer_stored_version(stored);
        const char *name = take(&one->wanted, "save");
        expect(strlen(version) >= 1 && strlen(version) <= 128, "the version is not 1 to 128 bytes");
        expect(
            coffer_stored_created_at_ms(stored) <= coffer_stored_updated_at_ms(stored),
            "created after it was updated");
        if (name != NULL) save_version(name, version);
    }
    coffer_stored_free(stored);
    return status;
}

static void check_record(pairs *wanted, const coffer_record *record) {
    static const char *const sources[] = {"unspecified", "memory", "vault", "stale"};
    coffer_label labels[most_pairs];
    size_t size = 0;
    const char *credential = take_credential(wanted, &size);
    if (credential != NULL) {
        bool same = size == coffer_record_size(record) &&
                    memcmp(credential, coffer_record_credential(record), size) == 0;
        expect(same, "credential: expected %zu bytes, got %zu, or others", size,
               coffer_record_size(record));
    }
    expect_text("version", take_version(wanted, "version"), coffer_record_version(record));
    uint64_t label_count = take_number(wanted, "labels", coffer_record_label_count(record));
    expect(
        label_count == coffer_record_label_count(record), "labels: expected %llu, got %zu",
        (unsigned long long)label_count, coffer_record_label_count(record));
    size_t count = take_labels(wanted, labels);
    for (size_t index = 0; index < count; index++) {
        expect_text("label", labels[index].value, coffer_record_label(record, labels[index].name));
    }
    expect_text("source", take(wanted, "source"), sources[coffer_record_source(record)]);
    bool expires = coffer_record_expires_at_ms(record) != 0;
    expect_text("expires", take(wanted, "expires"), expires ? "1" : "0");
}

static coffer_status run_get(coffer_client *client, test_case *one) {
    coffer_record *record;
    const char *user = take_text(&one->request, "user");
    const char *connection = take_text(&one->request, "conn");
    coffer_get_options options = take_get_options(&one->request);
    coffer_status status = coffer_get(client, user, connection, &options, &record);
    if (status == COFFER_OK) check_record(&one->wanted, record);
    coffer_record_free(record);
    return status;
}

static coffer_status run_delete(coffer_client *client, test_case *one) {
    bool existed;
    const char *user = take_text(&one->request, "user");
    const char *connection = take_text(&one->request, "conn");
    coffer_delete_options options = {take_version(&one->request, "if_version")};
    coffer_status status = coffer_delete(client, user, connection, &options, &existed);
    if (status == COFFER_OK) {
        expect_text("existed", take(&one->wanted, "existed"), existed ? "true" : "false");
    }
    return status;
}

/* "u:c,u:c", each part percent-encoded. */
static coffer_key *parse_keys(const char *text, size_t *count) {
    coffer_key *keys = scratch((strlen(text) + 1) * sizeof *keys);
    *count = 0;
    while (*text != '\0') {
        size_t size;
        const char *colon = text + strcspn(text, ":,");
        const char *connection = *colon == ':' ? colon + 1 : colon;
        const char *end = connection + strcspn(connection, ",");
        keys[*count].user = unescape(text, colon, &size);
        keys[(*count)++].connection = unescape(connection, end, &size);
        text = *end == ',' ? end + 1 : end;
    }
    return keys;
}

static coffer_status run_getmany(coffer_client *client, test_case *one) {
    size_t count;
    coffer_batch *batch;
    const char *text = take(&one->request, "keys");
    coffer_key *keys = parse_keys(text == NULL ? "" : text, &count);
    coffer_get_options options = take_get_options(&one->request);
    coffer_status status = coffer_get_many(client, keys, count, &options, &batch);
    const char *wanted = take(&one->wanted, "results");
    if (status == COFFER_OK && wanted != NULL) {
        char *results = scratch(24 * count + 1);
        for (size_t index = 0; index < count; index++) {
            coffer_status result = coffer_batch_status(batch, index);
            const coffer_record *record = coffer_batch_record(batch, index);
            expect((result == COFFER_OK) == (record != NULL), "status and record do not agree");
            strcat(strcat(results, index == 0 ? "" : ","), coffer_status_name(result));
        }
        expect_text("results", wanted, results);
    }
    coffer_batch_free(batch);
    return status;
}

static int compare(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void check_names(pairs *wanted, char **names, size_t count) {
    size_t size = 1;
    for (size_t index = 0; index < count; index++) size += 3 * strlen(names[index]) + 1;
    char *joined = scratch(size);
    qsort(names, count, sizeof *names, compare);
    for (size_t index = 0; index < count; index++) {
        strcat(strcat(joined, index == 0 ? "" : ","), escape(names[index]));
    }
    expect_text("connections", take(wanted, "connections"), joined);
}

static coffer_status run_list(coffer_client *client, test_case *one) {
    enum { most_names = 1024, longest_token = 513 };
    char **names = scratch(most_names * sizeof *names);
    char *token = scratch(longest_token);
    size_t count = 0;
    const char *user = take_text(&one->request, "user");
    coffer_list_options options = {token, (uint32_t)take_number(&one->request, "page_size", 0)};
    do {
        coffer_page *page;
        coffer_status status = coffer_list(client, user, &options, &page);
        if (status != COFFER_OK) return status;
        for (size_t index = 0; index < coffer_page_count(page) && count < most_names; index++) {
            const char *name = coffer_entry_connection(coffer_page_entry(page, index));
            names[count] = strcpy(scratch(strlen(name) + 1), name);
            count++;
        }
        snprintf(token, longest_token, "%s", coffer_page_next_token(page));
        coffer_page_free(page);
    } while (token[0] != '\0');
    check_names(&one->wanted, names, count);
    return COFFER_OK;
}

static coffer_status run_health(coffer_client *client, test_case *one) {
    (void)one;
    coffer_health_report *report;
    coffer_status status = coffer_health(client, &report);
    if (status == COFFER_OK) expect(coffer_health_serving(report), "not serving");
    coffer_health_free(report);
    return status;
}

static coffer_status run_ping(coffer_client *client, test_case *one) {
    coffer_ping_report *report;
    coffer_status status = coffer_ping(client, &report);
    if (status == COFFER_OK) {
        const char *draining = take(&one->wanted, "draining");
        expect(strlen(coffer_ping_instance(report)) == 16, "no instance");
        expect(coffer_ping_max_keys(report) == 256, "keys: got %u", (unsigned)coffer_ping_max_keys(report));
        expect(draining != NULL && (strcmp(draining, "true") == 0) == coffer_ping_draining(report), "draining");
    }
    coffer_ping_free(report);
    return status;
}

static coffer_status run_stats(coffer_client *client, test_case *one) {
    (void)one;
    coffer_stats_report *report;
    coffer_status status = coffer_stats(client, &report);
    if (status == COFFER_OK) expect(coffer_stats_count(report) > 0, "no statistics");
    for (size_t index = 1; index < coffer_stats_count(report); index++) {
        const char *before = coffer_stats_name(report, index - 1);
        const char *name = coffer_stats_name(report, index);
        expect(strcmp(before, name) < 0, "%s comes before %s", before, name);
    }
    coffer_stats_free(report);
    return status;
}

static coffer_status run_invalidate(coffer_client *client, test_case *one) {
    uint64_t dropped;
    size_t count;
    const char *user = take(&one->request, "user");
    const char *key = take(&one->request, "key");
    bool all = take_number(&one->request, "all", 0) == 1;
    const char *connection = NULL;
    if (key != NULL) {
        coffer_key *keys = parse_keys(key, &count);
        user = keys[0].user;
        connection = keys[0].connection;
    } else if (user != NULL) {
        user = unescape_text(user);
    } else if (!all) {
        /* libcoffer cannot ask for nothing; the vectors hold that request. */
        user = "";
    }
    coffer_status status = coffer_invalidate(client, user, connection, &dropped);
    if (status == COFFER_OK) {
        uint64_t wanted = take_number(&one->wanted, "dropped", dropped);
        expect(wanted == dropped, "dropped: expected %llu, got %llu", (unsigned long long)wanted,
               (unsigned long long)dropped);
    }
    return status;
}

static coffer_status run_sleep(coffer_client *client, test_case *one) {
    (void)client;
    uint64_t milliseconds = take_number(&one->request, "ms", 0);
    struct timespec time = {
        (time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&time, &time) != 0) continue;
    return COFFER_OK;
}

static const struct {
    const char *name;
    coffer_status (*run)(coffer_client *client, test_case *one);
} methods[] = {
    {"store", run_store},     {"get", run_get},     {"delete", run_delete},
    {"getmany", run_getmany}, {"list", run_list},   {"health", run_health},
    {"ping", run_ping},
    {"stats", run_stats},     {"sleep", run_sleep}, {"invalidate", run_invalidate},
};

/* ---- The file ---- */

/* Leaves a complaint if the case does not hold. */
static void run_case(coffer_client *client, char *line) {
    test_case one;
    complaint[0] = '\0';
    if (!parse_case(line, &one)) {
        expect(false, "not a case");
        return;
    }
    size_t index = 0, count = sizeof methods / sizeof *methods;
    while (index < count && strcmp(methods[index].name, one.method) != 0) index++;
    if (index == count) {
        expect(false, "unknown method %s", one.method);
        return;
    }
    uint64_t reason = take_number(&one.wanted, "reason", 0);
    coffer_status status = methods[index].run(client, &one);
    const char *message = status == COFFER_OK ? "" : coffer_error_message(client);
    if (strcmp(coffer_status_name(status), one.status) != 0) {
        expect(false, "expected %s, got %s %.200s", one.status, coffer_status_name(status), message);
        return;
    }
    uint64_t actual = status == COFFER_OK ? 0 : (uint64_t)coffer_error_reason(client);
    expect(reason == 0 || reason == actual, "reason: expected %llu, got %llu: %.200s",
           (unsigned long long)reason, (unsigned long long)actual, message);
    expect(unused(&one.request) == NULL, "unknown key %s", unused(&one.request));
    expect(unused(&one.wanted) == NULL, "unknown expectation %s", unused(&one.wanted));
}

static int run_file(coffer_client *client, FILE *file) {
    char *line = NULL;
    size_t capacity = 0;
    int number = 0, passed = 0, failed = 0;
    for (ssize_t length; (length = getline(&line, &capacity, file)) >= 0;) {
        number++;
        if (length > 0 && line[length - 1] == '\n') line[--length] = '\0';
        if (length == 0 || line[0] == '#') continue;
        run_case(client, line);
        scratch_free();
        if (complaint[0] == '\0') {
            passed++;
        } else {
            failed++;
            printf("line %d: %s\n", number, complaint);
        }
    }
    free(line);
    printf("%d passed, %d failed\n", passed, failed);
    return passed > 0 && failed == 0 ? 0 : 1;
}

int main(int count, char **arguments) {
    if (count != 4 || strcmp(arguments[1], "--socket") != 0) {
        fprintf(stderr, "usage: run_cases --socket PATH CASES\n");
        return 2;
    }
    FILE *file = fopen(arguments[3], "r");
    if (file == NULL) {
        perror(arguments[3]);
        return 2;
    }
    coffer_options options = {.socket_path = arguments[2], .timeout_ms = 10000};
    coffer_client *client = coffer_open(&options);
    int result = run_file(client, file);
    coffer_close(client);
    fclose(file);
    return result;
}
