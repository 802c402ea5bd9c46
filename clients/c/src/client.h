/* What the public functions share. */
#ifndef COFFER_CLIENT_H
#define COFFER_CLIENT_H

#include "channel.h"
#include "service.h"

struct coffer_client {
    coffer_memory memory;
    coffer_failure failure;
    coffer_channel channel;
    coffer_service credentials;
    coffer_service admin;
};

/* A call that blocks: its callback notes the outcome here. */
typedef struct coffer_waiter {
    bool done;
    /* Where the caller wants the result; may be NULL. */
    void *result;
    coffer_failure failure;
} coffer_waiter;

/* Whether a blocking call may begin; else the failure is set. */
bool coffer_may_block(coffer_client *client);

/* Waits until the call (0 = it did not start) is done; returns its status. */
coffer_status coffer_wait(coffer_client *client, uint64_t call, coffer_waiter *waiter);

/* For callbacks of blocking calls: done, with the client's failure. */
void coffer_waiter_finish(coffer_waiter *waiter, const coffer_client *client);

/* Sizes that are refused here, before anything is added to them or copied: no
 * daemon takes more. The narrower limits are the daemon's to check. */
enum {
    COFFER_CREDENTIAL_MAXIMUM_BYTES = 1 << 20,
    COFFER_TEXT_MAXIMUM_BYTES = 16 << 10,
    COFFER_ELEMENTS_MAXIMUM = 1024
};

/* Whether a text of a request, NULL = "", is short enough; else the failure is set. */
bool coffer_text_fits(coffer_client *client, const char *name, const char *text);

/* What a closure keeps of a call that was started. */
typedef struct coffer_pending {
    coffer_client *client;
    /* Called once, through its real type. */
    void (*callback)(void);
    void *context;
    /* Of GetMany: what has come so far. */
    coffer_batch *batch;
} coffer_pending;

/* NULL with the failure set if memory ran out or the client is NULL. */
coffer_pending *coffer_pending_make(
    coffer_client *client, void (*callback)(void), void *context);

/* Takes it out of memory before the callback runs. */
coffer_pending coffer_pending_take(coffer_pending *pending);

/* Takes the message that is being delivered to a closure. */
ProtobufCMessage *coffer_take_message(coffer_client *client);

#endif
