/* GetMany, List and the calls of operators against a scripted daemon. */
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

static void partly_drained_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    respond_results(s, call, 3, 0, true);
    server_refuse(s, call, COFFER_UNAVAILABLE, COFFER_REASON_DRAINING, 5);
    server_expect_closed(s);
    server_accept(s);
    call = server_expect(s, COFFER_FRAME_REQUEST);
    respond_results(s, call, 0, 3, true);
    respond_results(s, call, 1, 2, false);
    server_expect_closed(s);
}

/* What came with the first connection does not count: the keys are all answered again. */
static void a_get_many_that_a_drain_cut_off_is_answered_whole_by_the_next_daemon(void) {
    static const coffer_key keys[] = {{"u", "a"}, {"u", "b"}, {"u", "c"}, {"u", "d"}};
    server_start(&server, partly_drained_script);
    coffer_client *client = server_client(&server, 0);
    coffer_batch *batch;
    CHECK_STATUS(COFFER_OK, coffer_get_many(client, keys, 4, NULL, &batch));
    CHECK_STATUS(COFFER_OK, coffer_batch_status(batch, 0));
    CHECK_STATUS(COFFER_OK, coffer_batch_status(batch, 1));
    CHECK_STATUS(COFFER_NOT_FOUND, coffer_batch_status(batch, 2));
    CHECK_STATUS(COFFER_NOT_FOUND, coffer_batch_status(batch, 3));
    coffer_batch_free(batch);
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
    Coffer__V1__ListEntry damaged = COFFER__V1__LIST_ENTRY__INIT;
    Coffer__V1__Failure failure = COFFER__V1__FAILURE__INIT;
    Coffer__V1__ListEntry future = COFFER__V1__LIST_ENTRY__INIT;
    Coffer__V1__ListEntry *entries[] = {&entry, &damaged, &future};
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
    failure.reason = COFFER__V1__FAILURE__REASON__REASON_UNREADABLE_RECORD;
    failure.message = (char *)"does not open";
    damaged.user_id = (char *)"ann";
    damaged.status = COFFER_DATA_LOSS;
    damaged.failure = &failure;
    future.status = 99;
    page.n_entries = 3;
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
    CHECK(coffer_page_count(page) == 3);
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
    CHECK_STATUS(COFFER_OK, coffer_entry_status(entry));
    CHECK(coffer_entry_reason(entry) == COFFER_REASON_NONE);
    CHECK_TEXT("", coffer_entry_message(entry));
    const coffer_entry *damaged = coffer_page_entry(page, 1);
    CHECK_STATUS(COFFER_DATA_LOSS, coffer_entry_status(damaged));
    CHECK(coffer_entry_reason(damaged) == COFFER_REASON_UNREADABLE_RECORD);
    CHECK_TEXT("does not open", coffer_entry_message(damaged));
    CHECK_TEXT("ann", coffer_entry_user(damaged));
    CHECK_TEXT("", coffer_entry_connection(damaged));
    CHECK_TEXT("", coffer_entry_version(damaged));
    CHECK(coffer_entry_status(coffer_page_entry(page, 2)) == COFFER_UNKNOWN);
    CHECK(coffer_page_entry(page, 3) == NULL);
    CHECK_STATUS(COFFER_INVALID_ARGUMENT, coffer_entry_status(NULL));
    CHECK_TEXT("", coffer_entry_message(NULL));
    coffer_page_free(page);
    coffer_close(client);
    server_finish(&server);
}

static void admin_script(fake_server *s) {
    server_accept(s);
    Coffer__V1__VaultHealth vault = COFFER__V1__VAULT_HEALTH__INIT;
    Coffer__V1__VaultHealth future = COFFER__V1__VAULT_HEALTH__INIT;
    Coffer__V1__VaultHealth *vaults[] = {&vault, &future};
    char *warnings[] = {(char *)"swap"};
    Coffer__V1__HealthResponse health = COFFER__V1__HEALTH_RESPONSE__INIT;
    Coffer__V1__Failure refused = COFFER__V1__FAILURE__INIT;
    refused.reason = COFFER__V1__FAILURE__REASON__REASON_VAULT_REFUSED;
    refused.message = (char *)"the policy";
    future.check_status = 99;
    future.writes = (Coffer__V1__VaultHealth__Writes)99;
    future.breaker = (Coffer__V1__VaultHealth__Breaker)99;
    vault.check_status = COFFER_PERMISSION_DENIED;
    vault.check_failure = &refused;
    vault.name = (char *)"main";
    vault.kind = (char *)"embedded";
    vault.reachable = true;
    vault.latency_us = 9;
    vault.last_failure = COFFER__V1__FAILURE__REASON__REASON_DISK;
    char *routes[] = {(char *)"user=* connection=*"};
    vault.last_failure_ms = 10;
    vault.format = (char *)"json";
    vault.n_routes = 1;
    vault.routes = routes;
    vault.breaker = COFFER__V1__VAULT_HEALTH__BREAKER__BREAKER_OPEN;
    vault.breaker_retry_ms = 11;
    vault.in_flight = 12;
    vault.queued = 13;
    vault.calls = 14;
    vault.failures = 15;
    vault.retries = 16;
    vault.refusals = 17;
    vault.writes = COFFER__V1__VAULT_HEALTH__WRITES__WRITES_FAIL;
    vault.write_failure = COFFER__V1__FAILURE__REASON__REASON_VAULT_REFUSED;
    health.serving = true;
    health.version = (char *)"0.1.0";
    health.uptime_ms = 8;
    health.n_vaults = 2;
    health.vaults = vaults;
    health.n_warnings = 1;
    health.warnings = warnings;
    server_respond(s, server_expect(s, COFFER_FRAME_REQUEST), 0, &health.base);

    Coffer__V1__PingResponse ping = COFFER__V1__PING_RESPONSE__INIT;
    ping.version = (char *)"0.1.0";
    ping.instance = (char *)"0123456789abcdef";
    ping.draining = true;
    ping.max_frame_bytes = 1;
    ping.max_credential_bytes = 2;
    ping.max_waiting_calls = 3;
    ping.max_keys = 4;
    ping.max_call_ms = 5;
    ping.features = UINT64_MAX;
    server_respond(s, server_expect(s, COFFER_FRAME_REQUEST), 0, &ping.base);

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
    CHECK(coffer_health_vault_count(health) == 2);
    const coffer_vault_health *future = coffer_health_vault(health, 1);
    CHECK(coffer_vault_check_status(future) == COFFER_UNKNOWN);
    CHECK(coffer_vault_writes(future) == COFFER_WRITES_UNSPECIFIED);
    CHECK(coffer_vault_breaker(future) == COFFER_BREAKER_UNSPECIFIED);
    const coffer_vault_health *vault = coffer_health_vault(health, 0);
    CHECK_TEXT("main", coffer_vault_name(vault));
    CHECK_TEXT("embedded", coffer_vault_kind(vault));
    CHECK(coffer_vault_reachable(vault));
    CHECK(coffer_vault_check_status(vault) == COFFER_PERMISSION_DENIED);
    CHECK(coffer_vault_check_reason(vault) == COFFER_REASON_VAULT_REFUSED);
    CHECK_TEXT("the policy", coffer_vault_check_message(vault));
    CHECK(coffer_vault_check_status(NULL) == COFFER_OK && coffer_vault_check_message(NULL) == NULL);
    CHECK(coffer_vault_latency_us(vault) == 9);
    CHECK(coffer_vault_last_good_contact_ms(vault) == 0);
    CHECK(coffer_vault_last_failure(vault) == COFFER_REASON_DISK);
    CHECK(coffer_vault_last_failure_ms(vault) == 10);
    CHECK_TEXT("json", coffer_vault_format(vault));
    CHECK(coffer_vault_route_count(vault) == 1);
    CHECK_TEXT("user=* connection=*", coffer_vault_route(vault, 0));
    CHECK(coffer_vault_route(vault, 1) == NULL);
    CHECK(coffer_vault_breaker(vault) == COFFER_BREAKER_OPEN);
    CHECK(coffer_vault_breaker_retry_ms(vault) == 11);
    CHECK(coffer_vault_in_flight(vault) == 12);
    CHECK(coffer_vault_queued(vault) == 13);
    CHECK(coffer_vault_calls(vault) == 14);
    CHECK(coffer_vault_failures(vault) == 15);
    CHECK(coffer_vault_retries(vault) == 16);
    CHECK(coffer_vault_refusals(vault) == 17);
    CHECK(coffer_vault_writes(vault) == COFFER_WRITES_FAIL);
    CHECK(coffer_vault_write_failure(vault) == COFFER_REASON_VAULT_REFUSED);
    coffer_health_free(health);
    coffer_ping_report *ping;
    CHECK_STATUS(COFFER_OK, coffer_ping(client, &ping));
    CHECK_TEXT("0.1.0", coffer_ping_version(ping));
    CHECK_TEXT("0123456789abcdef", coffer_ping_instance(ping));
    CHECK(coffer_ping_draining(ping));
    CHECK(coffer_ping_max_frame_bytes(ping) == 1);
    CHECK(coffer_ping_max_credential_bytes(ping) == 2);
    CHECK(coffer_ping_max_waiting_calls(ping) == 3);
    CHECK(coffer_ping_max_keys(ping) == 4);
    CHECK(coffer_ping_max_call_ms(ping) == 5);
    CHECK(coffer_ping_features(ping) == UINT64_MAX);
    coffer_ping_free(ping);
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

/* A vault that takes the record, and is out of reach when it is asked for it. */
static void doctor_script(fake_server *s) {
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    Coffer__V1__DoctorRequest *request = decode(&coffer__v1__doctor_request__descriptor);
    CHECK_TEXT("main", request->vault);
    free_message(request);
    Coffer__V1__Failure failure = COFFER__V1__FAILURE__INIT;
    failure.reason = COFFER__V1__FAILURE__REASON__REASON_VAULT_UNREACHABLE;
    failure.message = (char *)"out of reach";
    Coffer__V1__DoctorStep store = COFFER__V1__DOCTOR_STEP__INIT;
    Coffer__V1__DoctorStep get = COFFER__V1__DOCTOR_STEP__INIT;
    Coffer__V1__DoctorStep compare = COFFER__V1__DOCTOR_STEP__INIT;
    Coffer__V1__DoctorStep *steps[] = {&store, &get, &compare};
    store.action = COFFER__V1__DOCTOR_STEP__ACTION__ACTION_STORE;
    store.duration_us = 9;
    get.action = COFFER__V1__DOCTOR_STEP__ACTION__ACTION_GET;
    get.status = 14;
    get.failure = &failure;
    get.advice = (char *)"is it running?";
    compare.action = COFFER__V1__DOCTOR_STEP__ACTION__ACTION_COMPARE;
    compare.skipped = true;
    compare.status = 99;
    Coffer__V1__VaultExamination examination = COFFER__V1__VAULT_EXAMINATION__INIT;
    Coffer__V1__VaultExamination *list[] = {&examination};
    examination.name = (char *)"main";
    examination.kind = (char *)"vault";
    examination.n_steps = 3;
    examination.steps = steps;
    Coffer__V1__DoctorResponse response = COFFER__V1__DOCTOR_RESPONSE__INIT;
    response.n_vaults = 1;
    response.vaults = list;
    server_respond(s, call, 0, &response.base);

    call = server_expect(s, COFFER_FRAME_REQUEST);
    request = decode(&coffer__v1__doctor_request__descriptor);
    CHECK_TEXT("", request->vault);
    free_message(request);
    response.n_vaults = 0;
    server_respond(s, call, 0, &response.base);
}

static void the_doctor_tells_of_each_step(void) {
    server_start(&server, doctor_script);
    coffer_client *client = server_client(&server, 0);
    coffer_doctor_report *report;
    CHECK_STATUS(COFFER_OK, coffer_doctor(client, "main", &report));
    CHECK(coffer_doctor_count(report) == 1);
    CHECK(coffer_doctor_examination(report, 1) == NULL);
    const coffer_examination *examination = coffer_doctor_examination(report, 0);
    CHECK_TEXT("main", coffer_examination_name(examination));
    CHECK_TEXT("vault", coffer_examination_kind(examination));
    CHECK(coffer_examination_step_count(examination) == 3);
    CHECK(coffer_step_action(examination, 0) == COFFER_ACTION_STORE);
    CHECK_STATUS(COFFER_OK, coffer_step_status(examination, 0));
    CHECK(!coffer_step_skipped(examination, 0));
    CHECK(coffer_step_duration_us(examination, 0) == 9);
    CHECK(coffer_step_reason(examination, 0) == COFFER_REASON_NONE);
    CHECK_TEXT("", coffer_step_message(examination, 0));
    CHECK_TEXT("", coffer_step_advice(examination, 0));
    CHECK_STATUS(COFFER_UNAVAILABLE, coffer_step_status(examination, 1));
    CHECK(coffer_step_reason(examination, 1) == COFFER_REASON_VAULT_UNREACHABLE);
    CHECK_TEXT("out of reach", coffer_step_message(examination, 1));
    CHECK_TEXT("is it running?", coffer_step_advice(examination, 1));
    CHECK(coffer_step_skipped(examination, 2));
    CHECK(coffer_step_status(examination, 2) == COFFER_UNKNOWN);
    CHECK(coffer_step_action(examination, 3) == COFFER_ACTION_UNSPECIFIED);
    CHECK(coffer_step_message(examination, 3) == NULL);
    coffer_doctor_free(report);
    CHECK_STATUS(COFFER_OK, coffer_doctor(client, NULL, &report));
    CHECK(coffer_doctor_count(report) == 0);
    coffer_doctor_free(report);
    coffer_close(client);
    server_finish(&server);
}

int main(void) {
    RUN(get_many_puts_the_parts_in_order);
    RUN(a_get_many_that_a_drain_cut_off_is_answered_whole_by_the_next_daemon);
    RUN(list_brings_a_page);
    RUN(operators_calls_bring_their_reports);
    RUN(the_doctor_tells_of_each_step);
    return 0;
}
