/* Every blocking call against a scripted daemon: what is sent, what comes back. */
#define _DEFAULT_SOURCE

#include <unistd.h>

#include "check.h"
#include "fake_server.h"

static fake_server server;

/* The request that was read last, decoded; the caller frees it. */
static void *decode(const ProtobufCMessageDescriptor *type) {
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, NULL, server.payload_size, server.payload);
    CHECK(message != NULL);
    return message;
}

static void free_message(void *message) {
    protobuf_c_message_free_unpacked(message, NULL);
}

/* ---- Get ---- */

static void get_script(fake_server *s) {
    server_accept(s);
    coffer_frame_header header = server_read(s);
    CHECK(header.kind == COFFER_FRAME_REQUEST);
    CHECK(header.method_or_status == coffer_method_id("coffer.v1.Credentials", "Get"));
    CHECK(header.timeout_or_retry > 3000 && header.timeout_or_retry <= 4000);
    Coffer__V1__GetRequest *request = decode(&coffer__v1__get_request__descriptor);
    CHECK_TEXT("ann", request->user_id);
    CHECK_TEXT("github", request->connection_id);
    CHECK(request->freshness_case == COFFER__V1__GET_REQUEST__FRESHNESS_MAX_AGE_MS);
    CHECK(request->max_age_ms == 0);
    free_message(request);
    Coffer__V1__GetResponse__LabelsEntry label = COFFER__V1__GET_RESPONSE__LABELS_ENTRY__INIT;
    Coffer__V1__GetResponse__LabelsEntry *labels[] = {&label};
    label.key = (char *)"env";
    label.value = (char *)"prod";
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    record.credential = (ProtobufCBinaryData){6, (uint8_t *)"s3\0ret"};
    record.version = (char *)"v-7";
    record.n_labels = 1;
    record.labels = labels;
    record.created_at_ms = 1;
    record.updated_at_ms = 2;
    record.expires_at_ms = 3;
    record.source = COFFER__V1__SOURCE__SOURCE_STALE_ON_ERROR;
    record.age_ms = 4;
    record.stale = true;
    server_respond(s, header.call_id, 0, &record.base);
}

static void get_brings_all_of_a_record(void) {
    server_start(&server, get_script);
    coffer_client *client = server_client(&server, 4000);
    coffer_get_options fresh = {.has_max_age = true, .max_age_ms = 0};
    coffer_record *record;
    CHECK_STATUS(COFFER_OK, coffer_get(client, "ann", "github", &fresh, &record));
    coffer_close(client);
    CHECK(coffer_record_size(record) == 6);
    CHECK(memcmp(coffer_record_credential(record), "s3\0ret", 6) == 0);
    CHECK_TEXT("v-7", coffer_record_version(record));
    CHECK(coffer_record_label_count(record) == 1);
    CHECK_TEXT("env", coffer_record_label_name(record, 0));
    CHECK_TEXT("prod", coffer_record_label_value(record, 0));
    CHECK_TEXT("prod", coffer_record_label(record, "env"));
    CHECK(coffer_record_label(record, "none") == NULL);
    CHECK(coffer_record_label_name(record, 1) == NULL);
    CHECK(coffer_record_created_at_ms(record) == 1);
    CHECK(coffer_record_updated_at_ms(record) == 2);
    CHECK(coffer_record_expires_at_ms(record) == 3);
    CHECK(coffer_record_source(record) == COFFER_SOURCE_STALE_ON_ERROR);
    CHECK(coffer_record_age_ms(record) == 4);
    CHECK(coffer_record_stale(record));
    coffer_record_free(record);
    server_finish(&server);
}

/* ---- Store and Delete ---- */

static void store_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__StoreRequest *request = decode(&coffer__v1__store_request__descriptor);
    CHECK(request->credential.len == 3 && memcmp(request->credential.data, "a\0b", 3) == 0);
    CHECK(request->ttl_seconds == 60);
    CHECK(request->n_labels == 2);
    CHECK_TEXT("owner", request->labels[1]->key);
    CHECK_TEXT("ann", request->labels[1]->value);
    CHECK(request->condition_case == COFFER__V1__STORE_REQUEST__CONDITION_IF_VERSION);
    CHECK_TEXT("v-1", request->if_version);
    free_message(request);
    Coffer__V1__StoreResponse stored = COFFER__V1__STORE_RESPONSE__INIT;
    stored.version = (char *)"v-2";
    stored.created_at_ms = 10;
    stored.updated_at_ms = 20;
    stored.expires_at_ms = 30;
    server_respond(s, call, 0, &stored.base);

    call = server_expect(s, COFFER_FRAME_REQUEST);
    request = decode(&coffer__v1__store_request__descriptor);
    CHECK(request->condition_case == COFFER__V1__STORE_REQUEST__CONDITION_IF_ABSENT);
    CHECK(request->if_absent);
    free_message(request);
    server_refuse(s, call, COFFER_ALREADY_EXISTS, COFFER_REASON_ALREADY_EXISTS, 0);

    call = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__DeleteRequest *delete = decode(&coffer__v1__delete_request__descriptor);
    CHECK_TEXT("v-2", delete->if_version);
    free_message(delete);
    Coffer__V1__DeleteResponse deleted = COFFER__V1__DELETE_RESPONSE__INIT;
    deleted.existed = true;
    server_respond(s, call, 0, &deleted.base);

    call = server_expect(s, COFFER_FRAME_REQUEST);
    server_respond(s, call, 0, NULL);
}

static void store_and_delete_send_all_options(void) {
    server_start(&server, store_script);
    coffer_client *client = server_client(&server, 0);
    coffer_label labels[] = {{"env", "prod"}, {"owner", "ann"}};
    coffer_store_options options = {
        .ttl_seconds = 60, .labels = labels, .label_count = 2, .if_version = "v-1"};
    coffer_stored *stored;
    CHECK_STATUS(COFFER_OK, coffer_store(client, "ann", "github", "a\0b", 3, &options, &stored));
    CHECK_TEXT("v-2", coffer_stored_version(stored));
    CHECK(coffer_stored_created_at_ms(stored) == 10);
    CHECK(coffer_stored_updated_at_ms(stored) == 20);
    CHECK(coffer_stored_expires_at_ms(stored) == 30);
    coffer_stored_free(stored);

    coffer_store_options absent = {.if_absent = true};
    CHECK_STATUS(
        COFFER_ALREADY_EXISTS, coffer_store(client, "ann", "github", "x", 1, &absent, &stored));
    CHECK(stored == NULL);
    CHECK(coffer_error_reason(client) == COFFER_REASON_ALREADY_EXISTS);
    CHECK_TEXT("the script says no", coffer_error_message(client));

    bool existed = false;
    coffer_delete_options delete = {.if_version = "v-2"};
    CHECK_STATUS(COFFER_OK, coffer_delete(client, "ann", "github", &delete, &existed));
    CHECK(existed);
    CHECK_TEXT("", coffer_error_message(client));
    CHECK_STATUS(COFFER_OK, coffer_delete(client, "ann", "github", NULL, &existed));
    CHECK(!existed);
    coffer_close(client);
    server_finish(&server);
}

/* ---- GetMany ---- */

/* Two results in one part. */
static void respond_results(
    fake_server *s, uint64_t call, uint32_t first, uint32_t second, bool more) {
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    Coffer__V1__Failure failure = COFFER__V1__FAILURE__INIT;
    Coffer__V1__GetResult found = COFFER__V1__GET_RESULT__INIT;
    Coffer__V1__GetResult missing = COFFER__V1__GET_RESULT__INIT;
    Coffer__V1__GetResult *results[] = {&found, &missing};
    Coffer__V1__GetManyResponse part = COFFER__V1__GET_MANY_RESPONSE__INIT;
    record.credential = (ProtobufCBinaryData){6, (uint8_t *)"s3cret"};
    failure.reason = COFFER__V1__FAILURE__REASON__REASON_NOT_FOUND;
    failure.message = (char *)"none";
    found.index = first;
    found.outcome_case = COFFER__V1__GET_RESULT__OUTCOME_RECORD;
    found.record = &record;
    missing.index = second;
    missing.status = COFFER_NOT_FOUND;
    missing.outcome_case = COFFER__V1__GET_RESULT__OUTCOME_FAILURE;
    missing.failure = &failure;
    part.n_results = 2;
    part.results = results;
    if (more) {
        server_respond_part(s, call, &part.base);
    } else {
        server_respond(s, call, 0, &part.base);
    }
}

static void get_many_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__GetManyRequest *request = decode(&coffer__v1__get_many_request__descriptor);
    CHECK(request->n_keys == 4);
    CHECK_TEXT("u", request->keys[3]->user_id);
    CHECK_TEXT("d", request->keys[3]->connection_id);
    free_message(request);
    Coffer__V1__GetManyResponse nothing = COFFER__V1__GET_MANY_RESPONSE__INIT;
    respond_results(s, call, 3, 0, true);
    server_respond_part(s, call, &nothing.base);
    respond_results(s, call, 1, 2, false);

    /* An index beyond the keys, one twice, one missing, a failure midway. */
    call = server_expect(s, COFFER_FRAME_REQUEST);
    respond_results(s, call, 0, 4, true);
    CHECK(server_expect(s, COFFER_FRAME_CANCEL) == call);
    respond_results(s, call, 1, 2, false);
    call = server_expect(s, COFFER_FRAME_REQUEST);
    respond_results(s, call, 1, 1, false);
    call = server_expect(s, COFFER_FRAME_REQUEST);
    respond_results(s, call, 2, 0, false);
    call = server_expect(s, COFFER_FRAME_REQUEST);
    respond_results(s, call, 2, 0, true);
    server_refuse(s, call, COFFER_UNAVAILABLE, COFFER_REASON_VAULT_UNREACHABLE, 70);
    call = server_expect(s, COFFER_FRAME_REQUEST);
    respond_results(s, call, 0, 1, true);
    respond_results(s, call, 2, 3, false);
}

static void get_many_puts_the_parts_in_order(void) {
    static const coffer_key keys[] = {{"u", "a"}, {"u", "b"}, {"u", "c"}, {"u", "d"}};
    server_start(&server, get_many_script);
    coffer_client *client = server_client(&server, 0);
    coffer_batch *batch;
    CHECK_STATUS(COFFER_OK, coffer_get_many(client, keys, 4, NULL, &batch));
    CHECK(coffer_batch_count(batch) == 4);
    CHECK_STATUS(COFFER_NOT_FOUND, coffer_batch_status(batch, 0));
    CHECK(coffer_batch_reason(batch, 0) == COFFER_REASON_NOT_FOUND);
    CHECK_TEXT("none", coffer_batch_message(batch, 0));
    CHECK(coffer_batch_record(batch, 0) == NULL);
    CHECK_STATUS(COFFER_OK, coffer_batch_status(batch, 1));
    CHECK_STATUS(COFFER_NOT_FOUND, coffer_batch_status(batch, 2));
    CHECK(coffer_record_size(coffer_batch_record(batch, 3)) == 6);
    CHECK(coffer_batch_record(batch, 4) == NULL);
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_batch_status(batch, 4));
    coffer_batch_free(batch);
    for (int bad = 0; bad < 3; bad++) {
        CHECK_STATUS(COFFER_INTERNAL, coffer_get_many(client, keys, 4, NULL, &batch));
        CHECK(batch == NULL);
    }
    CHECK_STATUS(COFFER_UNAVAILABLE, coffer_get_many(client, keys, 4, NULL, &batch));
    CHECK(batch == NULL);
    CHECK(coffer_error_retry_after_ms(client) == 70);
    CHECK(coffer_error_retryable(client));
    CHECK_STATUS(COFFER_OK, coffer_get_many(client, keys, 4, NULL, NULL));
    coffer_close(client);
    server_finish(&server);
}

/* ---- List and the operators' calls ---- */

static void list_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__ListRequest *request = decode(&coffer__v1__list_request__descriptor);
    CHECK_TEXT("next", request->page_token);
    CHECK(request->page_size == 7);
    free_message(request);
    Coffer__V1__ListEntry entry = COFFER__V1__LIST_ENTRY__INIT;
    Coffer__V1__ListEntry *entries[] = {&entry};
    Coffer__V1__ListEntry__LabelsEntry label = COFFER__V1__LIST_ENTRY__LABELS_ENTRY__INIT;
    Coffer__V1__ListEntry__LabelsEntry *labels[] = {&label};
    Coffer__V1__ListResponse page = COFFER__V1__LIST_RESPONSE__INIT;
    label.key = (char *)"env";
    label.value = (char *)"";
    entry.user_id = (char *)"ann";
    entry.connection_id = (char *)"github";
    entry.version = (char *)"v-1";
    entry.n_labels = 1;
    entry.labels = labels;
    entry.updated_at_ms = 5;
    page.n_entries = 1;
    page.entries = entries;
    page.next_page_token = (char *)"more";
    server_respond(s, call, 0, &page.base);
}

static void list_brings_a_page(void) {
    server_start(&server, list_script);
    coffer_client *client = server_client(&server, 0);
    coffer_list_options options = {.page_token = "next", .page_size = 7};
    coffer_page *page;
    CHECK_STATUS(COFFER_OK, coffer_list(client, "ann", &options, &page));
    CHECK(coffer_page_count(page) == 1);
    CHECK_TEXT("more", coffer_page_next_token(page));
    const coffer_entry *entry = coffer_page_entry(page, 0);
    CHECK_TEXT("ann", coffer_entry_user(entry));
    CHECK_TEXT("github", coffer_entry_connection(entry));
    CHECK_TEXT("v-1", coffer_entry_version(entry));
    CHECK(coffer_entry_label_count(entry) == 1);
    CHECK_TEXT("env", coffer_entry_label_name(entry, 0));
    CHECK_TEXT("", coffer_entry_label_value(entry, 0));
    CHECK(coffer_entry_label_name(entry, 1) == NULL);
    CHECK(coffer_entry_created_at_ms(entry) == 0);
    CHECK(coffer_entry_updated_at_ms(entry) == 5);
    CHECK(coffer_entry_expires_at_ms(entry) == 0);
    CHECK(coffer_page_entry(page, 1) == NULL);
    coffer_page_free(page);
    coffer_close(client);
    server_finish(&server);
}

static void admin_script(fake_server *s) {
    server_accept(s);
    Coffer__V1__VaultHealth vault = COFFER__V1__VAULT_HEALTH__INIT;
    Coffer__V1__VaultHealth *vaults[] = {&vault};
    char *warnings[] = {(char *)"swap"};
    Coffer__V1__HealthResponse health = COFFER__V1__HEALTH_RESPONSE__INIT;
    vault.name = (char *)"main";
    vault.kind = (char *)"embedded";
    vault.reachable = true;
    vault.latency_us = 9;
    vault.last_failure = COFFER__V1__FAILURE__REASON__REASON_DISK;
    health.serving = true;
    health.version = (char *)"0.1.0";
    health.uptime_ms = 8;
    health.n_vaults = 1;
    health.vaults = vaults;
    health.n_warnings = 1;
    health.warnings = warnings;
    server_respond(s, server_expect(s, COFFER_FRAME_REQUEST), 0, &health.base);

    Coffer__V1__Stat stat = COFFER__V1__STAT__INIT;
    Coffer__V1__Stat *list[] = {&stat};
    Coffer__V1__StatsResponse stats = COFFER__V1__STATS_RESPONSE__INIT;
    stat.name = (char *)"hits_total";
    stat.value = UINT64_MAX;
    stats.n_stats = 1;
    stats.stats = list;
    server_respond(s, server_expect(s, COFFER_FRAME_REQUEST), 0, &stats.base);

    static const Coffer__V1__InvalidateRequest__ScopeCase scopes[] = {
        COFFER__V1__INVALIDATE_REQUEST__SCOPE_KEY, COFFER__V1__INVALIDATE_REQUEST__SCOPE_USER_ID,
        COFFER__V1__INVALIDATE_REQUEST__SCOPE_ALL};
    for (uint64_t index = 0; index < 3; index++) {
        Coffer__V1__InvalidateResponse response = COFFER__V1__INVALIDATE_RESPONSE__INIT;
        uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
        Coffer__V1__InvalidateRequest *request =
            decode(&coffer__v1__invalidate_request__descriptor);
        CHECK(request->scope_case == scopes[index]);
        free_message(request);
        response.dropped = index + 1;
        server_respond(s, call, 0, &response.base);
    }
}

static void operators_calls_bring_their_reports(void) {
    server_start(&server, admin_script);
    coffer_client *client = server_client(&server, 0);
    coffer_health_report *health;
    CHECK_STATUS(COFFER_OK, coffer_health(client, &health));
    CHECK(coffer_health_serving(health));
    CHECK_TEXT("0.1.0", coffer_health_version(health));
    CHECK(coffer_health_uptime_ms(health) == 8);
    CHECK(coffer_health_warning_count(health) == 1);
    CHECK_TEXT("swap", coffer_health_warning(health, 0));
    CHECK(coffer_health_vault_count(health) == 1);
    const coffer_vault_health *vault = coffer_health_vault(health, 0);
    CHECK_TEXT("main", coffer_vault_name(vault));
    CHECK_TEXT("embedded", coffer_vault_kind(vault));
    CHECK(coffer_vault_reachable(vault));
    CHECK(coffer_vault_latency_us(vault) == 9);
    CHECK(coffer_vault_last_good_contact_ms(vault) == 0);
    CHECK(coffer_vault_last_failure(vault) == COFFER_REASON_DISK);
    coffer_health_free(health);
    coffer_stats_report *stats;
    CHECK_STATUS(COFFER_OK, coffer_stats(client, &stats));
    CHECK(coffer_stats_count(stats) == 1);
    CHECK_TEXT("hits_total", coffer_stats_name(stats, 0));
    CHECK(coffer_stats_value(stats, 0) == UINT64_MAX);
    coffer_stats_free(stats);
    uint64_t dropped;
    CHECK_STATUS(COFFER_OK, coffer_invalidate(client, "ann", "github", &dropped));
    CHECK(dropped == 1);
    CHECK_STATUS(COFFER_OK, coffer_invalidate(client, "ann", NULL, &dropped));
    CHECK(dropped == 2);
    CHECK_STATUS(COFFER_OK, coffer_invalidate(client, NULL, NULL, &dropped));
    CHECK(dropped == 3);
    coffer_close(client);
    server_finish(&server);
}

/* ---- Sizes and pieces ---- */

enum { large = 1 << 20 };

static void fill(uint8_t *bytes, size_t size) {
    for (size_t index = 0; index < size; index++) bytes[index] = (uint8_t)(index * 31 + 7);
}

static void large_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__StoreRequest *request = decode(&coffer__v1__store_request__descriptor);
    CHECK(request->credential.len == large);
    Coffer__V1__StoreResponse stored = COFFER__V1__STORE_RESPONSE__INIT;
    server_respond(s, call, 0, &stored.base);
    server_respond_record(
        s, server_expect(s, COFFER_FRAME_REQUEST), request->credential.data, large);
    free_message(request);
}

/* More than a socket buffer holds goes out and comes in in pieces. */
static void a_mebibyte_goes_both_ways(void) {
    uint8_t *bytes = malloc(large);
    CHECK(bytes != NULL);
    fill(bytes, large);
    server_start(&server, large_script);
    coffer_client *client = server_client(&server, 0);
    coffer_record *record;
    CHECK_STATUS(COFFER_OK, coffer_store(client, "u", "c", bytes, large, NULL, NULL));
    CHECK_STATUS(COFFER_OK, coffer_get(client, "u", "c", NULL, &record));
    CHECK(coffer_record_size(record) == large);
    CHECK(memcmp(coffer_record_credential(record), bytes, large) == 0);
    coffer_record_free(record);
    coffer_close(client);
    server_finish(&server);
    free(bytes);
}

static void pieces_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    record.credential = (ProtobufCBinaryData){6, (uint8_t *)"s3cret"};
    size_t size;
    uint8_t *bytes = make_frame(COFFER_FRAME_RESPONSE, 0, call, 0, 0, &record.base, &size);
    for (size_t index = 0; index < size; index++) {
        server_send(s, bytes + index, 1);
        usleep(500);
    }
    free(bytes);
    /* An answer that nobody waits for and the wanted one, in one piece. */
    call = server_expect(s, COFFER_FRAME_REQUEST);
    size_t first, second;
    uint8_t *stray = make_frame(COFFER_FRAME_RESPONSE, 0, 999, 0, 0, &record.base, &first);
    uint8_t *wanted = make_frame(COFFER_FRAME_RESPONSE, 0, call, 0, 0, &record.base, &second);
    stray = realloc(stray, first + second);
    CHECK(stray != NULL);
    memcpy(stray + first, wanted, second);
    server_send(s, stray, first + second);
    free(stray);
    free(wanted);
}

static void answers_come_in_any_pieces(void) {
    server_start(&server, pieces_script);
    coffer_client *client = server_client(&server, 0);
    for (int call = 0; call < 2; call++) {
        coffer_record *record;
        CHECK_STATUS(COFFER_OK, coffer_get(client, "u", "c", NULL, &record));
        CHECK(coffer_record_size(record) == 6);
        coffer_record_free(record);
    }
    coffer_close(client);
    server_finish(&server);
}

/* ---- Arguments ---- */

static void null_is_taken_everywhere(void) {
    coffer_record *record = (coffer_record *)&server;
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_get(NULL, "u", "c", NULL, &record));
    CHECK(record == NULL);
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_store(NULL, "u", "c", "x", 1, NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_delete(NULL, "u", "c", NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_get_many(NULL, NULL, 0, NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_list(NULL, "u", NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_health(NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_stats(NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_invalidate(NULL, NULL, NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_error_status(NULL));
    CHECK(strlen(coffer_error_message(NULL)) > 0);
    CHECK(coffer_fd(NULL) == -1);
    CHECK(coffer_events(NULL) == 0);
    CHECK(coffer_wait_ms(NULL) == -1);
    CHECK(coffer_process(NULL) == 0);
    CHECK(coffer_start_get(NULL, "u", "c", NULL, NULL, NULL) == 0);
    coffer_cancel(NULL, 1);
    coffer_close(NULL);
    coffer_record_free(NULL);
    coffer_stored_free(NULL);
    coffer_batch_free(NULL);
    coffer_page_free(NULL);
    coffer_health_free(NULL);
    coffer_stats_free(NULL);
    CHECK(coffer_record_credential(NULL) == NULL);
    CHECK(coffer_record_size(NULL) == 0);
    CHECK(coffer_record_label(NULL, "x") == NULL);
    CHECK(coffer_page_entry(NULL, 0) == NULL);
    CHECK(coffer_entry_user(NULL) == NULL);
    CHECK(coffer_vault_name(NULL) == NULL);
    CHECK(coffer_batch_count(NULL) == 0);
    CHECK_TEXT("0.1.0", coffer_version());
}

/* What cannot be sent is refused before there is a connection. */
static void bad_arguments_are_refused_here(void) {
    coffer_options nowhere = {.socket_path = "/nonexistent/socket"};
    coffer_client *client = coffer_open(&nowhere);
    coffer_store_options both = {.if_version = "v", .if_absent = true};
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_store(client, "u", "c", "x", 1, &both, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_store(client, "u", "c", NULL, 1, NULL, NULL));
    coffer_store_options labels = {.label_count = 1};
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_store(client, "u", "c", "x", 1, &labels, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_get_many(client, NULL, 1, NULL, NULL));
    uint8_t *bytes = calloc(1, COFFER_FRAME_MAXIMUM_BYTES);
    CHECK(bytes != NULL);
    CHECK_STATUS(
        COFFER_RESOURCE_EXHAUSTED,
        coffer_store(client, "u", "c", bytes, COFFER_FRAME_MAXIMUM_BYTES - 30, NULL, NULL));
    CHECK(coffer_error_reason(client) == COFFER_REASON_FRAME_TOO_LARGE);
    free(bytes);
    CHECK(coffer_start_get(client, "u", "c", NULL, NULL, NULL) == 0);
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_error_status(client));
    coffer_close(client);
}

int main(void) {
    RUN(get_brings_all_of_a_record);
    RUN(store_and_delete_send_all_options);
    RUN(get_many_puts_the_parts_in_order);
    RUN(list_brings_a_page);
    RUN(operators_calls_bring_their_reports);
    RUN(a_mebibyte_goes_both_ways);
    RUN(answers_come_in_any_pieces);
    RUN(null_is_taken_everywhere);
    RUN(bad_arguments_are_refused_here);
    return 0;
}
