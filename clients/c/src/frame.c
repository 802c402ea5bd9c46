#include "frame.h"

static void put32(uint8_t *bytes, uint32_t value) {
    for (int index = 0; index < 4; index++) bytes[index] = (uint8_t)(value >> (24 - 8 * index));
}

static uint32_t get32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void coffer_frame_store(const coffer_frame_header *header, uint8_t *bytes) {
    put32(bytes, header->length);
    bytes[4] = header->version;
    bytes[5] = header->kind;
    bytes[6] = (uint8_t)(header->flags >> 8);
    bytes[7] = (uint8_t)header->flags;
    put32(bytes + 8, (uint32_t)(header->call_id >> 32));
    put32(bytes + 12, (uint32_t)header->call_id);
    put32(bytes + 16, header->method_or_status);
    put32(bytes + 20, header->timeout_or_retry);
}

coffer_frame_header coffer_frame_load(const uint8_t *bytes) {
    return (coffer_frame_header){
        .length = get32(bytes),
        .version = bytes[4],
        .kind = bytes[5],
        .flags = (uint16_t)(bytes[6] << 8 | bytes[7]),
        .call_id = (uint64_t)get32(bytes + 8) << 32 | get32(bytes + 12),
        .method_or_status = get32(bytes + 16),
        .timeout_or_retry = get32(bytes + 20),
    };
}

/* NULL if a daemon may send this header. */
static const char *fault_of(const coffer_frame_header *header) {
    if (header->version != COFFER_FRAME_VERSION) return "expected version 1 of the protocol";
    if (header->kind != COFFER_FRAME_RESPONSE && header->kind != COFFER_FRAME_GO_AWAY) {
        return "expected a response or go-away";
    }
    uint16_t allowed = header->kind == COFFER_FRAME_RESPONSE ? COFFER_FRAME_MORE : 0;
    if ((header->flags & ~allowed) != 0) return "an unknown flag is set";
    return NULL;
}

coffer_frame_outcome coffer_frame_next(
    const uint8_t *bytes, size_t size, coffer_frame_header *header, const char **fault) {
    if (size < 4) return COFFER_FRAME_INCOMPLETE;
    uint32_t length = get32(bytes);
    if (length < COFFER_FRAME_COUNTED_BYTES || length > COFFER_FRAME_MAXIMUM_BYTES - 4) {
        *fault = "the frame's length is not 20 to 1114108";
        return COFFER_FRAME_BAD;
    }
    if (size < COFFER_FRAME_HEADER_BYTES) return COFFER_FRAME_INCOMPLETE;
    *header = coffer_frame_load(bytes);
    *fault = fault_of(header);
    if (*fault != NULL) return COFFER_FRAME_BAD;
    return size - 4 < length ? COFFER_FRAME_INCOMPLETE : COFFER_FRAME_WHOLE;
}

static uint32_t fnv1a(uint32_t hash, const char *text) {
    for (; *text != '\0'; text++) hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

uint32_t coffer_method_id(const char *service, const char *method) {
    return fnv1a(fnv1a(fnv1a(2166136261u, service), "/"), method);
}
