/* The 24 bytes before every payload; proto/PROTOCOL.md specifies them. Pure. */
#ifndef COFFER_FRAME_H
#define COFFER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COFFER_FRAME_HEADER_BYTES = 24,
    /* The part of the header that the length field counts. */
    COFFER_FRAME_COUNTED_BYTES = 20,
    COFFER_FRAME_MAXIMUM_BYTES = (1 << 20) + (64 << 10),
    COFFER_FRAME_VERSION = 1,
    COFFER_FRAME_MORE = 1
};

typedef enum coffer_frame_kind {
    COFFER_FRAME_REQUEST = 1,
    COFFER_FRAME_RESPONSE = 2,
    COFFER_FRAME_CANCEL = 3,
    COFFER_FRAME_GO_AWAY = 4
} coffer_frame_kind;

typedef struct coffer_frame_header {
    /* Bytes after the length field: 20 + payload. */
    uint32_t length;
    uint8_t version;
    /* Raw: hostile peers send any. */
    uint8_t kind;
    uint16_t flags;
    uint64_t call_id;
    uint32_t method_or_status;
    uint32_t timeout_or_retry;
} coffer_frame_header;

void coffer_frame_store(const coffer_frame_header *header, uint8_t *bytes);
coffer_frame_header coffer_frame_load(const uint8_t *bytes);

typedef enum coffer_frame_outcome {
    COFFER_FRAME_INCOMPLETE, /* more bytes are needed to say */
    COFFER_FRAME_WHOLE,      /* header and payload are there */
    COFFER_FRAME_BAD         /* not this protocol: close the connection */
} coffer_frame_outcome;

/* Finds the next frame in the bytes that came from a daemon. A length is judged
 * as soon as its four bytes are there. On COFFER_FRAME_BAD, *fault says why. */
coffer_frame_outcome coffer_frame_next(
    const uint8_t *bytes, size_t size, coffer_frame_header *header, const char **fault);

/* FNV-1a, 32 bits, of SERVICE/METHOD. */
uint32_t coffer_method_id(const char *service, const char *method);

#endif
