"""The rules of PROTOCOL.md beyond plain protobuf, on a message's bytes."""

from google.protobuf.descriptor import FieldDescriptor

DELIMITED = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE}
LARGEST = {
    FieldDescriptor.TYPE_UINT32: 2**32 - 1,
    FieldDescriptor.TYPE_UINT64: 2**64 - 1,
    FieldDescriptor.TYPE_BOOL: 1,
    FieldDescriptor.TYPE_ENUM: 2**31 - 1,
}
MAXIMUM_UNKNOWN, MAXIMUM_ELEMENTS = 8, 1024


class Malformed(Exception):
    """The message does not decode; says where and why."""


class DuplicateName(Exception):
    """Two entries of a map have the same key; names the map."""


def _varint(data, at):
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 2**64 or (byte == 0 and shift > 0):
                break
            return value, at
        shift += 7
    raise Malformed("a varint is cut, over 10 bytes or not in its shortest form")


def _delimited(data, at):
    length, at = _varint(data, at)
    if length > len(data) - at:
        raise Malformed("a length goes beyond the end")
    return data[at : at + length], at + length


def _skip(data, at, wire_type):
    if wire_type == 0:
        return _varint(data, at)[1]
    if wire_type == 2:
        return _delimited(data, at)[1]
    if wire_type not in (1, 5):
        raise Malformed("groups are not accepted")
    at += 8 if wire_type == 1 else 4
    if at > len(data):
        raise Malformed("a value goes beyond the end")
    return at


def _value(field, data, at, wire_type):
    delimited = field.type in DELIMITED
    if wire_type != (2 if delimited else 0):
        raise Malformed(f"{field.full_name}: not the wire type of this field")
    if not delimited:
        value, at = _varint(data, at)
        if value > LARGEST[field.type]:
            raise Malformed(f"{field.full_name}: out of range")
        return at
    inner, at = _delimited(data, at)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        scan(field.message_type, inner)
    elif field.type == FieldDescriptor.TYPE_STRING:
        try:
            inner.decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Malformed(f"{field.full_name}: not valid UTF-8") from None
        if 0 in inner:
            raise Malformed(f"{field.full_name}: U+0000 in text")
    return at


def _entry_key(entry):
    """The key of a map entry that was scanned."""
    at = 0
    while at < len(entry):
        tag, at = _varint(entry, at)
        value, at = _delimited(entry, at)
        if tag >> 3 == 1:
            return value
    return b""


def scan(descriptor, data):
    """Raises Malformed or DuplicateName unless the bytes keep all rules for
    this message."""
    seen, at, unknown, elements = set(), 0, 0, 0
    names, twice = set(), None
    most_unknown = 0 if descriptor.GetOptions().map_entry else MAXIMUM_UNKNOWN
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number <= 536870911:
            raise Malformed(f"{descriptor.full_name}: field number {number}")
        field = descriptor.fields_by_number.get(number)
        if field is None:
            unknown += 1
            if unknown > most_unknown:
                raise Malformed(f"{descriptor.full_name}: too many unknown fields")
            at = _skip(data, at, wire_type)
            continue
        if field.is_repeated:
            elements += 1
            if elements > MAXIMUM_ELEMENTS:
                raise Malformed(f"{field.full_name}: too many elements")
        else:
            group = field.containing_oneof
            if seen & {number, group and group.full_name}:
                raise Malformed(f"{field.full_name}: twice, or a second member of its oneof")
            seen |= {number, group.full_name} if group else {number}
        start, at = at, _value(field, data, at, wire_type)
        if field.message_type and field.message_type.GetOptions().map_entry:
            name = _entry_key(_delimited(data, start)[0])
            twice = field.name if name in names else twice
            names.add(name)
    if twice:
        raise DuplicateName(twice)
