/* The strict scan of a message before protobuf-c sees it. Pure. */
#ifndef COFFER_SCAN_H
#define COFFER_SCAN_H

#include <protobuf-c/protobuf-c.h>

/* What is wrong with a message. */
typedef struct coffer_scan_fault {
    /* NULL = nothing. */
    const char *what;
    /* Where: the message, and its field or NULL. */
    const char *message;
    const char *field;
} coffer_scan_fault;

/*
 * protobuf-c allocates many times what it reads, cuts a string at a NUL, takes
 * the last of two singular fields and any bytes as text. All that is refused
 * here, as proto/PROTOCOL.md ("Beyond plain protobuf") says. Allocates nothing.
 * The messages must not be recursive.
 */
coffer_scan_fault coffer_scan(
    const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t size);

#endif
