"""The rules of proto/PROTOCOL.md, "Beyond plain protobuf", on the bytes of a response."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional, Set, Tuple, Union

from google.protobuf.descriptor import FieldDescriptor

#: Of a response's message; a newer daemon may add fields.
MAXIMUM_UNKNOWN_FIELDS = 1_024
#: Of the repeated and map fields of one message, together.
MAXIMUM_ELEMENTS = 1_024

Bytes = Union[bytes, bytearray]

_LARGEST = {
    FieldDescriptor.TYPE_UINT32: 2**32 - 1,
    FieldDescriptor.TYPE_UINT64: 2**64 - 1,
    FieldDescriptor.TYPE_BOOL: 1,
    # One that is not known counts as unspecified.
    FieldDescriptor.TYPE_ENUM: 2**31 - 1,
}
_DELIMITED = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE}


class Malformed(Exception):
    """The bytes are not the message; says where and why, never what."""


def read_varint(data: Bytes, at: int, end: int) -> Tuple[int, int]:
    """Its value, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 2**64 or (byte == 0 and shift > 0):
                break
            return value, at
        shift += 7
    raise Malformed("a varint is cut, over 10 bytes or not in its shortest form")


def fields(data: Bytes, at: int, end: int) -> Iterator[Tuple[int, int, int, int, int]]:
    """Each field between two places: number, wire type, where tag and value begin, and where it ends."""
    while at < end:
        tag_at = at
        tag, at = read_varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number <= 536_870_911:
            raise Malformed(f"a field has number {number}")
        value_at = at
        if wire_type == 0:
            _, at = read_varint(data, at, end)
        elif wire_type == 2:
            length, value_at = read_varint(data, at, end)
            at = value_at + length
        elif wire_type in (1, 5):
            at += 8 if wire_type == 1 else 4
        else:
            raise Malformed("groups and wire types 6 and 7 are not accepted")
        if at > end:
            raise Malformed("a length goes beyond the end")
        yield number, wire_type, tag_at, value_at, at


class _Field:
    """What the scan must know of a field, looked up once."""

    __slots__ = ("name", "type", "repeated", "oneof", "message")

    def __init__(self, field: Any) -> None:
        self.name: str = field.full_name
        self.type: int = field.type
        self.repeated = _is_repeated(field)
        self.oneof: Optional[str] = field.containing_oneof.full_name if field.containing_oneof else None
        self.message: Any = field.message_type


def _is_repeated(field: Any) -> bool:
    # `label` is deprecated where `is_repeated` is there.
    found = getattr(field, "is_repeated", None)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED if found is None else found)


_TABLES: Dict[str, Dict[int, _Field]] = {}


def _table(descriptor: Any) -> Dict[int, _Field]:
    table = _TABLES.get(descriptor.full_name)
    if table is None:
        table = {number: _Field(field) for number, field in descriptor.fields_by_number.items()}
        _TABLES[descriptor.full_name] = table
    return table


def scan(descriptor: Any, data: Bytes, at: int = 0, end: Optional[int] = None) -> None:
    """Raises Malformed unless the bytes can be read as this message, and in one way only."""
    table = _table(descriptor)
    most_unknown = 0 if descriptor.GetOptions().map_entry else MAXIMUM_UNKNOWN_FIELDS
    seen: Set[object] = set()
    names: Set[Tuple[int, bytes]] = set()
    unknown = elements = 0
    for number, wire_type, _, value_at, field_end in fields(data, at, len(data) if end is None else end):
        field = table.get(number)
        if field is None:
            unknown += 1
            if unknown > most_unknown:
                raise Malformed(f"{descriptor.full_name}: more than {most_unknown} unknown fields")
            continue
        if field.repeated:
            elements += 1
            if elements > MAXIMUM_ELEMENTS:
                raise Malformed(f"{field.name}: more than {MAXIMUM_ELEMENTS} elements")
        else:
            if number in seen or (field.oneof is not None and field.oneof in seen):
                raise Malformed(f"{field.name}: twice, or a second member of its oneof")
            seen.add(number)
            if field.oneof is not None:
                seen.add(field.oneof)
        _check_value(field, wire_type, data, value_at, field_end)
        if field.message is not None and field.message.GetOptions().map_entry:
            name = (number, _entry_key(data, value_at, field_end))
            if name in names:
                raise Malformed(f"{field.name}: the same key twice")
            names.add(name)


def _check_value(field: _Field, wire_type: int, data: Bytes, at: int, end: int) -> None:
    if wire_type != (2 if field.type in _DELIMITED else 0):
        raise Malformed(f"{field.name}: not the wire type of this field")
    if wire_type == 0:
        value, _ = read_varint(data, at, end)
        if value > _LARGEST[field.type]:
            raise Malformed(f"{field.name}: out of range")
    elif field.message is not None:
        scan(field.message, data, at, end)
    elif field.type == FieldDescriptor.TYPE_STRING:
        _check_text(field.name, data[at:end])


def _check_text(name: str, text: Bytes) -> None:
    valid = True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        valid = False
    if not valid:
        raise Malformed(f"{name}: not valid UTF-8")
    if 0 in text:
        raise Malformed(f"{name}: U+0000 in text")


def _entry_key(data: Bytes, at: int, end: int) -> bytes:
    for number, _, _, value_at, field_end in fields(data, at, end):
        if number == 1:
            return bytes(data[value_at:field_end])
    return b""
