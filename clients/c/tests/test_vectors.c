/* Frames, scan and messages against the golden frames. */
#define _DEFAULT_SOURCE

#include "check.h"
#include "coffer/coffer.h"
#include "coffer/v1/admin.pb-c.h"
#include "coffer/v1/credentials.pb-c.h"
#include "frame.h"
#include "scan.h"
#include "vectors.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &coffer__v1__store_request__descriptor,       &coffer__v1__store_response__descriptor,
    &coffer__v1__get_request__descriptor,         &coffer__v1__get_response__descriptor,
    &coffer__v1__delete_request__descriptor,      &coffer__v1__delete_response__descriptor,
    &coffer__v1__get_many_request__descriptor,    &coffer__v1__get_many_response__descriptor,
    &coffer__v1__list_request__descriptor,        &coffer__v1__list_response__descriptor,
    &coffer__v1__ping_request__descriptor,        &coffer__v1__ping_response__descriptor,
    &coffer__v1__health_request__descriptor,      &coffer__v1__health_response__descriptor,
    &coffer__v1__stats_request__descriptor,       &coffer__v1__stats_response__descriptor,
    &coffer__v1__invalidate_request__descriptor,  &coffer__v1__invalidate_response__descriptor,
    &coffer__v1__doctor_request__descriptor,      &coffer__v1__doctor_response__descriptor,
    &coffer__v1__failure__descriptor,
};

/* ---- What a message holds, as the vectors write it ---- */

typedef struct text {
    char *bytes;
    size_t size;
    size_t capacity;
} text;

static void append(text *to, const char *bytes) {
    size_t length = strlen(bytes);
    if (to->size + length + 1 > to->capacity) {
        to->capacity = 2 * (to->size + length + 1);
        to->bytes = realloc(to->bytes, to->capacity);
        CHECK(to->bytes != NULL);
    }
    memcpy(to->bytes + to->size, bytes, length + 1);
    to->size += length;
}

static void append_escaped(text *to, const char *value, const char *plain) {
    for (; *value != '\0'; value++) {
        char piece[4] = {*value};
        if (strchr(plain, *value) == NULL) snprintf(piece, sizeof piece, "%%%02X", (unsigned char)*value);
        append(to, piece);
    }
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~-"

static void append_hex(text *to, const ProtobufCBinaryData *value) {
    for (size_t index = 0; index < value->len; index++) {
        char piece[3];
        snprintf(piece, sizeof piece, "%02x", value->data[index]);
        append(to, piece);
    }
}

static void describe(text *to, const ProtobufCMessage *message, const char *prefix);

/* One value: " PATH=VALUE", or what a nested message holds. */
static void describe_value(
    text *to, const ProtobufCFieldDescriptor *field, const void *value, const char *path) {
    char number[24];
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        char prefix[256];
        snprintf(prefix, sizeof prefix, "%s.", path);
        describe(to, *(ProtobufCMessage *const *)value, prefix);
        return;
    }
    append(to, " ");
    append(to, path);
    append(to, "=");
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        append_escaped(to, *(char *const *)value, LETTERS ".");
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        append_hex(to, value);
    } else {
        bool wide = field->type == PROTOBUF_C_TYPE_UINT64;
        unsigned long long count = wide ? *(const uint64_t *)value : *(const uint32_t *)value;
        snprintf(number, sizeof number, "%llu", count);
        append(to, number);
    }
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *value) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: return **(char *const *)value == '\0';
    case PROTOBUF_C_TYPE_BYTES: return ((const ProtobufCBinaryData *)value)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE: return *(ProtobufCMessage *const *)value == NULL;
    case PROTOBUF_C_TYPE_UINT64: return *(const uint64_t *)value == 0;
    default: return *(const uint32_t *)value == 0;
    }
}

static void describe_element(
    text *to, const ProtobufCFieldDescriptor *field, const void *element, const char *prefix,
    size_t index) {
    char path[256];
    const ProtobufCMessageDescriptor *type = field->descriptor;
    if (type != NULL && strstr(type->short_name, "Entry") != NULL && type->n_fields == 2) {
        const Coffer__V1__StoreRequest__LabelsEntry *entry =
            *(Coffer__V1__StoreRequest__LabelsEntry *const *)element;
        snprintf(path, sizeof path, " %s%s.", prefix, field->name);
        append(to, path);
        append_escaped(to, entry->key, LETTERS);
        append(to, "=");
        append_escaped(to, entry->value, LETTERS ".");
        return;
    }
    snprintf(path, sizeof path, "%s%s.%zu", prefix, field->name, index);
    describe_value(to, field, element, path);
}

static void describe(text *to, const ProtobufCMessage *message, const char *prefix) {
    for (unsigned index = 0; index < message->descriptor->n_fields; index++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];
        const char *base = (const char *)message;
        const void *value = base + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
            char *const *elements = *(char **const *)value;
            for (size_t each = 0; each < count; each++) {
                describe_element(to, field, &elements[each], prefix, each);
            }
            continue;
        }
        bool is_member = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        uint32_t chosen = is_member ? *(const uint32_t *)(const void *)(base + field->quantifier_offset) : 0;
        if (is_member ? chosen != field->id : is_default(field, value)) continue;
        char path[256];
        snprintf(path, sizeof path, "%s%s", prefix, field->name);
        describe_value(to, field, value, path);
    }
}

/* ---- Valid frames ---- */

/* The vectors write long runs as HEX*TIMES; undone here for the one field of
 * bytes that a message has. */
static void expand(text *to, const char *outcome) {
    const char *at = outcome;
    for (const char *star; (star = strchr(at, '*')) != NULL; at = star) {
        const char *start = star;
        while (start > at && start[-1] != '+' && start[-1] != '=') start--;
        size_t length = (size_t)(star - start);
        size_t times = strtoull(star + 1, (char **)&star, 10);
        char *piece = strndup(start, length);
        char *before = strndup(at, (size_t)(start - at));
        CHECK(piece != NULL && before != NULL);
        append(to, before);
        for (size_t index = 0; index < times; index++) append(to, piece);
        free(piece);
        free(before);
        if (*star == '+') star++;
    }
    append(to, at);
}

static const ProtobufCMessageDescriptor *type_named(const char *name) {
    for (size_t index = 0; index < sizeof types / sizeof *types; index++) {
        if (name != NULL && strcmp(types[index]->name, name) == 0) return types[index];
    }
    return NULL;
}

static void check_message(const vector *one, const uint8_t *payload, size_t size) {
    const ProtobufCMessageDescriptor *type = type_named(outcome_value(one, "type"));
    CHECK(type != NULL);
    coffer_scan_fault fault = coffer_scan(type, payload, size);
    if (fault.what != NULL) fprintf(stderr, "%s: %s\n", one->name, fault.what);
    CHECK(fault.what == NULL);
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size, payload);
    CHECK(message != NULL);
    text actual = {0}, expected = {0};
    append(&actual, type->name);
    describe(&actual, message, "");
    expand(&expected, strstr(one->outcome, " type=") + 6);
    CHECK_TEXT(expected.bytes, actual.bytes);
    if (strcmp(outcome_value(one, "canonical"), "1") == 0) {
        size_t packed_size = protobuf_c_message_get_packed_size(message);
        if (packed_size != size) fprintf(stderr, "%s: %zu, not %zu\n", one->name, packed_size, size);
        CHECK(packed_size == size);
        uint8_t *packed = malloc(size + 1);
        CHECK(packed != NULL);
        protobuf_c_message_pack(message, packed);
        CHECK(memcmp(packed, payload, size) == 0);
        free(packed);
    }
    protobuf_c_message_free_unpacked(message, NULL);
    free(actual.bytes);
    free(expected.bytes);
}

static uint64_t number(const vector *one, const char *key) {
    const char *value = outcome_value(one, key);
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

static void check_method(const vector *one, uint32_t id) {
    char *name = strdup(outcome_value(one, "method"));
    CHECK(name != NULL);
    char *slash = strstr(name, "%2F");
    CHECK(slash != NULL);
    *slash = '\0';
    CHECK(coffer_method_id(name, slash + 3) == id);
    free(name);
}

static uint32_t status_number(const char *name) {
    uint32_t status = 0;
    while (status < 16 && strcmp(coffer_status_name((coffer_status)status), name) != 0) status++;
    return status;
}

static void check_frame(const vector *one) {
    CHECK(one->size >= COFFER_FRAME_HEADER_BYTES);
    coffer_frame_header header = coffer_frame_load(one->bytes);
    uint8_t stored[COFFER_FRAME_HEADER_BYTES];
    coffer_frame_store(&header, stored);
    CHECK(memcmp(stored, one->bytes, sizeof stored) == 0);
    CHECK(header.version == COFFER_FRAME_VERSION);
    CHECK(header.length == one->size - 4);
    CHECK(header.call_id == number(one, "call"));
    CHECK(header.flags == number(one, "more"));
    const uint8_t *payload = one->bytes + COFFER_FRAME_HEADER_BYTES;
    size_t size = one->size - COFFER_FRAME_HEADER_BYTES;
    if (strncmp(one->outcome, "request ", 8) == 0) {
        CHECK(header.kind == COFFER_FRAME_REQUEST);
        CHECK(header.timeout_or_retry == number(one, "timeout"));
        check_method(one, header.method_or_status);
        check_message(one, payload, size);
    } else if (strncmp(one->outcome, "response ", 9) == 0) {
        CHECK(header.kind == COFFER_FRAME_RESPONSE);
        CHECK(header.timeout_or_retry == number(one, "retry"));
        CHECK(header.method_or_status == status_number(outcome_value(one, "status")));
        check_message(one, payload, size);
    } else {
        bool cancels = strncmp(one->outcome, "cancel ", 7) == 0;
        CHECK(cancels || strcmp(one->outcome, "go-away") == 0);
        CHECK(header.kind == (cancels ? COFFER_FRAME_CANCEL : COFFER_FRAME_GO_AWAY));
        CHECK(size == 0);
    }
}

/* What a daemon sends is found in a stream cut at any place. */
static void check_parser(const vector *one) {
    if (strncmp(one->outcome, "response ", 9) != 0 || one->size > 4096) return;
    coffer_frame_header header;
    const char *fault;
    for (size_t size = 0; size < one->size; size++) {
        CHECK(coffer_frame_next(one->bytes, size, &header, &fault) == COFFER_FRAME_INCOMPLETE);
    }
    CHECK(coffer_frame_next(one->bytes, one->size, &header, &fault) == COFFER_FRAME_WHOLE);
}

/* ---- Frames that must be refused ---- */

static const ProtobufCMessageDescriptor *input_of(uint32_t id) {
    static const ProtobufCServiceDescriptor *const services[] = {
        &coffer__v1__credentials__descriptor, &coffer__v1__admin__descriptor};
    for (size_t each = 0; each < 2; each++) {
        for (unsigned index = 0; index < services[each]->n_methods; index++) {
            const ProtobufCMethodDescriptor *method = &services[each]->methods[index];
            if (coffer_method_id(services[each]->name, method->name) == id) return method->input;
        }
    }
    return NULL;
}

static size_t refused;

/* The scan refuses exactly the messages that are to be answered MALFORMED, but
 * for one: responses, which it is for, may have more unknown fields. */
static void check_bad_request(const vector *one) {
    if (one->size < COFFER_FRAME_HEADER_BYTES || outcome_value(one, "reason") == NULL) return;
    coffer_frame_header header = coffer_frame_load(one->bytes);
    const ProtobufCMessageDescriptor *type = input_of(header.method_or_status);
    bool is_well_framed = header.version == 1 && header.kind == COFFER_FRAME_REQUEST &&
                          header.flags == 0 && header.length == one->size - 4 &&
                          one->size <= COFFER_FRAME_MAXIMUM_BYTES && type != NULL;
    if (!is_well_framed) return;
    coffer_scan_fault fault = coffer_scan(
        type, one->bytes + COFFER_FRAME_HEADER_BYTES, one->size - COFFER_FRAME_HEADER_BYTES);
    bool expected = number(one, "reason") == COFFER_REASON_MALFORMED &&
                    strcmp(one->name, "nine-unknown-fields") != 0;
    if ((fault.what != NULL) != expected) fprintf(stderr, "%s\n", one->name);
    CHECK((fault.what != NULL) == expected);
    if (expected) refused++;
}

int main(void) {
    CHECK(for_each_vector("frames.txt", check_frame) >= 50);
    for_each_vector("frames.txt", check_parser);
    CHECK(for_each_vector("bad-requests.txt", check_bad_request) >= 50);
    CHECK(refused >= 30);
    return 0;
}
