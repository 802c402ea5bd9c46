#!/usr/bin/env python3
"""Writes starting inputs for the fuzzer, from the vectors and the manual in the repository.

    seeds.py FOLDER      makes FOLDER/service, FOLDER/records, FOLDER/policy, FOLDER/configuration
"""

import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As in Harness/Script.swift: options, largest chunk, seed.
SCRIPTS = [bytes([options, chunk, 0, options]) for options, chunk in
           [(0, 0), (0x05, 3), (0x22, 40), (0x94, 0), (0x41, 1), (0x08, 7)]]
# As in Records/RecordRun.swift.
BODY, ENVELOPE, DAMAGED, TEXT, RING, PREAMBLE, LEGACY, PAGE_TOKEN = range(8)


def vector_bytes(text):
    """The bytes of a vector: pieces joined by +, a piece may be repeated."""
    out = b""
    for piece in text.split("+"):
        digits, _, times = piece.partition("*")
        out += bytes.fromhex(digits) * int(times or 1)
    return out


def frames():
    for name in ("frames.txt", "bad-requests.txt"):
        for line in (ROOT / "proto/vectors" / name).read_text().splitlines():
            if line and not line.startswith("#"):
                frame = vector_bytes(line.split(" ")[1])
                if len(frame) <= 4000:
                    yield frame


def service():
    frame_list = list(frames())
    for index, frame in enumerate(frame_list):
        yield SCRIPTS[index % len(SCRIPTS)] + frame
    requests = [frame for frame in frame_list if len(frame) < 300 and frame[4:6] == b"\x01\x01"]
    for index, script in enumerate(SCRIPTS):
        yield script + b"".join(requests[index::len(SCRIPTS)])[:4000]


def strings(value):
    """Every string in a JSON document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            yield from strings(element)
    elif isinstance(value, str):
        yield value


def records():
    def text(value):
        data = value.encode()
        return len(data).to_bytes(2, "big") + data

    for labels in ([], [("env", "prod"), ("é", "")]):
        body = b"\x01" + (1).to_bytes(8, "big") + (2).to_bytes(8, "big") + text("ann") + text("github")
        body += bytes([len(labels)])
        for name, value in labels:
            body += bytes([len(name.encode())]) + name.encode() + text(value)
        yield bytes([BODY]) + body + (2).to_bytes(4, "big") + b"{}"
    yield bytes([DAMAGED]) + b"\x02\x00\x50secret"
    yield bytes([DAMAGED]) + b"\x03\x00\x01" + b"x" * 80
    yield bytes([PAGE_TOKEN]) + b"00ff10ab"
    yield bytes([LEGACY]) + b"ab" * 16 + b":" + b"cd" * 16 + b":" + b"7b7d"
    vectors = json.loads((ROOT / "Tests/Vectors/vectors.json").read_text())
    for value in sorted(set(strings(vectors)), key=len):
        try:
            data = bytes.fromhex(value)
        except ValueError:
            if value.startswith("coffer1:"):
                yield bytes([TEXT]) + value.encode()
            continue
        if data[:4] == b"CFR\xf1":
            yield bytes([ENVELOPE]) + data
        elif data[:4] == b"CFK\xf1":
            yield bytes([PREAMBLE]) + data
        elif len(data) > 60:
            yield bytes([RING]) + data


def configuration():
    yield b"socket: /run/coffer.sock\nsocket_mode: 0660\ndata: /var/lib/coffer\n"
    yield b"cache:\n  bytes: 1048576\n  ttl_seconds: 60\nlimits: {connections: 10, frame_bytes: 65536}\n"
    yield b"vault:\n  type: memory\nkey:\n  file: a\nlog: {level: debug, format: json}\n"
    yield b"vaults: {a: {type: memory}}\n"
    yield (b"vaults:\n  a-1:\n    type: vault\n    address: https://h:8200\n    auth: approle\n    role_id: r\n"
           b"    secret_id_file: /s\n    format: json\n    accept: [json, sealed]\n  b:\n    type: aws\n"
           b"    region: eu-central-1\n    recovery_window_days: 7\n    allow_addresses: [loopback]\n"
           b"routes:\n- {user: 'crm-*', vault: b}\n- vault: a-1\n")
    yield b"vaults:\n  a: &v {type: vault, address: 'http://127.0.0.1', auth: token-file, token_file: t}\n  b: *v\n"
    yield b"vaults: {A: {type: aws, mont: x, queue: -1}, b: 1}\nroutes: [1, {vault: c, usr: x}]\n"
    yield b"a: &x {b: 1}\nlimits: *x\n"
    yield b"- 1\n"
    yield b"limits:\n  conections: 1\n  conections: 2\n? [a, b]\n: !!str x\n"
    yield b"%YAML 1.1\n---\nreactors: \"2\"\n...\n---\nreactors: 3\n"


def policy():
    for example in (ROOT / "docs/policy.md").read_text().split("\n```yaml\n")[1:]:
        yield example.partition("\n```")[0].encode() + b"\n"
    rule = "- name: r\n  who: {}\n  verbs: {}\n  keys: {{user_id: {}, connection_id: {}}}\n"
    for who, verbs, user, connection in (
        ("anyone", "get", "'*'", "'*'"), ("{user: 0}", "[get, store]", "'${caller.uid}'", "a*b"),
        ("[{user: [mail, 8]}, {group: workers}]", "list", "\"a\\\\*\"", "['${caller.instance}*', '\\${caller.user}']"),
        ("{unit: 'w@*.service', cgroup: /system.slice}", "[delete, invalidate]", "'x-${caller.user}:*'", "'*-${caller.uid}'"),
        ("{executable: '/usr/bin/mail-*', sha256: " + "0a" * 32 + "}", "[get, list]", "ann", "[smtp, 'imap-*']"),
        ("{user: nobody}", "[frobnicate]", "'[a-z]'", "'**'"), ("{unit: '*', executable: /usr/bin/python3}", "get", "'?'", "'${x}'"),
        ("{grup: workers, cgroup: /a/../b, user: ghost}", "[get, get]", "root", "''"), ("{user: }", "~", "~", "[]"),
    ):
        text = rule.format(who, verbs, user, connection)
        yield f"allow:\n{text}".encode()
        yield f"allow:\n{text}  rate: 100/s\n  burst: 5\n  in_flight: 8\ndeny:\n{text.replace('name: r', 'name: s')}".encode()
    yield b"allow:\n- &r {name: r, who: &w anyone, verbs: [doctor]}\n- {<<: *r, name: s}\n- {name: t, who: *w, verbs: health}\ndeny: ~\n"
    yield b"allow: [{name: a, who: anyone, verbs: [health, stats, doctor], rate: 0/s, burst: 1}, 5, {}]\nalow: []\n"
    yield b"%YAML 1.1\n---\nallow: []\n...\n---\ndeny: []\n"
    for text in (b"", b"~", b"- 1\n", b"allow: [\n", b"allow: {}\nallow: []\n", b"{allow: !!seq [], deny: !!str x}"):
        yield text


def main():
    folder = pathlib.Path(sys.argv[1])
    for target in (service, records, policy, configuration):
        place = folder / target.__name__
        place.mkdir(parents=True, exist_ok=True)
        for data in target():
            (place / hashlib.sha1(data).hexdigest()).write_bytes(data[:4096])


if __name__ == "__main__":
    main()
