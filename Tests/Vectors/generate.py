#!/usr/bin/env python3
"""Makes vectors.json: a third implementation, of the writing side, that shares no code
with the reader beside it nor with the daemon.

    python3 generate.py > vectors.json

Every salt and key is fixed, so the output is the same each time.
"""
import base64
import hashlib
import json
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt


def fixed(label, size=32):
    """Bytes that look random and are the same each time."""
    return hashlib.shake_256(b"coffer vector " + label.encode()).digest(size)


KEYS = {1: fixed("term 1"), 2: fixed("term 2"), 4294967295: fixed("last term")}
VAULT = fixed("vault", 16)
NAME = b"\x00\x04user\x00\x0aconnection"
VECTORS = []


def add(identifier, kind, expect, **fields):
    given = {name: value.hex() for name, value in fields.items() if isinstance(value, bytes)}
    other = {name: value for name, value in fields.items() if not isinstance(value, bytes)}
    VECTORS.append({"id": identifier, "kind": kind, **other, "hex": given, "expect": expect})


def derive(key, salt, info, size):
    return HKDF(hashes.SHA256(), size, salt, info).derive(key)


def listed(*parts):
    out = bytearray()
    for part in parts:
        out += struct.pack(">I", len(part))
        out += part
    return bytes(out)


class Record:
    """One envelope to be made; every field can be made wrong."""

    def __init__(self, label, value=b'{"apiKey":"sk_123"}', **changes):
        self.value, self.key, self.term, self.type = value, None, 1, 1
        self.generation, self.salt = 1, fixed("salt " + label)
        self.magic, self.version, self.suite, self.flags = b"CFR\xf1", 1, 1, 0
        self.vault, self.environment, self.name, self.content_type = VAULT, "production", NAME, "record.v1"
        self.padded = None
        self.commitment = None
        for name, change in changes.items():
            assert hasattr(self, name), name
            setattr(self, name, change)

    def seal(self):
        padded = self.padded
        if padded is None:
            padded = struct.pack(">I", len(self.value)) + self.value
            padded += bytes((64 - len(padded) % 64) % 64)
        prefix = self.magic + bytes([self.version, self.suite, self.type, self.flags])
        prefix += struct.pack(">IQ", self.term, self.generation)
        context = listed(b"coffer.envelope.context.v1", self.vault, self.environment.encode(), self.name,
                         bytes([self.type]), self.content_type.encode())
        info = b"coffer.envelope.keys.v1" + prefix + hashlib.sha256(context).digest()
        material = derive(self.key or KEYS[self.term], self.salt, info, 76)
        header = prefix + self.salt + (self.commitment or material[32:64])
        return header + AESGCM(material[:32]).encrypt(material[64:76], padded, header + context)

    def fields(self):
        names = {1: "value", 2: "keyRing", 3: "manifest", 4: "auditSeal", 5: "cachedCopy"}
        return {"type": names.get(self.type, "value"), "environment": self.environment,
                "contentType": self.content_type, "vault": self.vault, "name": self.name}

    def expectation(self):
        version = struct.pack(">Q", self.generation).hex() + self.salt[:4].hex()
        return {"plaintext": self.value.hex(), "generation": str(self.generation), "version": version}


def opens(identifier, **changes):
    record = Record(identifier, **changes)
    add(identifier, "envelope", record.expectation(), sealed=record.seal(), salt=record.salt, **record.fields())


def fails(identifier, sealed=None, fields=None, **changes):
    """A record as the changes make it, to be read as `fields` say; else as it was written."""
    record = Record(identifier, **changes)
    reading = {**record.fields(), **(fields or {})}
    add(identifier, "envelope", None, sealed=sealed or record.seal(), **reading)


def good_envelopes():
    for size in (0, 1, 59, 60, 61, 124, 320, 4096):
        opens(f"opens {size} bytes", value=fixed(f"value {size}", size))
    opens("opens text", value="{\"k\":\"ü☃\"}".encode())
    opens("opens zeros", value=bytes(100))
    opens("opens under term 2", term=2)
    opens("opens under the last term", term=4294967295)
    opens("opens generation 0", generation=0)
    opens("opens the last generation", generation=2**64 - 1)
    for number, name in ((2, "key ring"), (3, "manifest"), (4, "audit seal"), (5, "cached copy")):
        opens(f"opens a {name}", type=number)
    opens("opens without environment", environment="")
    opens("opens without content type", content_type="")
    opens("opens with text in the context", environment="größer", content_type="日本")
    opens("opens a name of 1 byte", name=b"\x00")
    opens("opens a name of 1024 bytes", name=fixed("long name", 1024))
    opens("opens the salt of zeros", salt=bytes(32))


def flip(sealed, offset, bit=0):
    return sealed[:offset] + bytes([sealed[offset] ^ 1 << bit]) + sealed[offset + 1:]


def damaged_envelopes():
    sealed = Record("damaged").seal()
    places = {"magic": 0, "magic's last byte": 3, "version": 4, "suite": 5, "type": 6, "flags": 7,
              "term's high byte": 8, "term": 11, "generation's high byte": 12, "generation": 19, "salt": 20,
              "salt's end": 51, "commitment": 52, "commitment's end": 83, "ciphertext": 84,
              "ciphertext's end": len(sealed) - 17, "tag": len(sealed) - 16, "tag's end": len(sealed) - 1}
    for place, offset in places.items():
        fails(f"refuses a flipped bit in the {place}", sealed=flip(sealed, offset, offset % 8))
    cuts = {"nothing but a header": 84, "no ciphertext": 100, "a byte missing": len(sealed) - 1,
            "a block missing": len(sealed) - 64, "a cut header": 83, "one byte": 1}
    for what, size in cuts.items():
        fails(f"refuses {what}", sealed=sealed[:size])
    fails("refuses a byte too many", sealed=sealed + b"\0")
    fails("refuses a block too many", sealed=sealed + bytes(64))
    other = Record("another salt").seal()
    fails("refuses another record's commitment", sealed=sealed[:52] + other[52:84] + sealed[84:])
    fails("refuses another record's salt and commitment", sealed=sealed[:20] + other[20:84] + sealed[84:])
    fails("refuses another record's tag", sealed=sealed[:-16] + other[-16:])
    fails("refuses another record's body", sealed=sealed[:84] + other[84:])


def forged_envelopes():
    """Made by who knows the key and follows the rules but for one."""
    fails("refuses version 0", version=0)
    fails("refuses version 2", version=2)
    fails("refuses suite 0", suite=0)
    fails("refuses suite 2", suite=2)
    fails("refuses type 0", type=0)
    fails("refuses type 6", type=6)
    for bit in range(8):
        fails(f"refuses flag {bit}", flags=1 << bit)
    fails("refuses an unknown term", term=3, key=KEYS[1])
    fails("refuses term 0", term=0, key=KEYS[1])
    fails("refuses another term's key", term=2, key=KEYS[1])
    fails("refuses a false commitment", commitment=fixed("false commitment"))
    fails("refuses another magic", magic=b"CFS\xf1")
    value = b"x" * 20
    start = struct.pack(">I", 20) + value
    fails("refuses padding of ones", padded=start + b"\1" * 40)
    fails("refuses a last byte of padding", padded=start + bytes(39) + b"\1")
    fails("refuses a first byte of padding", padded=start + b"\1" + bytes(39))
    fails("refuses a block of padding", padded=start + bytes(40 + 64))
    fails("refuses a length beyond the end", padded=struct.pack(">I", 61) + bytes(60))
    fails("refuses the largest length", padded=b"\xff" * 4 + bytes(60))
    fails("refuses a length for fewer blocks", padded=struct.pack(">I", 60) + bytes(124))


def moved_envelopes():
    """Good ones, read as something else."""
    fails("refuses another type", fields={"type": "cachedCopy"})
    fails("refuses a key ring as a value", type=2, fields={"type": "value"})
    fails("refuses another vault", fields={"vault": fixed("another vault", 16)})
    fails("refuses another environment", fields={"environment": "staging"})
    fails("refuses an empty environment", fields={"environment": ""})
    fails("refuses another name", fields={"name": NAME[:-1] + b"m"})
    fails("refuses a longer name", fields={"name": NAME + b"\0"})
    fails("refuses another content type", fields={"contentType": "record.v2"})
    fails("refuses a moved border", environment="ab", name=b"c", fields={"environment": "a", "name": b"bc"})


def texts():
    record = Record("text", value=b"text form")
    body = base64.urlsafe_b64encode(record.seal()).rstrip(b"=").decode()
    fields = record.fields()
    add("opens the text form", "text", record.expectation(), text="coffer1:" + body, **fields)
    for size in (60, 124):
        other = Record(f"text of {size}", value=fixed(f"text {size}", size))
        encoded = base64.urlsafe_b64encode(other.seal()).rstrip(b"=").decode()
        add(f"opens the text form of {size} bytes", "text", other.expectation(), text="coffer1:" + encoded,
            **other.fields())
    wrong = {"padding": "coffer1:" + body + "=", "a newline": "coffer1:" + body + "\n",
             "a space": "coffer1: " + body, "another prefix": "coffer2:" + body, "no prefix": body,
             "a prefix in capitals": "COFFER1:" + body, "nothing": "", "a prefix alone": "coffer1:",
             "a digit missing": "coffer1:" + body[:-1], "a digit too many": "coffer1:" + body + "A",
             "the other alphabet": "coffer1:+/" + body[2:],
             "another letter": "coffer1:ü" + body[1:]}
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(body) % 4 != 0
    wrong["unused bits"] = "coffer1:" + body[:-1] + digits[digits.index(body[-1]) | 1]
    for what, text in wrong.items():
        add(f"refuses text with {what}", "text", None, text=text, **fields)


def preamble(source, log_n, r, p, salt, magic=b"CFK\xf1", version=1, rest=bytes(3)):
    return magic + bytes([version, source, log_n, r, p]) + rest + salt


def ring_file(start, root, plaintext, **changes):
    wrapping = derive(root, start[12:44], b"coffer.key.ring.v1", 32)
    settings = {"key": wrapping, "term": 0, "type": 2, "vault": bytes(16), "environment": "", "name": start,
                "content_type": "coffer.key-ring.v1", "generation": 7, **changes}
    return start + Record("ring", value=plaintext, **settings).seal()


def ring_plaintext(terms, base=None, count=None):
    out = (base or fixed("base")) + struct.pack(">H", len(terms) if count is None else count)
    for number, state, created, name, key in terms:
        out += struct.pack(">IBQB", number, state, created, len(name)) + name + key
    return out


def rings():
    root, salt = fixed("root"), fixed("ring salt")
    first, second = (1, 2, 1700000000000, b"first", KEYS[1]), (2, 1, 1800000000123, "zwölf".encode(), KEYS[2])
    plaintext = ring_plaintext([first, second])
    terms = [{"id": n, "state": s, "created": c, "name": name.decode(), "key": key.hex()}
             for n, s, c, name, key in (first, second)]
    expect = {"base": fixed("base").hex(), "generation": "7", "terms": terms}
    clear = preamble(0, 0, 0, 0, salt)
    good = ring_file(clear, root, plaintext)
    add("opens a ring by key", "ring", expect, file=good, root=root)
    password = "correct horse battery staple"
    secret = Scrypt(salt, 32, 1 << 15, 8, 1).derive(password.encode())
    costly = preamble(1, 15, 8, 1, salt)
    add("opens a ring by passphrase", "ring", expect, file=ring_file(costly, secret, plaintext),
        passphrase=password)

    def refused(what, file, **fields):
        add(f"refuses a ring with {what}", "ring", None, file=file, **(fields or {"root": root}))

    refused("another passphrase", ring_file(costly, secret, plaintext), passphrase=password + " ")
    refused("another key", good, root=fixed("another root"))
    for what, start in {
            "N below the floor": preamble(1, 14, 8, 1, salt), "N above the ceiling": preamble(1, 21, 8, 1, salt),
            "another r": preamble(1, 15, 9, 1, salt), "another p": preamble(1, 15, 8, 2, salt)}.items():
        refused(what, ring_file(start, secret, plaintext), passphrase=password)
    for what, start in {
            "another magic": preamble(0, 0, 0, 0, salt, magic=b"CFR\xf1"),
            "another version": preamble(0, 0, 0, 0, salt, version=2),
            "an unknown source": preamble(2, 0, 0, 0, salt), "an N it does not use": preamble(0, 15, 0, 0, salt),
            "something in the spare bytes": preamble(0, 0, 0, 0, salt, rest=b"\0\0\1")}.items():
        refused(what, ring_file(start, root, plaintext))
    refused("another's preamble", preamble(0, 0, 0, 0, fixed("another salt")) + good[44:])
    refused("another type", ring_file(clear, root, plaintext, type=1))
    refused("another term", ring_file(clear, root, plaintext, term=1))
    refused("a cut end", good[:-1])
    refused("a preamble alone", good[:44])
    contents = {
        "no term": ring_plaintext([]), "no active term": ring_plaintext([first]),
        "two active terms": ring_plaintext([(1, 1) + first[2:], second]),
        "terms out of order": ring_plaintext([second, first]),
        "a term twice": ring_plaintext([first, (1,) + second[1:]]),
        "term 0": ring_plaintext([(0,) + second[1:]]),
        "an unknown state": ring_plaintext([(1, 3) + first[2:], second]),
        "a name of nothing": ring_plaintext([second[:3] + (b"", KEYS[2])]),
        "a name of 65 bytes": ring_plaintext([second[:3] + (b"n" * 65, KEYS[2])]),
        "a newline in a name": ring_plaintext([second[:3] + (b"a\nb", KEYS[2])]),
        "a name that is not UTF-8": ring_plaintext([second[:3] + (b"\xff", KEYS[2])]),
        "a byte too many": plaintext + b"\0", "a byte too few": plaintext[:-1],
        "more terms than it has": ring_plaintext([first, second], count=3),
        "fewer terms than it has": ring_plaintext([second, second], count=1), "nothing": b""}
    for what, content in contents.items():
        refused(what, ring_file(clear, root, content))


def derived():
    """The keys of a new ring: from the root key, and nothing else."""
    password = "correct horse battery staple"
    for what, seed, given in (
            ("a key", fixed("root"), {"root": fixed("root")}),
            ("a passphrase", Scrypt(b"coffer.key.ring.seed.v1", 32, 1 << 17, 8, 1).derive(password.encode()),
             {"passphrase": password})):
        expect = {"base": derive(seed, None, b"coffer.key.ring.base.v1", 32).hex(),
                  "key": derive(seed, None, b"coffer.key.ring.term.v1", 32).hex()}
        add(f"derives a ring from {what}", "derived", expect, **given)


def names():
    base = fixed("base")

    def hmac256(key, data):
        mac = HMAC(key, hashes.SHA256())
        mac.update(data)
        return mac.finalize().hex()

    index = derive(base, None, b"coffer.key.index.v1", 32)
    for user, connection in (("user123", "conn456"), ("a:b", "c"), ("a", "b:c"), ("ü", "日本")):
        tag = listed(b"coffer.tag.record.v1", user.encode(), connection.encode())
        owner = listed(b"coffer.tag.user.v1", user.encode())
        add(f"names {user} {connection}", "tags", {"record": hmac256(index, tag), "user": hmac256(index, owner)},
            base=base, user=user, connection=connection)
    for purpose in ("index", "audit", "manifest"):
        key = derive(base, None, f"coffer.key.{purpose}.v1".encode(), 32)
        add(f"derives the {purpose} key", "purpose", {"key": key.hex()}, base=base, purpose=purpose)


def legacy():
    """The first three were made by the predecessor itself, its random IV replaced."""
    password = "correct horse battery staple"
    iv = "000102030405060708090a0b0c0d0e0f"
    made = {
        "json": ("43ef096e70d29336664ebc1447be5dbe", b'{"apiKey":"sk_123","secret":"sec_456"}',
                 "84f20393a01e0e14522362e821af335e7c407bdc981e6e2b9d56a75a5035b6f860ecc38d8f21"),
        "nothing": ("d1824d4a7b2e2d5caeffeeef2844c833", b"", ""),
        "text": ("c8148d00d4065bc3aad41608af452629", "{\"k\":\"ü☃\"}".encode(), "84f209c1f377a8d19281c3b937")}
    for what, (tag, plaintext, ciphertext) in made.items():
        add(f"opens legacy {what}", "legacy", {"plaintext": plaintext.hex()}, text=f"{iv}:{tag}:{ciphertext}",
            passphrase=password)
    key = Scrypt(b"salt", 32, 16384, 8, 1).derive("pässword".encode())
    sealed = AESGCM(key).encrypt(fixed("legacy iv", 16), b"other passphrase", None)
    add("opens legacy under another passphrase", "legacy", {"plaintext": b"other passphrase".hex()},
        text=f"{fixed('legacy iv', 16).hex()}:{sealed[-16:].hex()}:{sealed[:-16].hex()}", passphrase="pässword")
    tag, _, body = made["json"]
    wrong = {
        "a 4-byte tag": f"{iv}:{tag[:8]}:{body}", "a 12-byte iv": f"{iv[:24]}:{tag}:{body}",
        "capitals": f"{iv}:{tag}:{body}".upper(), "half a byte": f"{iv}:{tag}:{body[:-1]}",
        "a wrong digit": f"{iv}:{tag}:{body[:-1]}g", "a newline": f"{iv}:{tag}:{body}\n",
        "a third colon": f"{iv}:{tag}:{body}:", "two parts": f"{iv}:{tag}", "nothing": "", "colons": "::",
        "JSON": '{"apiKey":"sk_123"}', "another tag": f"{iv}:{tag[:-1]}f:{body}",
        "another iv": f"{iv[:-1]}e:{tag}:{body}", "a flipped bit": f"{iv}:{tag}:94{body[2:]}",
        "a byte missing": f"{iv}:{tag}:{body[:-2]}", "a space": f" {iv}:{tag}:{body}"}
    for what, text in wrong.items():
        add(f"refuses legacy {what}", "legacy", None, text=text, passphrase=password)
    add("refuses legacy under another passphrase", "legacy", None, text=f"{iv}:{tag}:{body}", passphrase="pässword")


def main():
    for group in (good_envelopes, damaged_envelopes, forged_envelopes, moved_envelopes, texts, rings, derived, names, legacy):
        group()
    document = {"keys": {str(term): key.hex() for term, key in KEYS.items()}, "vectors": VECTORS}
    print(json.dumps(document, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
