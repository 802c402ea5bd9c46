#define _DEFAULT_SOURCE

#include "client.h"

#include <poll.h>
#include <string.h>

#include "coffer/v1/admin.pb-c.h"

enum { default_timeout_ms = 5000 };

#define TEXT_OF(number) #number
#define DOTTED(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *coffer_version(void) {
    return DOTTED(COFFER_VERSION_MAJOR, COFFER_VERSION_MINOR, COFFER_VERSION_PATCH);
}

/* ---- Opening and closing ---- */

coffer_client *coffer_open(const coffer_options *options) {
    static const coffer_options defaults;
    if (options == NULL) options = &defaults;
    coffer_memory memory = coffer_memory_make(options->allocator);
    coffer_client *client = coffer_memory_allocate(&memory, sizeof *client);
    if (client == NULL) return NULL;
    client->memory = memory;
    coffer_channel_init(
        &client->channel, &client->memory, &client->failure,
        options->timeout_ms == 0 ? default_timeout_ms : options->timeout_ms);
    coffer_place_find(&client->channel.place, options);
    coffer_service_init(
        &client->credentials, &coffer__v1__credentials__descriptor, &client->channel);
    coffer_service_init(&client->admin, &coffer__v1__admin__descriptor, &client->channel);
    return client;
}

void coffer_close(coffer_client *client) {
    if (client == NULL || client->channel.delivering) return;
    coffer_channel_close(&client->channel);
    coffer_memory memory = client->memory;
    coffer_memory_release(&memory, client);
}

/* ---- Errors ---- */

coffer_status coffer_error_status(const coffer_client *client) {
    return client == NULL ? COFFER_INVALID_ARGUMENT : client->failure.status;
}

coffer_reason coffer_error_reason(const coffer_client *client) {
    return client == NULL ? COFFER_REASON_NONE : client->failure.reason;
}

const char *coffer_error_message(const coffer_client *client) {
    return client == NULL ? "the client is NULL; check what coffer_open returned: memory ran out"
                          : client->failure.message;
}

uint32_t coffer_error_retry_after_ms(const coffer_client *client) {
    return client == NULL ? 0 : client->failure.retry_after_ms;
}

bool coffer_error_retryable(const coffer_client *client) {
    return client != NULL && client->failure.retryable;
}

bool coffer_error_may_have_happened(const coffer_client *client) {
    return client != NULL && client->failure.may_have_happened;
}

/* ---- Blocking on top of the channel ---- */

bool coffer_may_block(coffer_client *client) {
    if (client == NULL) return false;
    if (!client->channel.delivering) return true;
    coffer_failure_set(
        &client->failure, COFFER_FAILED_PRECONDITION, COFFER_REASON_NONE, false,
        "a callback must not wait; use the start functions in callbacks");
    return false;
}

void coffer_waiter_finish(coffer_waiter *waiter, const coffer_client *client) {
    waiter->failure = client->failure;
    waiter->done = true;
}

coffer_status coffer_wait(coffer_client *client, uint64_t call, coffer_waiter *waiter) {
    if (call == 0) return coffer_error_status(client);
    coffer_channel *channel = &client->channel;
    for (bool readable = false; !waiter->done; readable = true) {
        coffer_channel_process(channel, readable);
        if (waiter->done) break;
        struct pollfd wanted = {.fd = coffer_fd(client), .events = coffer_channel_events(channel)};
        /* Deadlines end the loop, so an interrupted or failed poll may go on. */
        poll(&wanted, 1, coffer_channel_wait_ms(channel));
    }
    /* Callbacks of other calls may have run after this one's. */
    client->failure = waiter->failure;
    return client->failure.status;
}

/* ---- Event loops ---- */

void coffer_cancel(coffer_client *client, uint64_t call) {
    if (client != NULL) coffer_channel_cancel(&client->channel, call);
}

int coffer_fd(const coffer_client *client) {
    return client == NULL || coffer_channel_is_inherited(&client->channel) ? -1
                                                                           : client->channel.fd;
}

short coffer_events(const coffer_client *client) {
    return client == NULL ? 0 : coffer_channel_events(&client->channel);
}

int coffer_wait_ms(const coffer_client *client) {
    return client == NULL ? -1 : coffer_channel_wait_ms(&client->channel);
}

size_t coffer_process(coffer_client *client) {
    if (client == NULL || client->channel.delivering) return 0;
    client->channel.ended_count = 0;
    coffer_channel_process(&client->channel, true);
    return client->channel.ended_count;
}

/* ---- Requests ---- */

bool coffer_text_fits(coffer_client *client, const char *name, const char *text) {
    if (text == NULL) return true;
    if (strnlen(text, COFFER_TEXT_MAXIMUM_BYTES + 1) <= COFFER_TEXT_MAXIMUM_BYTES) return true;
    coffer_failure_set(
        &client->failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false,
        "%s: expected at most %d bytes, got more", name, COFFER_TEXT_MAXIMUM_BYTES);
    return false;
}

/* ---- Pending calls ---- */

coffer_pending *coffer_pending_make(
    coffer_client *client, void (*callback)(void), void *context) {
    if (client == NULL) return NULL;
    if (callback == NULL) {
        coffer_failure_set(
            &client->failure, COFFER_INVALID_ARGUMENT, COFFER_REASON_BAD_FIELD, false,
            "callback: expected a function, got NULL");
        return NULL;
    }
    coffer_pending *pending = coffer_memory_allocate(&client->memory, sizeof *pending);
    if (pending == NULL) {
        coffer_failure_out_of_memory(&client->failure);
        return NULL;
    }
    pending->client = client;
    pending->callback = callback;
    pending->context = context;
    return pending;
}

coffer_pending coffer_pending_take(coffer_pending *pending) {
    coffer_pending taken = *pending;
    coffer_memory_release(&taken.client->memory, pending);
    return taken;
}

ProtobufCMessage *coffer_take_message(coffer_client *client) {
    ProtobufCMessage *message = client->channel.delivery.message;
    client->channel.delivery.message = NULL;
    return message;
}
