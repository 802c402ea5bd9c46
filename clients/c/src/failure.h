/* How a call failed, as the client object keeps it. */
#ifndef COFFER_FAILURE_H
#define COFFER_FAILURE_H

#include "coffer/coffer.h"
#include "coffer/v1/credentials.pb-c.h"

typedef struct coffer_failure {
    coffer_status status;
    coffer_reason reason;
    bool retryable;
    /* A Store, Delete or Doctor may have changed something: the daemon says so, or nobody knows. */
    bool may_have_happened;
    uint32_t retry_after_ms;
    char message[1025];
} coffer_failure;

void coffer_failure_clear(coffer_failure *failure);

/* The text is cut to fit; it must never hold a credential. */
__attribute__((format(printf, 5, 6))) void coffer_failure_set(
    coffer_failure *failure, coffer_status status, coffer_reason reason, bool retryable,
    const char *format, ...);

/* Adds to the text, as far as it fits. */
void coffer_failure_add(coffer_failure *failure, const char *text);

void coffer_failure_out_of_memory(coffer_failure *failure);

/* From a response; `payload` NULL = it had none that decodes. */
void coffer_failure_from_response(
    coffer_failure *failure, uint32_t status, uint32_t retry_after_ms,
    const Coffer__V1__Failure *payload);

/* A status that this library does not know counts as COFFER_UNKNOWN. */
coffer_status coffer_status_from_wire(uint32_t status);

#endif
