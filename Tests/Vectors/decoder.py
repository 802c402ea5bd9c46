#!/usr/bin/env python3
"""Reads Coffer's sealed formats: a second implementation, written from ENVELOPE.md.

    python3 decoder.py vectors.json     checks every vector; prints "N passed, N failed"

Needs the `cryptography` package for AES-GCM; the rest is Python's own.
"""
import base64
import hashlib
import hmac
import json
import re
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

MAXIMUM = 1048576 + 65536
TYPES = {"value": 1, "keyRing": 2, "manifest": 3, "auditSeal": 4, "cachedCopy": 5}


class Refused(Exception):
    """The input is not what was sealed."""


def need(condition, why):
    if not condition:
        raise Refused(why)


def lp(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(key, salt, info, size):
    pseudorandom = hmac256(salt or bytes(32), key)
    out, block, counter = b"", b"", 0
    while len(out) < size:
        counter += 1
        block = hmac256(pseudorandom, block + info + bytes([counter]))
        out += block
    return out[:size]


def scrypt(passphrase, salt, log_n):
    n = 1 << log_n
    return hashlib.scrypt(passphrase, salt=salt, n=n, r=8, p=1, maxmem=128 * 8 * (n + 3) + 65536, dklen=32)


def gcm_open(key, nonce, associated, ciphertext, tag):
    decryptor = Cipher(algorithms.AES(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(associated)
    try:
        return decryptor.update(ciphertext) + decryptor.finalize()
    except InvalidTag as error:
        raise Refused("tag") from error


def open_envelope(sealed, keys, kind, vault, environment, name, content_type):
    """`keys` maps terms to keys; returns the plaintext, the generation and the version."""
    need(164 <= len(sealed) <= 100 + -(-(4 + MAXIMUM) // 64) * 64 and (len(sealed) - 100) % 64 == 0, "size")
    need(sealed[:4] == b"CFR\xf1", "magic")
    need(sealed[4] == 1, "version")
    need(sealed[5] == 1, "suite")
    need(sealed[6] in TYPES.values() and sealed[6] == kind, "type")
    need(sealed[7] == 0, "flags")
    term = int.from_bytes(sealed[8:12], "big")
    need(term in keys, "term")
    header, salt, commitment = sealed[:84], sealed[20:52], sealed[52:84]
    context = lp(b"coffer.envelope.context.v1", vault, environment, name, bytes([kind]), content_type)
    info = b"coffer.envelope.keys.v1" + header[:20] + hashlib.sha256(context).digest()
    material = hkdf(keys[term], salt, info, 76)
    need(hmac.compare_digest(material[32:64], commitment), "commitment")
    padded = gcm_open(material[:32], material[64:], header + context, sealed[84:-16], sealed[-16:])
    length = int.from_bytes(padded[:4], "big")
    need(length <= MAXIMUM and -(-(4 + length) // 64) * 64 == len(padded), "length")
    need(not any(padded[4 + length:]), "padding")
    return padded[4:4 + length], int.from_bytes(sealed[12:20], "big"), sealed[12:24].hex()


def read_text(text):
    need(re.fullmatch(r"coffer1:[A-Za-z0-9_-]*", text, re.ASCII), "text")
    body = text[len("coffer1:"):]
    need(len(body) % 4 != 1, "length of the text")
    sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    need(base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() == body, "unused bits")
    return sealed


def open_ring(file, passphrase=None, key=None):
    need(len(file) <= 65536 and file[:5] == b"CFK\xf1\x01", "preamble")
    preamble, salt = file[:44], file[12:44]
    if passphrase is not None:
        need(file[5] == 1 and 15 <= file[6] <= 20 and file[7:12] == b"\x08\x01\0\0\0", "scrypt parameters")
        root = scrypt(passphrase, salt, file[6])
    else:
        need(file[5:12] == bytes(7), "source")
        root = key
    wrapping = hkdf(root, salt, b"coffer.key.ring.v1", 32)
    ring, generation, _ = open_envelope(
        file[44:], {0: wrapping}, 2, bytes(16), b"", preamble, b"coffer.key-ring.v1")
    need(len(ring) >= 34, "ring size")
    base, count, rest, terms = ring[:32], int.from_bytes(ring[32:34], "big"), ring[34:], []
    need(1 <= count <= 256, "number of terms")
    for _ in range(count):
        need(len(rest) >= 14 and 1 <= rest[13] <= 64 and len(rest) >= 46 + rest[13], "term size")
        number, state, size = int.from_bytes(rest[:4], "big"), rest[4], rest[13]
        need(number > (terms[-1]["id"] if terms else 0) and state in (1, 2), "term")
        try:
            name = rest[14:14 + size].decode()
        except UnicodeDecodeError as error:
            raise Refused("name") from error
        need(not re.search(r"[\x00-\x1f\x7f-\x9f]", name), "name")
        terms.append({"id": number, "state": state, "created": int.from_bytes(rest[5:13], "big"),
                      "name": name, "key": rest[14 + size:46 + size].hex()})
        rest = rest[46 + size:]
    need(not rest and [term["state"] for term in terms].count(1) == 1, "end of the ring")
    return {"base": base.hex(), "generation": str(generation), "terms": terms}


def derived_ring(passphrase=None, key=None):
    seed = key if passphrase is None else scrypt(passphrase, b"coffer.key.ring.seed.v1", 17)
    return {name: hkdf(seed, b"", b"coffer.key.ring." + label + b".v1", 32).hex()
            for name, label in (("base", b"base"), ("key", b"term"))}


def purpose_key(base, purpose):
    return hkdf(base, b"", b"coffer.key." + purpose.encode() + b".v1", 32)


def tags(base, user, connection):
    index = purpose_key(base, "index")
    return {"record": hmac256(index, lp(b"coffer.tag.record.v1", user, connection)).hex(),
            "user": hmac256(index, lp(b"coffer.tag.user.v1", user)).hex()}


def open_legacy(text, passphrase):
    need(re.fullmatch(r"[0-9a-f]{32}:[0-9a-f]{32}:(?:[0-9a-f]{2})*", text, re.ASCII), "form")
    iv, tag, ciphertext = (bytes.fromhex(part) for part in text.split(":"))
    return gcm_open(scrypt(passphrase, b"salt", 14), iv, b"", ciphertext, tag)


def run(vector, keys):
    """What the vector's input gives, in the form of its "expect"."""
    given = {name: bytes.fromhex(value) for name, value in vector.get("hex", {}).items()}
    kind = vector["kind"]
    if kind in ("envelope", "text"):
        sealed = read_text(vector["text"]) if kind == "text" else given["sealed"]
        plaintext, generation, version = open_envelope(
            sealed, keys, TYPES[vector["type"]], given["vault"], vector["environment"].encode(),
            given["name"], vector["contentType"].encode())
        return {"plaintext": plaintext.hex(), "generation": str(generation), "version": version}
    if kind == "ring":
        passphrase = vector["passphrase"].encode() if "passphrase" in vector else None
        return open_ring(given["file"], passphrase, given.get("root"))
    if kind == "derived":
        passphrase = vector["passphrase"].encode() if "passphrase" in vector else None
        return derived_ring(passphrase, given.get("root"))
    if kind == "tags":
        return tags(given["base"], vector["user"].encode(), vector["connection"].encode())
    if kind == "purpose":
        return {"key": purpose_key(given["base"], vector["purpose"]).hex()}
    if kind == "legacy":
        return {"plaintext": open_legacy(vector["text"], vector["passphrase"].encode()).hex()}
    raise ValueError(f"unknown kind {kind}")


def main(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    keys = {int(term): bytes.fromhex(key) for term, key in document["keys"].items()}
    failed = 0
    for vector in document["vectors"]:
        try:
            result = run(vector, keys)
        except Refused:
            result = None
        if result != vector["expect"]:
            failed += 1
            print(f"FAILED {vector['id']}: {'opened' if result else 'refused'}")
    print(f"{len(document['vectors']) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
