/* GetMany and List. */
#include "results.h"

static char *text(const char *value) {
    return value == NULL ? (char *)"" : (char *)value;
}

/* ---- GetMany ---- */

static void finish_get_many(coffer_pending *data, bool whole) {
    coffer_pending pending = coffer_pending_take(data);
    if (!whole) {
        coffer_batch_free(pending.batch);
        pending.batch = NULL;
    }
    ((coffer_get_many_callback *)pending.callback)(
        pending.client, pending.batch, pending.context);
}

/* Runs for each response; only the last, a failure or a false one ends it. */
static void get_many_part(const Coffer__V1__GetManyResponse *message, void *data) {
    coffer_pending *pending = data;
    coffer_channel *channel = &pending->client->channel;
    bool last = channel->delivery.last;
    if (message == NULL) {
        finish_get_many(pending, false);
        return;
    }
    if (channel->delivery.first) coffer_batch_clear(pending->batch);
    ProtobufCMessage *part = coffer_take_message(pending->client);
    bool good = coffer_batch_add(pending->batch, (Coffer__V1__GetManyResponse *)part);
    if (good && !last) return;
    good = good && pending->batch->answered == pending->batch->count;
    if (!good) {
        coffer_failure_set(
            channel->failure, COFFER_INTERNAL, COFFER_REASON_MALFORMED, false,
            "the daemon's results do not match the %zu keys that were asked for",
            pending->batch->count);
        channel->delivery.rejected = true;
    }
    finish_get_many(pending, good);
}

/* Whether they can be sent; else the failure is set. */
static bool keys_fit(coffer_client *client, const coffer_key *keys, size_t count) {
    if (keys == NULL && count > 0) {
        coffer_failure_set(
            &client->failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false,
            "keys: expected an array, got NULL");
        return false;
    }
    if (count > COFFER_ELEMENTS_MAXIMUM) {
        coffer_failure_set(
            &client->failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false,
            "keys: expected 1 to 256, got %zu", count);
        return false;
    }
    for (size_t index = 0; index < count; index++) {
        if (!coffer_text_fits(client, "user", keys[index].user)) return false;
        if (!coffer_text_fits(client, "connection", keys[index].connection)) return false;
    }
    return true;
}

/* The keys that protobuf-c wants, or NULL if memory ran out. */
static Coffer__V1__Key **make_keys(
    const coffer_memory *memory, const coffer_key *keys, size_t count) {
    Coffer__V1__Key **pointers =
        coffer_memory_allocate(memory, count * (sizeof **pointers + sizeof *pointers));
    if (pointers == NULL) return NULL;
    Coffer__V1__Key *messages = (void *)(pointers + count);
    for (size_t index = 0; index < count; index++) {
        coffer__v1__key__init(&messages[index]);
        messages[index].user_id = text(keys[index].user);
        messages[index].connection_id = text(keys[index].connection);
        pointers[index] = &messages[index];
    }
    return pointers;
}

static uint64_t send_get_many(
    coffer_client *client, const coffer_key *keys, size_t count, const coffer_get_options *options,
    coffer_pending *pending) {
    Coffer__V1__GetManyRequest request = COFFER__V1__GET_MANY_REQUEST__INIT;
    pending->batch = coffer_batch_make(&client->memory, count);
    request.keys = make_keys(&client->memory, keys, count);
    request.n_keys = count;
    client->credentials.started = 0;
    if (options != NULL && options->has_max_age) {
        request.freshness_case = COFFER__V1__GET_MANY_REQUEST__FRESHNESS_MAX_AGE_MS;
        request.max_age_ms = options->max_age_ms;
    }
    if (pending->batch != NULL && request.keys != NULL) {
        coffer__v1__credentials__get_many(
            &client->credentials.base, &request, get_many_part, pending);
    } else {
        coffer_failure_out_of_memory(&client->failure);
    }
    coffer_memory_release(&client->memory, request.keys);
    if (client->credentials.started == 0) coffer_batch_free(pending->batch);
    return client->credentials.started;
}

uint64_t coffer_start_get_many(
    coffer_client *client, const coffer_key *keys, size_t count, const coffer_get_options *options,
    coffer_get_many_callback *callback, void *context) {
    coffer_pending *pending = coffer_pending_make(client, (void (*)(void))callback, context);
    if (pending == NULL) return 0;
    uint64_t call = 0;
    if (keys_fit(client, keys, count)) {
        call = send_get_many(client, keys, count, options, pending);
    }
    if (call == 0) coffer_memory_release(&client->memory, pending);
    return call;
}

static void get_many_waited(coffer_client *client, coffer_batch *batch, void *context) {
    coffer_waiter *waiter = context;
    coffer_batch **wanted = waiter->result;
    if (wanted != NULL) {
        *wanted = batch;
    } else {
        coffer_batch_free(batch);
    }
    coffer_waiter_finish(waiter, client);
}

coffer_status coffer_get_many(
    coffer_client *client, const coffer_key *keys, size_t count, const coffer_get_options *options,
    coffer_batch **batch) {
    if (batch != NULL) *batch = NULL;
    if (!coffer_may_block(client)) return coffer_error_status(client);
    coffer_waiter waiter = {.result = batch};
    uint64_t call = coffer_start_get_many(client, keys, count, options, get_many_waited, &waiter);
    return coffer_wait(client, call, &waiter);
}

/* ---- List ---- */

static void list_done(const Coffer__V1__ListResponse *message, void *data) {
    (void)message;
    coffer_pending pending = coffer_pending_take(data);
    coffer_page *page = coffer_result_adopt(pending.client, sizeof *page);
    ((coffer_list_callback *)pending.callback)(pending.client, page, pending.context);
}

uint64_t coffer_start_list(
    coffer_client *client, const char *user, const coffer_list_options *options,
    coffer_list_callback *callback, void *context) {
    coffer_pending *pending = coffer_pending_make(client, (void (*)(void))callback, context);
    if (pending == NULL) return 0;
    Coffer__V1__ListRequest request = COFFER__V1__LIST_REQUEST__INIT;
    request.user_id = text(user);
    if (options != NULL) {
        request.page_token = text(options->page_token);
        request.page_size = options->page_size;
    }
    uint64_t call = 0;
    if (coffer_text_fits(client, "user", user) &&
        coffer_text_fits(client, "page_token", request.page_token)) {
        coffer__v1__credentials__list(&client->credentials.base, &request, list_done, pending);
        call = client->credentials.started;
    }
    if (call == 0) coffer_memory_release(&client->memory, pending);
    return call;
}

static void list_waited(coffer_client *client, coffer_page *page, void *context) {
    coffer_waiter *waiter = context;
    coffer_page **wanted = waiter->result;
    if (wanted != NULL) {
        *wanted = page;
    } else {
        coffer_page_free(page);
    }
    coffer_waiter_finish(waiter, client);
}

coffer_status coffer_list(
    coffer_client *client, const char *user, const coffer_list_options *options,
    coffer_page **page) {
    if (page != NULL) *page = NULL;
    if (!coffer_may_block(client)) return coffer_error_status(client);
    coffer_waiter waiter = {.result = page};
    uint64_t call = coffer_start_list(client, user, options, list_waited, &waiter);
    return coffer_wait(client, call, &waiter);
}
