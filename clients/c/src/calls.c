/* Store, Get and Delete: started on the generated stubs, and waited for. */
#include <string.h>

#include "results.h"

/* protobuf-c's messages are not const, and it reads them only. */
static char *text(const char *value) {
    return value == NULL ? (char *)"" : (char *)value;
}

/* ---- Store ---- */

static void store_done(const Coffer__V1__StoreResponse *message, void *data) {
    (void)message;
    coffer_pending pending = coffer_pending_take(data);
    coffer_stored *stored = coffer_result_adopt(pending.client, sizeof *stored);
    ((coffer_store_callback *)pending.callback)(pending.client, stored, pending.context);
}

/* The entries that protobuf-c wants for labels, or NULL if memory ran out. */
static Coffer__V1__StoreRequest__LabelsEntry **make_labels(
    const coffer_memory *memory, const coffer_label *labels, size_t count) {
    Coffer__V1__StoreRequest__LabelsEntry **pointers =
        coffer_memory_allocate(memory, count * (sizeof **pointers + sizeof *pointers));
    if (pointers == NULL) return NULL;
    Coffer__V1__StoreRequest__LabelsEntry *entries = (void *)(pointers + count);
    for (size_t index = 0; index < count; index++) {
        coffer__v1__store_request__labels_entry__init(&entries[index]);
        entries[index].key = text(labels[index].name);
        entries[index].value = text(labels[index].value);
        pointers[index] = &entries[index];
    }
    return pointers;
}

static bool refuse(coffer_client *client, const char *fault) {
    coffer_failure_set(
        &client->failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false, "%s", fault);
    return false;
}

static bool options_fit(coffer_client *client, const coffer_store_options *options) {
    if (options->labels == NULL && options->label_count > 0) {
        return refuse(client, "labels: got NULL");
    }
    if (options->label_count > COFFER_ELEMENTS_MAXIMUM) {
        return refuse(client, "labels: expected at most 16");
    }
    if (options->if_version != NULL && options->if_absent) {
        return refuse(client, "if_version and if_absent: expected at most one of them");
    }
    for (size_t index = 0; index < options->label_count; index++) {
        if (!coffer_text_fits(client, "label", options->labels[index].name)) return false;
        if (!coffer_text_fits(client, "label", options->labels[index].value)) return false;
    }
    return coffer_text_fits(client, "if_version", options->if_version);
}

/* Whether it can be sent; else the failure is set. */
static bool store_fits(
    coffer_client *client, const Coffer__V1__StoreRequest *request,
    const coffer_store_options *options) {
    if (request->credential.data == NULL && request->credential.len > 0) {
        return refuse(client, "credential: expected bytes, got NULL");
    }
    if (request->credential.len > COFFER_CREDENTIAL_MAXIMUM_BYTES) {
        coffer_failure_set(
            &client->failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_CREDENTIAL_TOO_LARGE, false,
            "credential: expected 1 to %d bytes, got %zu; no daemon accepts more",
            COFFER_CREDENTIAL_MAXIMUM_BYTES, request->credential.len);
        return false;
    }
    return coffer_text_fits(client, "user", request->user_id) &&
           coffer_text_fits(client, "connection", request->connection_id) &&
           (options == NULL || options_fit(client, options));
}

static void set_condition(Coffer__V1__StoreRequest *request, const coffer_store_options *options) {
    if (options->if_version != NULL) {
        request->condition_case = COFFER__V1__STORE_REQUEST__CONDITION_IF_VERSION;
        request->if_version = text(options->if_version);
    } else if (options->if_absent) {
        request->condition_case = COFFER__V1__STORE_REQUEST__CONDITION_IF_ABSENT;
        request->if_absent = true;
    }
}

static uint64_t send_store(
    coffer_client *client, Coffer__V1__StoreRequest *request, const coffer_store_options *options,
    coffer_pending *pending) {
    if (options != NULL) {
        request->ttl_seconds = options->ttl_seconds;
        set_condition(request, options);
        request->n_labels = options->label_count;
    }
    if (request->n_labels > 0) {
        request->labels = make_labels(&client->memory, options->labels, options->label_count);
        if (request->labels == NULL) {
            coffer_failure_out_of_memory(&client->failure);
            return 0;
        }
    }
    coffer__v1__credentials__store(&client->credentials.base, request, store_done, pending);
    coffer_memory_release(&client->memory, request->labels);
    return client->credentials.started;
}

uint64_t coffer_start_store(
    coffer_client *client, const char *user, const char *connection, const void *credential,
    size_t size, const coffer_store_options *options, coffer_store_callback *callback,
    void *context) {
    coffer_pending *pending = coffer_pending_make(client, (void (*)(void))callback, context);
    if (pending == NULL) return 0;
    Coffer__V1__StoreRequest request = COFFER__V1__STORE_REQUEST__INIT;
    request.user_id = text(user);
    request.connection_id = text(connection);
    request.credential = (ProtobufCBinaryData){size, (uint8_t *)credential};
    uint64_t call = 0;
    if (store_fits(client, &request, options)) {
        call = send_store(client, &request, options, pending);
    }
    if (call == 0) coffer_memory_release(&client->memory, pending);
    return call;
}

static void store_waited(coffer_client *client, coffer_stored *stored, void *context) {
    coffer_waiter *waiter = context;
    coffer_stored **wanted = waiter->result;
    if (wanted != NULL) {
        *wanted = stored;
    } else {
        coffer_stored_free(stored);
    }
    coffer_waiter_finish(waiter, client);
}

coffer_status coffer_store(
    coffer_client *client, const char *user, const char *connection, const void *credential,
    size_t size, const coffer_store_options *options, coffer_stored **stored) {
    if (stored != NULL) *stored = NULL;
    if (!coffer_may_block(client)) return coffer_error_status(client);
    coffer_waiter waiter = {.result = stored};
    uint64_t call = coffer_start_store(
        client, user, connection, credential, size, options, store_waited, &waiter);
    return coffer_wait(client, call, &waiter);
}

/* ---- Get ---- */

static void get_done(const Coffer__V1__GetResponse *message, void *data) {
    (void)message;
    coffer_pending pending = coffer_pending_take(data);
    coffer_record *record = coffer_result_adopt(pending.client, sizeof *record);
    ((coffer_get_callback *)pending.callback)(pending.client, record, pending.context);
}

uint64_t coffer_start_get(
    coffer_client *client, const char *user, const char *connection,
    const coffer_get_options *options, coffer_get_callback *callback, void *context) {
    coffer_pending *pending = coffer_pending_make(client, (void (*)(void))callback, context);
    if (pending == NULL) return 0;
    Coffer__V1__GetRequest request = COFFER__V1__GET_REQUEST__INIT;
    request.user_id = text(user);
    request.connection_id = text(connection);
    if (options != NULL && options->has_max_age) {
        request.freshness_case = COFFER__V1__GET_REQUEST__FRESHNESS_MAX_AGE_MS;
        request.max_age_ms = options->max_age_ms;
    }
    uint64_t call = 0;
    if (coffer_text_fits(client, "user", user) &&
        coffer_text_fits(client, "connection", connection)) {
        coffer__v1__credentials__get(&client->credentials.base, &request, get_done, pending);
        call = client->credentials.started;
    }
    if (call == 0) coffer_memory_release(&client->memory, pending);
    return call;
}

static void get_waited(coffer_client *client, coffer_record *record, void *context) {
    coffer_waiter *waiter = context;
    coffer_record **wanted = waiter->result;
    if (wanted != NULL) {
        *wanted = record;
    } else {
        coffer_record_free(record);
    }
    coffer_waiter_finish(waiter, client);
}

coffer_status coffer_get(
    coffer_client *client, const char *user, const char *connection,
    const coffer_get_options *options, coffer_record **record) {
    if (record != NULL) *record = NULL;
    if (!coffer_may_block(client)) return coffer_error_status(client);
    coffer_waiter waiter = {.result = record};
    uint64_t call = coffer_start_get(client, user, connection, options, get_waited, &waiter);
    return coffer_wait(client, call, &waiter);
}

/* ---- Delete ---- */

static void delete_done(const Coffer__V1__DeleteResponse *message, void *data) {
    coffer_pending pending = coffer_pending_take(data);
    bool existed = message != NULL && message->existed;
    ((coffer_delete_callback *)pending.callback)(pending.client, existed, pending.context);
}

uint64_t coffer_start_delete(
    coffer_client *client, const char *user, const char *connection,
    const coffer_delete_options *options, coffer_delete_callback *callback, void *context) {
    coffer_pending *pending = coffer_pending_make(client, (void (*)(void))callback, context);
    if (pending == NULL) return 0;
    Coffer__V1__DeleteRequest request = COFFER__V1__DELETE_REQUEST__INIT;
    request.user_id = text(user);
    request.connection_id = text(connection);
    if (options != NULL && options->if_version != NULL) {
        request.condition_case = COFFER__V1__DELETE_REQUEST__CONDITION_IF_VERSION;
        request.if_version = text(options->if_version);
    }
    uint64_t call = 0;
    if (coffer_text_fits(client, "user", user) &&
        coffer_text_fits(client, "connection", connection) &&
        coffer_text_fits(client, "if_version", request.if_version)) {
        coffer__v1__credentials__delete(&client->credentials.base, &request, delete_done, pending);
        call = client->credentials.started;
    }
    if (call == 0) coffer_memory_release(&client->memory, pending);
    return call;
}

static void delete_waited(coffer_client *client, bool existed, void *context) {
    coffer_waiter *waiter = context;
    if (waiter->result != NULL) *(bool *)waiter->result = existed;
    coffer_waiter_finish(waiter, client);
}

coffer_status coffer_delete(
    coffer_client *client, const char *user, const char *connection,
    const coffer_delete_options *options, bool *existed) {
    if (existed != NULL) *existed = false;
    if (!coffer_may_block(client)) return coffer_error_status(client);
    coffer_waiter waiter = {.result = existed};
    uint64_t call =
        coffer_start_delete(client, user, connection, options, delete_waited, &waiter);
    return coffer_wait(client, call, &waiter);
}
