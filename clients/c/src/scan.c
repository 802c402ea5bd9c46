#include "scan.h"

#include <stdbool.h>
#include <string.h>

enum { maximum_unknown_fields = 1024, maximum_elements = 1024, maximum_field_number = 536870911 };

typedef struct cursor {
    const uint8_t *next;
    const uint8_t *end;
} cursor;

static const char beyond_the_end[] = "a length or value goes beyond the end";
static const char bad_varint[] = "a varint is over 10 bytes, cut, or not in its shortest form";
static const char wrong_wire_type[] = "not the wire type of this field";

/* At most 10 bytes, in the shortest form. */
static bool read_varint(cursor *at, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 70 && at->next < at->end; shift += 7) {
        uint8_t byte = *at->next++;
        if (shift == 63 && byte > 1) return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return byte != 0 || shift == 0;
    }
    return false;
}

static bool read_delimited(cursor *at, cursor *inner) {
    uint64_t length;
    if (!read_varint(at, &length) || length > (uint64_t)(at->end - at->next)) return false;
    *inner = (cursor){at->next, at->next + length};
    at->next = inner->end;
    return true;
}

/* The length of the well-formed UTF-8 sequence at `text` (Unicode 15, table
 * 3-7), 0 if there is none. */
static size_t utf8_length(const uint8_t *text, size_t size) {
    uint8_t first = text[0], low = 0x80, high = 0xBF;
    size_t length;
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    if (size < length || text[1] < low || text[1] > high) return 0;
    for (size_t index = 2; index < length; index++) {
        if ((text[index] & 0xC0) != 0x80) return 0;
    }
    return length;
}

static const char *text_fault(cursor text) {
    while (text.next < text.end) {
        if (*text.next == 0) return "U+0000 is not allowed in text";
        size_t length = utf8_length(text.next, (size_t)(text.end - text.next));
        if (length == 0) return "not valid UTF-8";
        text.next += length;
    }
    return NULL;
}

static const char *skip(cursor *at, unsigned wire_type) {
    uint64_t value;
    cursor inner;
    size_t size = wire_type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4;
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: return read_varint(at, &value) ? NULL : bad_varint;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return read_delimited(at, &inner) ? NULL : beyond_the_end;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        if ((size_t)(at->end - at->next) < size) return beyond_the_end;
        at->next += size;
        return NULL;
    default: return "groups are not accepted";
    }
}

static const char *varint_fault(cursor *at, ProtobufCType type) {
    uint64_t value;
    if (!read_varint(at, &value)) return bad_varint;
    switch (type) {
    case PROTOBUF_C_TYPE_UINT64: return NULL;
    case PROTOBUF_C_TYPE_UINT32: return value <= UINT32_MAX ? NULL : "over 32 bits";
    case PROTOBUF_C_TYPE_ENUM: return value <= INT32_MAX ? NULL : "over 31 bits";
    case PROTOBUF_C_TYPE_BOOL: return value <= 1 ? NULL : "a bool is 0 or 1";
    default: return "a type that Coffer does not use";
    }
}

static coffer_scan_fault scan(const ProtobufCMessageDescriptor *descriptor, cursor at);

static coffer_scan_fault field_fault(
    const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
    cursor *at, unsigned wire_type) {
    bool delimited = field->type == PROTOBUF_C_TYPE_STRING ||
                     field->type == PROTOBUF_C_TYPE_BYTES ||
                     field->type == PROTOBUF_C_TYPE_MESSAGE;
    unsigned expected =
        delimited ? PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED : PROTOBUF_C_WIRE_TYPE_VARINT;
    cursor inner;
    coffer_scan_fault fault = {NULL, descriptor->name, field->name};
    if (wire_type != expected) {
        fault.what = wrong_wire_type;
    } else if (!delimited) {
        fault.what = varint_fault(at, field->type);
    } else if (!read_delimited(at, &inner)) {
        fault.what = beyond_the_end;
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        fault.what = text_fault(inner);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return scan(field->descriptor, inner);
    }
    return fault;
}

/* protobuf-c does not mark the entries of maps; protoc names them so. */
static bool is_map_entry(const ProtobufCMessageDescriptor *descriptor) {
    static const char suffix[] = "Entry";
    size_t length = strlen(descriptor->short_name);
    return length >= sizeof suffix && descriptor->n_fields == 2 &&
           strcmp(descriptor->short_name + length - (sizeof suffix - 1), suffix) == 0 &&
           strcmp(descriptor->fields[0].name, "key") == 0;
}

/* NULL if the field may come (again) after the fields in `seen`, by index. */
static const char *repetition_fault(
    const ProtobufCMessageDescriptor *descriptor, unsigned index, uint32_t seen) {
    const ProtobufCFieldDescriptor *field = &descriptor->fields[index];
    if ((seen >> index & 1) != 0) return "appears twice; a singular field may appear once";
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) return NULL;
    for (unsigned other = 0; other < descriptor->n_fields; other++) {
        const ProtobufCFieldDescriptor *member = &descriptor->fields[other];
        if ((seen >> other & 1) != 0 && (member->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
            member->quantifier_offset == field->quantifier_offset) {
            return "a second member of the same oneof";
        }
    }
    return NULL;
}

static coffer_scan_fault scan(const ProtobufCMessageDescriptor *descriptor, cursor at) {
    coffer_scan_fault fault = {NULL, descriptor->name, NULL};
    uint32_t seen = 0;
    unsigned unknown = 0, elements = 0;
    unsigned most_unknown = is_map_entry(descriptor) ? 0 : maximum_unknown_fields;
    while (at.next < at.end && fault.what == NULL) {
        uint64_t tag;
        if (!read_varint(&at, &tag)) {
            fault.what = bad_varint;
            break;
        }
        uint64_t number = tag >> 3;
        unsigned index = 0;
        while (index < descriptor->n_fields && descriptor->fields[index].id != number) index++;
        if (number == 0 || number > maximum_field_number) {
            fault.what = "a field number is 1 to 536870911";
        } else if (index == descriptor->n_fields) {
            fault.what = ++unknown > most_unknown ? "too many unknown fields" : skip(&at, tag & 7);
        } else if (descriptor->fields[index].label == PROTOBUF_C_LABEL_REPEATED) {
            if (++elements > maximum_elements) fault.what = "more than 1024 elements";
        } else {
            fault.what = repetition_fault(descriptor, index, seen);
            seen |= (uint32_t)1 << index;
        }
        if (fault.what == NULL && index < descriptor->n_fields) {
            fault = field_fault(descriptor, &descriptor->fields[index], &at, tag & 7);
        }
    }
    return fault;
}

coffer_scan_fault coffer_scan(
    const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t size) {
    if (size == 0) return (coffer_scan_fault){NULL, descriptor->name, NULL};
    return scan(descriptor, (cursor){bytes, bytes + size});
}
