/* Store, Get and Delete against a scripted daemon: what is sent, what comes
 * back, of which sizes and in which pieces. */
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
    record.foreign_format = "json";
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
    CHECK_TEXT("json", coffer_record_foreign_format(record));
    CHECK(coffer_record_foreign_format(NULL) == NULL);
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
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_ping(NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_health(NULL, NULL));
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_doctor(NULL, NULL, NULL));
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
    coffer_ping_free(NULL);
    CHECK(coffer_ping_version(NULL) == NULL && coffer_ping_instance(NULL) == NULL && !coffer_ping_draining(NULL));
    coffer_health_free(NULL);
    coffer_doctor_free(NULL);
    coffer_stats_free(NULL);
    CHECK(coffer_record_credential(NULL) == NULL);
    CHECK(coffer_record_size(NULL) == 0);
    CHECK(coffer_record_label(NULL, "x") == NULL);
    CHECK(coffer_page_entry(NULL, 0) == NULL);
    CHECK(coffer_entry_user(NULL) == NULL);
    CHECK(coffer_vault_name(NULL) == NULL);
    CHECK(coffer_vault_format(NULL) == NULL);
    CHECK(coffer_vault_route(NULL, 0) == NULL);
    CHECK(coffer_vault_breaker(NULL) == COFFER_BREAKER_UNSPECIFIED);
    CHECK(coffer_doctor_examination(NULL, 0) == NULL);
    CHECK(coffer_examination_name(NULL) == NULL);
    CHECK(coffer_step_status(NULL, 0) == COFFER_OK);
    CHECK(coffer_step_message(NULL, 0) == NULL);
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
    CHECK(coffer_start_get(client, "u", "c", NULL, NULL, NULL) == 0);
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_error_status(client));
    coffer_close(client);
}

int main(void) {
    RUN(get_brings_all_of_a_record);
    RUN(store_and_delete_send_all_options);
    RUN(a_mebibyte_goes_both_ways);
    RUN(answers_come_in_any_pieces);
    RUN(null_is_taken_everywhere);
    RUN(bad_arguments_are_refused_here);
    return 0;
}
