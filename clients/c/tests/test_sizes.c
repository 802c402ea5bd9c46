/* Every size that a caller may give is bounded before anything is made of it. */
#include "check.h"
#include "fake_server.h"

enum { beyond_texts = (16 << 10) + 1 };

static coffer_client *client;

/* Refused here, with this reason: nobody listens, so what is sent is UNAVAILABLE. */
static void expect_refused(coffer_status status, coffer_reason reason) {
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, status);
    CHECK_STATUS(status, coffer_error_status(client));
    CHECK(coffer_error_reason(client) == reason);
}

static const size_t sizes[] = {
    SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 8, SIZE_MAX - 24, SIZE_MAX - 64, SIZE_MAX / 2,
    SIZE_MAX / 2 + 1, (size_t)UINT32_MAX + 1, UINT32_MAX, UINT32_MAX - 24, (1 << 20) + 1,
};

static void credentials_of_any_size(void) {
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        coffer_store_options options = {.ttl_seconds = 1};
        expect_refused(
            coffer_store(client, "u", "c", "x", sizes[index], NULL, NULL),
            COFFER_REASON_CREDENTIAL_TOO_LARGE);
        expect_refused(
            coffer_store(client, "u", "c", "x", sizes[index], &options, NULL),
            COFFER_REASON_CREDENTIAL_TOO_LARGE);
    }
    CHECK(strstr(coffer_error_message(client), "1 to 1048576 bytes, got 1048577") != NULL);
}

static void counts_of_any_size(void) {
    coffer_label label = {"n", "v"};
    coffer_key key = {"u", "c"};
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        coffer_store_options options = {.labels = &label, .label_count = sizes[index]};
        coffer_batch *batch;
        expect_refused(
            coffer_store(client, "u", "c", "x", 1, &options, NULL), COFFER_REASON_BAD_FIELD);
        expect_refused(
            coffer_get_many(client, &key, sizes[index], NULL, &batch), COFFER_REASON_BAD_FIELD);
        CHECK(batch == NULL);
    }
}

/* In each place where a text can be given. */
static void texts_of_any_size(void) {
    char *text = malloc(beyond_texts + 1);
    CHECK(text != NULL);
    memset(text, 'x', beyond_texts);
    text[beyond_texts] = '\0';
    coffer_label name = {text, "v"}, value = {"n", text};
    coffer_key user = {text, "c"}, connection = {"u", text};
    coffer_store_options stores[] = {
        {.if_version = text},
        {.labels = &name, .label_count = 1},
        {.labels = &value, .label_count = 1},
    };
    coffer_delete_options removal = {.if_version = text};
    coffer_list_options listing = {.page_token = text};
    coffer_status statuses[] = {
        coffer_store(client, text, "c", "x", 1, NULL, NULL),
        coffer_store(client, "u", text, "x", 1, NULL, NULL),
        coffer_store(client, "u", "c", "x", 1, &stores[0], NULL),
        coffer_store(client, "u", "c", "x", 1, &stores[1], NULL),
        coffer_store(client, "u", "c", "x", 1, &stores[2], NULL),
        coffer_get(client, text, "c", NULL, NULL),
        coffer_get(client, "u", text, NULL, NULL),
        coffer_delete(client, text, "c", NULL, NULL),
        coffer_delete(client, "u", text, NULL, NULL),
        coffer_delete(client, "u", "c", &removal, NULL),
        coffer_get_many(client, &user, 1, NULL, NULL),
        coffer_get_many(client, &connection, 1, NULL, NULL),
        coffer_list(client, text, NULL, NULL),
        coffer_list(client, "u", &listing, NULL),
        coffer_invalidate(client, text, NULL, NULL),
        coffer_invalidate(client, "u", text, NULL),
        coffer_doctor(client, text, NULL),
    };
    for (size_t index = 0; index < sizeof statuses / sizeof *statuses; index++) {
        expect_refused(statuses[index], COFFER_REASON_BAD_FIELD);
    }
    /* One byte less is the daemon's to judge. */
    text[beyond_texts - 1] = '\0';
    CHECK_STATUS(COFFER_UNAVAILABLE, coffer_get(client, text, "c", NULL, NULL));
    free(text);
}

static void results_have_no_other_indices(void) {
    CHECK(coffer_batch_record(NULL, SIZE_MAX) == NULL);
    CHECK(coffer_page_entry(NULL, SIZE_MAX) == NULL);
    CHECK(coffer_record_label_name(NULL, SIZE_MAX) == NULL);
}

int main(void) {
    coffer_options nowhere = {.socket_path = "/nonexistent/socket"};
    client = coffer_open(&nowhere);
    CHECK(client != NULL);
    RUN(credentials_of_any_size);
    RUN(counts_of_any_size);
    RUN(texts_of_any_size);
    RUN(results_have_no_other_indices);
    coffer_close(client);
    return 0;
}
