/* Memory: nothing that held a credential goes back unwiped, and every
 * allocation may fail. */
#define _GNU_SOURCE

#include <string.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "check.h"
#include "fake_server.h"

static fake_server server;

/* In every credential; must not be in memory that is given back. */
static const char marker[] = "TOP-SECRET-MARKER";

/* ---- An allocator that looks at what it gets back ---- */

typedef struct watched {
    struct watched_block *blocks;
    size_t live;
    size_t released;
    size_t allocated;
    /* The allocation that fails; 0 = none. */
    size_t fail_at;
} watched;

typedef struct watched_block {
    struct watched_block *next;
    size_t size;
    max_align_t bytes[];
} watched_block;

static void *watched_allocate(void *context, size_t size) {
    watched *all = context;
    if (++all->allocated == all->fail_at) return NULL;
    /* Of zeros, as all of it will be looked at. */
    watched_block *block = calloc(1, sizeof *block + size);
    CHECK(block != NULL);
    block->size = size;
    block->next = all->blocks;
    all->blocks = block;
    all->live++;
    return block->bytes;
}

static bool holds_marker(const watched_block *block) {
    return memmem(block->bytes, block->size, marker, sizeof marker - 1) != NULL;
}

/* How many blocks in use hold the marker. */
static size_t count_marked(const watched *all) {
    size_t count = 0;
    for (const watched_block *block = all->blocks; block != NULL; block = block->next) {
        if (holds_marker(block)) count++;
    }
    return count;
}

static void watched_release(void *context, void *bytes) {
    watched *all = context;
    watched_block *block = (watched_block *)((char *)bytes - sizeof *block);
    CHECK(!holds_marker(block));
    watched_block **link = &all->blocks;
    while (*link != block) link = &(*link)->next;
    *link = block->next;
    all->live--;
    all->released++;
    free(block);
}

static coffer_client *watched_client(watched *all) {
    coffer_allocator allocator = {watched_allocate, watched_release, all};
    coffer_options options = {
        .socket_path = server.path, .timeout_ms = 5000, .allocator = &allocator};
    return coffer_open(&options);
}

static void fill_with_marker(char *bytes, size_t size) {
    for (size_t index = 0; index < size; index++) bytes[index] = marker[index % (sizeof marker - 1)];
}

/* ---- A daemon that echoes what was stored ---- */

static char stored[200000];
static size_t stored_size;
static atomic_int store_count;

static void answer_get_many(fake_server *s, uint64_t call) {
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    Coffer__V1__GetResult first = COFFER__V1__GET_RESULT__INIT;
    Coffer__V1__GetResult *results[] = {&first};
    Coffer__V1__GetManyResponse part = COFFER__V1__GET_MANY_RESPONSE__INIT;
    record.credential = (ProtobufCBinaryData){stored_size, (uint8_t *)stored};
    first.outcome_case = COFFER__V1__GET_RESULT__OUTCOME_RECORD;
    first.record = &record;
    part.n_results = 1;
    part.results = results;
    first.index = 1;
    server_respond_part(s, call, &part.base);
    first.index = 0;
    server_respond(s, call, 0, &part.base);
}

static void keep(fake_server *s) {
    Coffer__V1__StoreRequest *request = (Coffer__V1__StoreRequest *)protobuf_c_message_unpack(
        &coffer__v1__store_request__descriptor, NULL, s->payload_size, s->payload);
    CHECK(request != NULL && request->credential.len <= sizeof stored);
    memcpy(stored, request->credential.data, request->credential.len);
    stored_size = request->credential.len;
    store_count++;
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

/* Answers requests until the client hangs up. */
static void serve_connection(fake_server *s) {
    for (uint8_t next; recv(s->connection, &next, 1, MSG_PEEK) > 0;) {
        coffer_frame_header header = server_read(s);
        if (header.kind != COFFER_FRAME_REQUEST) continue;
        if (header.method_or_status == coffer_method_id("coffer.v1.Credentials", "Store")) {
            keep(s);
            server_respond(s, header.call_id, 0, NULL);
        } else if (header.method_or_status == coffer_method_id("coffer.v1.Credentials", "Get")) {
            server_respond_record(s, header.call_id, stored, stored_size);
        } else if (
            header.method_or_status == coffer_method_id("coffer.v1.Credentials", "GetMany")) {
            answer_get_many(s, header.call_id);
        } else if (header.method_or_status == coffer_method_id("coffer.v1.Credentials", "Delete")) {
            server_refuse(s, header.call_id, COFFER_ABORTED, COFFER_REASON_VERSION_MISMATCH, 0);
        } else {
            server_respond(s, header.call_id, 0, NULL);
        }
    }
    server_close(s);
}

/* One connection after the other, until one has stored nothing. */
static void echo_script(fake_server *s) {
    do {
        stored_size = 0;
        server_accept(s);
        serve_connection(s);
    } while (stored_size > 0);
}

static void stop_server(void) {
    coffer_client *client = server_client(&server, 1000);
    CHECK_STATUS(COFFER_OK, coffer_health(client, NULL));
    coffer_close(client);
    server_finish(&server);
}

/* ---- Wiping ---- */

static void use_everything(coffer_client *client, const watched *all, size_t size) {
    static const coffer_key keys[] = {{"u", "a"}, {"u", "b"}};
    char *credential = malloc(size);
    CHECK(credential != NULL);
    fill_with_marker(credential, size);
    coffer_record *record;
    coffer_batch *batch;
    CHECK_STATUS(COFFER_OK, coffer_store(client, "u", "c", credential, size, NULL, NULL));
    CHECK_STATUS(COFFER_OK, coffer_get(client, "u", "c", NULL, &record));
    CHECK(coffer_record_size(record) == size);
    CHECK(memcmp(coffer_record_credential(record), credential, size) == 0);
    /* The record alone has it: not the request's frame, not the buffer. */
    CHECK(count_marked(all) == 1);
    CHECK_STATUS(COFFER_OK, coffer_get_many(client, keys, 2, NULL, &batch));
    CHECK(coffer_record_size(coffer_batch_record(batch, 1)) == size);
    CHECK_STATUS(COFFER_ABORTED, coffer_delete(client, "u", "c", NULL, NULL));
    coffer_batch_free(batch);
    coffer_record_free(record);
    CHECK(count_marked(all) == 0);
    free(credential);
}

static void what_held_a_credential_is_wiped(void) {
    watched all = {0};
    server_start(&server, echo_script);
    coffer_client *client = watched_client(&all);
    CHECK(client != NULL);
    /* Small ones stay in the first buffer; large ones make it grow. */
    use_everything(client, &all, 100);
    use_everything(client, &all, 3000);
    use_everything(client, &all, 150000);
    use_everything(client, &all, 40);
    coffer_close(client);
    stop_server();
    CHECK(all.live == 0);
    CHECK(all.released > 20);
}

static void half_an_answer_script(fake_server *s) {
    char bytes[2000];
    size_t size;
    Coffer__V1__GetResponse record = COFFER__V1__GET_RESPONSE__INIT;
    fill_with_marker(bytes, sizeof bytes);
    record.credential = (ProtobufCBinaryData){sizeof bytes, (uint8_t *)bytes};
    server_accept(s);
    uint64_t call = server_expect(s, COFFER_FRAME_REQUEST);
    uint8_t *frame = make_frame(COFFER_FRAME_RESPONSE, 0, call, 0, 0, &record.base, &size);
    server_send(s, frame, size / 2);
    free(frame);
    server_close(s);
}

static void half_an_answer_is_wiped(void) {
    watched all = {0};
    coffer_record *record;
    server_start(&server, half_an_answer_script);
    coffer_client *client = watched_client(&all);
    CHECK_STATUS(COFFER_UNAVAILABLE, coffer_get(client, "u", "c", NULL, &record));
    coffer_close(client);
    server_finish(&server);
    CHECK(all.live == 0);
}

static void ignore_stored(coffer_client *client, coffer_stored *ignored, void *context) {
    (void)context;
    CHECK_STATUS(COFFER_CANCELLED, coffer_error_status(client));
    CHECK(ignored == NULL);
}

static void a_request_that_never_left_is_wiped(void) {
    watched all = {0};
    server_start(&server, NULL);
    coffer_client *client = watched_client(&all);
    CHECK(coffer_start_store(client, "u", "c", marker, sizeof marker, NULL, ignore_stored, NULL));
    coffer_close(client);
    server_finish(&server);
    CHECK(all.live == 0);
}

/* ---- Failing allocations ---- */

/* Every call once. True if all worked; what fails must say why. */
static bool try_everything(coffer_client *client) {
    static const coffer_key keys[] = {{"u", "a"}, {"u", "b"}};
    coffer_label label = {"env", "prod"};
    coffer_store_options options = {.labels = &label, .label_count = 1};
    char credential[9000];
    coffer_stored *written;
    coffer_record *record;
    coffer_batch *batch;
    coffer_page *page;
    coffer_health_report *health;
    coffer_stats_report *stats;
    coffer_ping_report *ping;
    coffer_status statuses[8];
    fill_with_marker(credential, sizeof credential);
    int stores_before = store_count;
    statuses[0] =
        coffer_store(client, "u", "c", credential, sizeof credential, &options, &written);
    /* Memory may run out when the daemon has stored it. */
    if (statuses[0] != COFFER_OK && !coffer_error_may_have_happened(client)) {
        CHECK(store_count == stores_before);
    }
    statuses[1] = coffer_get(client, "u", "c", NULL, &record);
    statuses[2] = coffer_get_many(client, keys, 2, NULL, &batch);
    statuses[3] = coffer_list(client, "u", NULL, &page);
    statuses[4] = coffer_health(client, &health);
    statuses[5] = coffer_stats(client, &stats);
    statuses[6] = coffer_invalidate(client, NULL, NULL, NULL);
    statuses[7] = coffer_ping(client, &ping);
    CHECK((written != NULL) == (statuses[0] == COFFER_OK));
    CHECK((record != NULL) == (statuses[1] == COFFER_OK));
    CHECK((batch != NULL) == (statuses[2] == COFFER_OK));
    CHECK((page != NULL) == (statuses[3] == COFFER_OK));
    CHECK((health != NULL) == (statuses[4] == COFFER_OK));
    CHECK((stats != NULL) == (statuses[5] == COFFER_OK));
    CHECK((ping != NULL) == (statuses[7] == COFFER_OK));
    coffer_stored_free(written);
    coffer_record_free(record);
    coffer_batch_free(batch);
    coffer_page_free(page);
    coffer_health_free(health);
    coffer_stats_free(stats);
    coffer_ping_free(ping);
    bool worked = true;
    for (size_t index = 0; index < sizeof statuses / sizeof *statuses; index++) {
        CHECK(statuses[index] == COFFER_OK || statuses[index] == COFFER_RESOURCE_EXHAUSTED);
        worked = worked && statuses[index] == COFFER_OK;
    }
    return worked;
}

/* The n-th allocation fails, for n = 1, 2, … until none is left to fail. */
static void every_allocation_may_fail(void) {
    size_t failed = 0;
    server_start(&server, echo_script);
    for (bool worked = false; !worked;) {
        watched all = {.fail_at = failed + 1};
        coffer_client *client = watched_client(&all);
        if (client == NULL) {
            CHECK(all.fail_at == 1);
            failed++;
            continue;
        }
        worked = try_everything(client);
        CHECK(worked == (all.allocated < all.fail_at));
        if (!worked) {
            failed++;
            /* One failure is behind it, and it works again. */
            CHECK(try_everything(client));
        }
        coffer_close(client);
        CHECK(all.live == 0);
    }
    stop_server();
    printf("%zu allocations have failed, each once\n", failed);
    CHECK(failed > 30);
}

int main(void) {
    RUN(what_held_a_credential_is_wiped);
    RUN(half_an_answer_is_wiped);
    RUN(a_request_that_never_left_is_wiped);
    RUN(every_allocation_may_fail);
    return 0;
}
