#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

enum { status_count = sizeof status_names / sizeof *status_names };

coffer_status coffer_status_from_wire(uint32_t status) {
    return status < status_count ? (coffer_status)status : COFFER_UNKNOWN;
}

const char *coffer_status_name(coffer_status status) {
    return status_names[coffer_status_from_wire((uint32_t)status)];
}

void coffer_failure_clear(coffer_failure *failure) {
    failure->status = COFFER_OK;
    failure->reason = COFFER_REASON_NONE;
    failure->retryable = false;
    failure->may_have_happened = false;
    failure->retry_after_ms = 0;
    failure->message[0] = '\0';
}

/* The longest beginning of `text` that is at most `limit` bytes and does not
 * end inside a UTF-8 sequence. */
static size_t cut(const char *text, size_t limit) {
    size_t length = strlen(text);
    if (length <= limit) return length;
    length = limit;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
    return length;
}

void coffer_failure_set(
    coffer_failure *failure, coffer_status status, coffer_reason reason, bool retryable,
    const char *format, ...) {
    failure->status = status;
    failure->reason = reason;
    failure->retryable = retryable;
    failure->may_have_happened = false;
    failure->retry_after_ms = 0;
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(failure->message, sizeof failure->message, format, arguments) < 0) {
        failure->message[0] = '\0';
    }
    va_end(arguments);
}

void coffer_failure_add(coffer_failure *failure, const char *text) {
    size_t length = strlen(failure->message);
    size_t more = cut(text, sizeof failure->message - 1 - length);
    memcpy(failure->message + length, text, more);
    failure->message[length + more] = '\0';
}

void coffer_failure_out_of_memory(coffer_failure *failure) {
    coffer_failure_set(
        failure, COFFER_RESOURCE_EXHAUSTED, COFFER_REASON_NONE, true,
        "no memory could be allocated in this process");
}

void coffer_failure_from_response(
    coffer_failure *failure, uint32_t status, uint32_t retry_after_ms,
    const Coffer__V1__Failure *payload) {
    coffer_failure_clear(failure);
    failure->status = coffer_status_from_wire(status);
    failure->retry_after_ms = retry_after_ms;
    if (payload == NULL) {
        coffer_failure_set(
            failure, failure->status, COFFER_REASON_NONE, false,
            "the daemon answered with status %u and no explanation", (unsigned)status);
        failure->retry_after_ms = retry_after_ms;
        return;
    }
    failure->reason = (coffer_reason)payload->reason;
    failure->retryable = payload->retryable;
    failure->may_have_happened = payload->may_have_happened;
    size_t length = cut(payload->message, sizeof failure->message - 1);
    memcpy(failure->message, payload->message, length);
    failure->message[length] = '\0';
}
