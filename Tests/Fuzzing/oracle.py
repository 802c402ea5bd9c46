#!/usr/bin/env python3
"""Compares what the daemon makes of requests with what Google's protobuf does.

    oracle.py TOOL [--count N] [--seed N]     checks
    oracle.py TOOL --write                    writes STRICTNESS.md anew

TOOL is the built coffer-oracle: our scan, then protobuf-c. What it accepts
Google's protobuf must accept with equal fields; what Google's accepts and ours
refuses must be for a reason that STRICTNESS.md lists, and each reason there must
occur. The same seed makes the same messages.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIST = HERE / "STRICTNESS.md"
PROTOS = ["coffer/v1/credentials.proto", "coffer/v1/admin.proto"]

# Google's parser skips field 0 in some versions and refuses it in others.
VERSION_DEPENDENT = {"field number 0 or above 536870911"}

# Why each refusal beyond Google's is right. The names are the scanner's texts.
REASONS = {
    "appears twice; a singular field may appear once":
        "The last one would win. Two readers that keep different ones see different requests.",
    "a second member of the same oneof":
        "As above: the last one would win.",
    "not the wire type that the field has; groups are not accepted":
        "It would be skipped as an unknown field, and the field be empty.",
    "a varint is over 10 bytes, over its range, or not in its shortest form":
        "One number has one encoding, so one request has few.",
    "a length or value goes beyond the end of the message, or a length is not in its shortest form":
        "The second half: one length has one encoding. (The first half Google's refuses too.)",
    "field number 0 or above 536870911":
        "No such field can exist. Google's parser skips it as an unknown one.",
    "the value is out of range for the field's type":
        "It would be cut to 32 bits, or be true: another value than was sent.",
    "U+0000 is not allowed in text":
        "protobuf-c hands text on as C strings, which end there.",
    "a map entry holds other fields than one key and one value":
        "Nothing of ours sends it; protobuf-c would keep it as unknown.",
    "more than 8 unknown fields":
        "A newer client has a few; each costs protobuf-c an allocation.",
    "more than 1024 elements":
        "Beyond every limit of ours, and refused before memory is taken for it.",
}


def load():
    """The method ids, and the request class of each, in the order of the files."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", f"-I{ROOT}/proto", f"--descriptor_set_out={file.name}", *PROTOS], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(file.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    methods = []
    for name in ("Credentials", "Admin"):
        service = pool.FindServiceByName(f"coffer.v1.{name}")
        for method in service.methods:
            request = message_factory.GetMessageClass(method.input_type)
            methods.append((fnv1a(f"{service.full_name}/{method.name}"), request))
    return methods


def fnv1a(text):
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


# Making messages.

NUMBERS = [0, 1, 2, 127, 128, 255, 256, 300000, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
TEXTS = ["", "u", "ann", "é", "e\u0301", "漢字", "\U0001F511", "a:b/c%", "x" * 130, "\x7f", "\u0085"]
BAD_TEXTS = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\0b", b"\xe2\x82"]


def varint(value, padding=0):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    if padding:
        out[-1] |= 0x80
        out += b"\x80" * (padding - 1) + b"\0"
    return bytes(out)


def delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def value(rng, field):
    """A value that fits the field, most of the time."""
    if field.type == field.TYPE_MESSAGE:
        return message(rng, field.message_type)
    if field.type == field.TYPE_STRING:
        return rng.choice(BAD_TEXTS) if rng.random() < 0.03 else rng.choice(TEXTS).encode()
    if field.type == field.TYPE_BYTES:
        return rng.randbytes(rng.choice([0, 1, 3, 40, 200]))
    if field.type == field.TYPE_BOOL:
        return varint(rng.choice([0, 1, 1, 1, 2]) if rng.random() < 0.2 else 1)
    largest = 2**32 if field.type == field.TYPE_UINT32 and rng.random() < 0.9 else 2**64
    return varint(rng.choice([n for n in NUMBERS if n < largest]), rng.choice([0] * 30 + [1, 3]))


def one_field(rng, field):
    data = value(rng, field)
    if field.type in (field.TYPE_MESSAGE, field.TYPE_STRING, field.TYPE_BYTES):
        return delimited(field.number, data)
    return varint(field.number << 3) + data


def unknown(rng):
    number = rng.choice([9, 15, 16, 31, 32, 1000, 2**29 - 1])
    kind = rng.randrange(6)
    if kind == 3:
        return varint(number << 3 | 3) + varint(1 << 3) + b"\1" + varint(number << 3 | 4)
    if kind == 4:
        return varint(number << 3 | 4)
    body = {0: varint(rng.choice(NUMBERS)), 1: rng.randbytes(8), 2: b"\2ab", 5: rng.randbytes(4)}[kind]
    return varint(number << 3 | kind) + body


def message(rng, descriptor):
    """The encoded fields of a message, now and then too many of something."""
    parts = []
    oneofs = {}
    for field in descriptor.fields:
        times = rng.choice([0, 1, 2, 3]) if field.is_repeated else rng.choice([0, 1, 1, 1])
        if field.containing_oneof and oneofs.setdefault(field.containing_oneof.name, field) is not field:
            times = 0 if rng.random() < 0.9 else times
        parts += [one_field(rng, field) for _ in range(times)]
    if rng.random() < 0.05:
        parts += [unknown(rng) for _ in range(rng.choice([1, 2, 8, 9]))]
    if descriptor.fields and rng.random() < 0.04:
        parts.append(one_field(rng, rng.choice(descriptor.fields)))
    if parts and rng.random() < 0.002:
        parts += [rng.choice(parts)] * 1030
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return b"".join(parts)


def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            data[place:place] = rng.randbytes(1)
        elif kind == 1 and data:
            del data[place % len(data)]
        elif kind == 2 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 3:
            data[place:] = b""
        elif data:
            data[place % len(data)] = rng.choice([0, 1, 0x0A, 0x12, 0x7F, 0x80, 0xFF])
    return bytes(data)


# Judging them.


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def text_of(field, element):
    if field.type == field.TYPE_MESSAGE:
        return "{" + printed(element) + "}"
    if field.type == field.TYPE_STRING:
        return element.encode().hex()
    return element.hex() if field.type == field.TYPE_BYTES else str(int(element))


def printed(message):
    """As Oracle/FieldPrinter.swift prints it."""
    parts = []
    for field in sorted(message.DESCRIPTOR.fields, key=lambda field: field.number):
        element = getattr(message, field.name)
        if is_map(field):
            pairs = sorted((key.encode().hex(), text.encode().hex()) for key, text in element.items())
            if pairs:
                parts.append(f"{field.name}[{';'.join(':'.join(pair) for pair in pairs)}]")
        elif field.is_repeated:
            if element:
                parts.append(f"{field.name}[{';'.join(printed(one) for one in element)}]")
        elif message.HasField(field.name) if field.has_presence else element:
            parts.append(f"{field.name}={text_of(field, element)}")
    return " ".join(parts)


def googles(request, data):
    """The fields, or None if it does not decode."""
    try:
        return printed(request.FromString(data))
    except DecodeError:
        return None


def compare(cases, answers):
    """Prints differences; returns their number, and an example of each refusal beyond Google's."""
    differences = 0
    stricter = {}
    accepted = 0
    for (_, request, data), answer in zip(cases, answers, strict=True):
        verdict, _, ours = answer.partition(" ")
        theirs = googles(request, data)
        accepted += verdict == "accepted"
        problem = None
        if verdict == "accepted" and theirs is None:
            problem = "ours accepts what Google's refuses"
        elif verdict == "accepted" and ours != theirs:
            problem = f"the fields differ: ours {ours!r}, Google's {theirs!r}"
        elif verdict != "accepted" and theirs is not None:
            reason = ours.split(": ", 1)[1]
            if reason not in REASONS:
                problem = f"refused for a reason that is not on the list: {ours}"
            elif len(data) < len(stricter.get(reason, (None, data + b"x"))[1]):
                stricter[reason] = (request.DESCRIPTOR.full_name, data)
        if problem:
            differences += 1
            if differences <= 10:
                print(f"{request.DESCRIPTOR.full_name} {data.hex()}: {problem}")
    for reason in REASONS.keys() - stricter.keys() - VERSION_DEPENDENT:
        differences += 1
        print(f"on the list, but never the reason: {reason}")
    return differences, stricter, accepted


def strictness(stricter):
    lines = [
        "# What we refuse and protobuf does not",
        "",
        "Made by `oracle.py --write`, which `oracle.py` checks against Google's protobuf for Python: these are the",
        "reasons, and the only ones, for which the scan before protobuf-c refuses a request that decodes there. What the",
        "scan accepts decodes there too, with the same fields. Between Coffer's own clients none of them occurs.",
        "",
        "| refused because | why | for instance |",
        "| --- | --- | --- |",
    ]
    for reason in sorted(stricter):
        name, data = stricter[reason]
        example = data.hex() if len(data) <= 40 else f"{len(data)} bytes"
        lines.append(f"| {reason} | {REASONS[reason]} | `{name.removeprefix('coffer.v1.')}`: `{example}` |")
    lines += [
        "",
        "One rule more belongs to Store, behind the scan: a label's name may come once. A protobuf map keeps the last.",
        "",
    ]
    return "\n".join(lines)


def listed():
    """The reasons in STRICTNESS.md; its instances are only for people."""
    rows = [line.split(" | ")[0] for line in LIST.read_text().splitlines() if line.startswith("| ")]
    return {row.removeprefix("| ") for row in rows} - {"refused because", "---"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool")
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()

    start = time.monotonic()
    rng = random.Random(options.seed)
    methods = load()
    cases = []
    for _ in range(options.count):
        method, request = rng.choice(methods)
        # Some messages are another method's.
        source = request if rng.random() < 0.97 else rng.choice(methods)[1]
        cases.append((method, request, mutated(rng, message(rng, source.DESCRIPTOR))))

    with tempfile.TemporaryFile() as file:
        for method, _, data in cases:
            file.write(method.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data)
        file.seek(0)
        output = subprocess.run([options.tool], stdin=file, stdout=subprocess.PIPE, check=True).stdout
    answers = output.decode().splitlines()

    differences, stricter, accepted = compare(cases, answers)
    if options.write:
        LIST.write_text(strictness(stricter))
    elif listed() != REASONS.keys():
        differences += 1
        print(f"STRICTNESS.md and oracle.py differ in: {listed() ^ REASONS.keys()}; run oracle.py TOOL --write")
    print(
        f"oracle: {len(cases)} messages, {accepted} accepted, {differences} differences, "
        f"seed {options.seed}, {time.monotonic() - start:.0f} s")
    print(f"{len(cases) - differences} passed, {differences} failed")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
