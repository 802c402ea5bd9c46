"""Frames that are right, with content that is not."""

import os

from harness import Status
from harness.client import encode
from harness.hostile import BAD_FIELD, CREDENTIAL_TOO_LARGE, MALFORMED, HostileTest, field


class Fields(HostileTest):
    """Requests whose frame is right and whose content is not."""

    def refused(self, payload: bytes, reason: int, *words: str, method: str = "Credentials/Store") -> None:
        with self.subTest(words=words, payload=payload[:40]):
            frame = self.exchange(encode(method, payload, self.client.next_id()))
            self.assert_refused(frame, Status.INVALID_ARGUMENT, reason, *words)
            self.assert_goes_on()

    def test_empty_and_overlong_ids(self) -> None:
        for user, connection, name in (
            (b"", b"c", "user_id"), (b"u", b"", "connection_id"), (b"u" * 257, b"c", "user_id"),
            (b"u", b"c" * 257, "connection_id"), (b"u" * 100_000, b"c", "user_id"),
            ("ä".encode() * 129, b"c", "user_id"),
        ):
            for method in ("Credentials/Store", "Credentials/Get", "Credentials/Delete"):
                payload = field(1, user) + field(2, connection)
                payload += field(3, b"v") if method == "Credentials/Store" else b""
                self.refused(payload, BAD_FIELD, name, "256", method=method)

    def test_ids_of_the_longest_length(self) -> None:
        for user, connection in (("u" * 256, "c" * 256), ("ä" * 128, "\U0001F511" * 64)):
            self.client.store(user, connection, b"value")
            self.assertEqual(self.client.get(user, connection).credential, b"value")

    def test_control_characters_in_ids(self) -> None:
        for bad in ("\x01", "a\nb", "\x1f", "\x7f", "a\x80", "\x9f"):
            for method in ("Credentials/Store", "Credentials/Get", "Credentials/Delete"):
                value = field(3, b"v") if method == "Credentials/Store" else b""
                self.refused(field(1, bad.encode()) + field(2, b"c") + value, BAD_FIELD, "user_id", method=method)
                self.refused(
                    field(1, b"u") + field(2, bad.encode()) + value, BAD_FIELD, "connection_id", method=method)

    def test_nul_in_text(self) -> None:
        self.refused(field(1, b"us\0er") + field(2, b"c") + field(3, b"v"), MALFORMED, "user_id")
        self.refused(field(1, b"u") + field(2, b"\0") + field(3, b"v"), MALFORMED, "connection_id")
        label = field(1, b"na\0me") + field(2, b"value")
        self.refused(field(1, b"u") + field(2, b"c") + field(3, b"v") + field(5, label), MALFORMED, "labels")

    def test_invalid_utf8(self) -> None:
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3", b"\x80", b"\xe2\x82"):
            self.refused(field(1, b"u" + bad) + field(2, b"c") + field(3, b"v"), MALFORMED, "user_id")

    def test_credential_of_no_bytes(self) -> None:
        self.refused(field(1, b"u") + field(2, b"c") + field(3, b""), BAD_FIELD, "credential", "1 byte")
        self.refused(field(1, b"u") + field(2, b"c"), BAD_FIELD, "credential")

    def test_credential_over_the_limit(self) -> None:
        value = (self.canaries.new() * 2049)[:65537]
        self.refused(
            field(1, b"u") + field(2, b"c") + field(3, value), CREDENTIAL_TOO_LARGE, "credential", "65536", "65537")
        self.client.store("u", "c", value[:65536])
        self.assertEqual(self.client.get("u", "c").credential, value[:65536])

    def test_labels_over_their_limits(self) -> None:
        record = field(1, b"u") + field(2, b"c") + field(3, b"v")
        for labels in (
            [(b"n%d" % n, b"v") for n in range(17)], [(b"", b"v")], [(b"n" * 65, b"v")], [(b"n", b"v" * 257)],
            [(b"n\n", b"v")], [(b"n", b"\x7f")], [(b"n", b"1"), (b"n", b"2")],
        ):
            self.refused(record + b"".join(field(5, field(1, n) + field(2, v)) for n, v in labels), BAD_FIELD, "labels")

    def test_numbers_over_their_limits(self) -> None:
        record = field(1, b"u") + field(2, b"c") + field(3, b"v")
        self.refused(record + field(4, 3_153_600_001), BAD_FIELD, "ttl_seconds")
        self.refused(record + field(4, 1 << 32), MALFORMED, "ttl_seconds")
        self.refused(field(1, b"u") + field(3, 1001), BAD_FIELD, "page_size", method="Credentials/List")
        self.refused(record + field(6, b""), BAD_FIELD, "if_version")
        self.refused(record + field(6, b"v" * 129), BAD_FIELD, "if_version")
        self.refused(record + field(7, 2), MALFORMED, "if_absent")

    def test_too_many_and_too_few_keys(self) -> None:
        key = field(1, field(1, b"u") + field(2, b"c"))
        for keys in (b"", key * 257, key * 1025):
            self.refused(keys, BAD_FIELD if len(keys) != len(key) * 1025 else MALFORMED, "keys", method="Credentials/GetMany")
        self.refused(key + field(1, field(1, b"u")), BAD_FIELD, "connection_id", method="Credentials/GetMany")

    def test_page_token_of_somebody_else(self) -> None:
        for token in (b"nonsense", b"A" * 22, b"A" * 8192, b"A" * 8193, "ä".encode()):
            self.refused(field(1, b"u") + field(2, token), BAD_FIELD, "page_token", method="Credentials/List")

    def test_what_decoders_could_read_in_two_ways(self) -> None:
        user, connection, value = field(1, b"u"), field(2, b"c"), field(3, b"v")
        for payload in (
            user + user + connection + value,                       # a singular field twice
            user + connection + value + field(6, b"x") + field(7, 1),  # two members of a oneof
            b"\x8a\x00\x01u" + connection + value,                  # a tag that is not in its shortest form
            b"\x0a\x81\x00u" + connection + value,                  # a length that is not in its shortest form
            b"\x0a" + b"\xff" * 10 + b"\x01",                       # a varint of 11 bytes
            b"\x0a\x7fu",                                           # a length beyond the end
            b"\x0a", b"\xff",                                       # ends inside a field
            b"\x00\x00", b"\x02\x01u",                              # field number 0
            user + connection + field(3, 7),                        # the wrong wire type
            user + connection + value + b"\x0b\x0c",                # a group
            user + connection + value + b"\x7b\x7c",                # an unknown group
            user + connection + value + b"\x7e", b"\x0f",           # wire types 6 and 7
            user + connection + value + field(5, field(3, b"x")),   # a map entry with a third field
            user + connection + value + field(5, field(1, b"a") + field(1, b"b")),
        ):
            self.refused(payload, MALFORMED)

    def test_unknown_fields(self) -> None:
        request = field(1, b"user") + field(2, b"c")
        for count, status in ((8, Status.OK), (9, Status.INVALID_ARGUMENT), (10_000, Status.INVALID_ARGUMENT)):
            with self.subTest(count=count):
                unknown = b"".join(field(100 + number, b"x") for number in range(count))
                frame = self.exchange(encode("Credentials/Get", unknown + request, self.client.next_id()))
                self.assertEqual(Status(frame.code).name, status.name)
        self.refused(field(99, 1) * 100_000 + request, MALFORMED, "unknown fields", method="Credentials/Get")

    def test_random_payloads(self) -> None:
        """Whatever comes, each is answered, and not by INTERNAL."""
        methods = ["Credentials/Store", "Credentials/Get", "Credentials/Delete", "Credentials/GetMany",
                   "Credentials/List", "Credentials/Ping", "Admin/Health", "Admin/Stats", "Admin/Invalidate"]
        for number in range(2000):
            payload = os.urandom(number % 64)
            frame = self.exchange(encode(methods[number % len(methods)], payload, number))
            self.assertEqual(frame.call_id, number)
            while frame.more:
                frame = self.client.response()
            self.assertNotIn(Status(frame.code), (Status.INTERNAL, Status.UNKNOWN), payload.hex())
