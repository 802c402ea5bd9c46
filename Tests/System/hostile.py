"""Bytes that no good client sends: frames, and calls in odd order."""

import os
import time

from harness import Status, eventually, method_id
from harness.client import cancel, encode
from harness.hostile import (
    CREDENTIAL_TOO_LARGE, DUPLICATE, FRAME_TOO_LARGE, MALFORMED, UNKNOWN_METHOD, HostileTest, field)


class Frames(HostileTest):
    """Frames that are wrong themselves."""

    GET = field(1, b"user") + field(2, b"c")

    def test_unknown_method(self) -> None:
        frame = self.exchange(encode("Credentials/Borrow", self.GET, 5))
        self.assert_refused(frame, Status.UNIMPLEMENTED, UNKNOWN_METHOD, str(method_id("Credentials/Borrow")))
        self.assertEqual(frame.call_id, 5)
        self.assert_goes_on()

    def test_unknown_version(self) -> None:
        for version in (0, 2, 255):
            self.client = self.connect()
            frame = self.exchange(encode("Credentials/Get", self.GET, 5, version=version))
            self.assert_refused(frame, Status.INVALID_ARGUMENT, MALFORMED, f"version {version}")
            self.assertEqual(frame.call_id, 5)
            self.assert_closed()

    def test_kinds_that_clients_do_not_send(self) -> None:
        for kind in (0, 2, 4, 5, 255):
            self.client = self.connect()
            frame = self.exchange(encode("Credentials/Get", self.GET, 5, kind=kind))
            self.assert_refused(frame, Status.INVALID_ARGUMENT, MALFORMED, f"kind {kind}")
            self.assert_closed()

    def test_what_follows_the_end_is_not_looked_at(self) -> None:
        self.client.send(encode("Credentials/Get", self.GET, 5, version=9) + encode("Credentials/Get", self.GET, 6))
        self.assertEqual(self.client.response().call_id, 5)
        self.assert_closed()

    def test_flags(self) -> None:
        for flags in (1, 2, 0x8000, 0xFFFF):
            frame = self.exchange(encode("Credentials/Get", self.GET, 5, flags=flags))
            self.assert_refused(frame, Status.INVALID_ARGUMENT, MALFORMED, "flags")
            self.assert_goes_on()

    def test_length_below_20(self) -> None:
        for length in (0, 1, 19):
            self.client = self.connect()
            frame = self.exchange(encode("Credentials/Get", self.GET, 5, length=length))
            self.assert_refused(frame, Status.INVALID_ARGUMENT, MALFORMED, str(length))
            self.assertEqual(frame.call_id, 0)
            self.assert_closed()

    def test_oversized_frame_is_skipped(self) -> None:
        """The refusal comes before the frame's bytes do; after them the connection is as before."""
        for size in (1_114_112 - 23, 2 << 20, 64 << 20):
            with self.subTest(size=size):
                self.client.send(encode("Credentials/Store", b"", 7, length=20 + size))
                frame = self.client.response()
                self.assert_refused(frame, Status.RESOURCE_EXHAUSTED, FRAME_TOO_LARGE, str(24 + size), "1114112")
                self.assertEqual(frame.call_id, 7)
                block = encode("Credentials/Get", self.GET, 8) * 20_000
                while size > 0:
                    self.client.send(block[:size])
                    size -= len(block[:size])
                self.assert_goes_on()

    def test_frame_of_the_largest_size_is_taken(self) -> None:
        payload = field(1, b"u") + field(2, b"c")
        rest = 1_114_112 - 24 - len(payload)
        payload += field(3, b"v" * (rest - 4))
        self.assertEqual(len(payload), 1_114_112 - 24)
        frame = self.exchange(encode("Credentials/Store", payload, 7))
        self.assert_refused(frame, Status.INVALID_ARGUMENT, CREDENTIAL_TOO_LARGE)
        self.assert_goes_on()

    def test_announced_gigabytes_cost_no_memory(self) -> None:
        before = self.served.resident_kib()
        clients = [self.connect() for _ in range(50)]
        for client in clients:
            client.send(encode("Credentials/Store", b"x" * 100, 7, length=0xF000_0000))
            self.assert_refused(client.response(), Status.RESOURCE_EXHAUSTED, FRAME_TOO_LARGE)
        self.assertLess(self.served.resident_kib() - before, 8 << 10)

    def test_http_gets_an_http_answer(self) -> None:
        for line in ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1 HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n",
                     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with self.subTest(line=line):
                self.client = self.connect()
                self.client.send(line.encode())
                head, _, body = self.client.read().partition(b"\r\n\r\n")
                self.assertTrue(head.startswith(b"HTTP/1.1 400 Bad Request\r\n"), head)
                self.assertIn(b"\r\nContent-Length: %d" % len(body), head)
                self.assertIn(b"Coffer", body)

    def test_other_text_gets_a_line(self) -> None:
        for text in ("EHLO example\r\n", "SSH-2.0-OpenSSH_9\r\n", "quit\n", "{\"id\": 1}\n"):
            with self.subTest(text=text):
                self.client = self.connect()
                self.client.send(text.encode())
                answer = self.client.read()
                self.assertEqual(answer.count(b"\n"), 1, answer)
                self.assertIn(b"Coffer", answer)

    def test_random_bytes(self) -> None:
        for number in range(300):
            with self.served.client() as client:
                try:
                    client.send(os.urandom(1 + number * 13 % 500))
                except (BrokenPipeError, ConnectionResetError):
                    pass

    def test_frame_that_is_cut_off(self) -> None:
        frame = encode("Credentials/Get", self.GET, 5)
        for length in range(len(frame)):
            with self.served.client() as client:
                client.send(frame[:length])


class Calls(HostileTest):
    """The order and number of calls on one connection."""

    GET = field(1, b"user") + field(2, b"c")
    FRESH = GET + field(3, 0)

    def test_one_byte_at_a_time(self) -> None:
        for byte in encode("Credentials/Get", self.GET, 5):
            self.client.send(bytes([byte]))
            time.sleep(0.002)
        self.assertEqual(self.client.response().code, Status.OK)

    def test_frames_cut_anywhere(self) -> None:
        data = b"".join(encode("Credentials/Get", self.GET, number) for number in range(300))
        for start in range(0, len(data), 37):
            self.client.send(data[start:start + 37])
        self.assertEqual({self.client.response().call_id for _ in range(300)}, set(range(300)))

    def test_many_frames_in_one_write(self) -> None:
        count = 5000
        self.client.send(b"".join(
            encode("Credentials/Get", self.FRESH if number % 10 == 0 else self.GET, number) for number in range(count)))
        answered = set()
        for _ in range(count):
            frame = self.client.response()
            self.assertEqual(frame.code, Status.OK)
            answered.add(frame.call_id)
        self.assertEqual(answered, set(range(count)))

    def test_call_id_in_flight(self) -> None:
        """Both in one write: the second comes while the first waits for the vault."""
        self.client.send(encode("Credentials/Get", self.FRESH, 5) * 2)
        first, second = self.client.response(), self.client.response()
        self.assert_refused(first, Status.INVALID_ARGUMENT, DUPLICATE, "5")
        self.assertEqual((second.call_id, second.code), (5, Status.OK))
        self.assertEqual(self.exchange(encode("Credentials/Get", self.GET, 5)).code, Status.OK, "the id is free again")

    def test_call_ids_of_all_sizes(self) -> None:
        for call_id in (0, 1, 1 << 32, (1 << 64) - 1):
            for payload in (self.GET, self.FRESH):
                self.assertEqual(self.exchange(encode("Credentials/Get", payload, call_id)).call_id, call_id)

    def test_cancel_of_an_unknown_id(self) -> None:
        self.client.send(cancel(77) * 1000)
        self.assert_goes_on()

    def test_cancel_of_a_waiting_call(self) -> None:
        for method, payload in (
            ("Credentials/Get", self.FRESH), ("Credentials/List", field(1, b"user")),
            ("Credentials/GetMany", field(1, self.GET) + field(2, 0)),
        ):
            with self.subTest(method=method):
                self.client.send(encode(method, payload, 5) + cancel(5))
                self.assert_refused(self.client.response(), Status.CANCELLED, 42)
                self.assert_goes_on()

    def test_cancelled_store_ends_with_its_result(self) -> None:
        store = field(1, b"user") + field(2, b"cancelled") + field(3, b"v")
        self.client.send(encode("Credentials/Store", store, 5) + cancel(5))
        self.assertEqual(self.client.response().code, Status.OK)
        self.assertEqual(self.client.get("user", "cancelled").credential, b"v")

    def test_time_that_is_over(self) -> None:
        """A Get with 1 ms is answered, one way or the other, and once."""
        for number in range(200):
            frame = self.exchange(encode("Credentials/Get", self.FRESH, number, 1))
            self.assertEqual(frame.call_id, number)
            self.assertIn(Status(frame.code), (Status.OK, Status.DEADLINE_EXCEEDED))
        self.assert_goes_on()

    def test_half_close_after_a_request(self) -> None:
        for payload in (self.GET, self.FRESH):
            self.client = self.connect()
            self.client.send(encode("Credentials/Get", payload, 5))
            self.client.socket.shutdown(1)
            self.assertEqual(self.client.response().code, Status.OK)
            self.assert_closed()

    def test_half_close_after_many_requests(self) -> None:
        self.client.send(b"".join(encode("Credentials/Get", self.FRESH, number) for number in range(500)))
        self.client.socket.shutdown(1)
        self.assertEqual({self.client.response().call_id for _ in range(500)}, set(range(500)))
        self.assert_closed()

    def test_half_close_inside_a_frame(self) -> None:
        self.client.send(encode("Credentials/Get", self.GET, 5) + encode("Credentials/Get", self.GET, 6)[:-1])
        self.client.socket.shutdown(1)
        self.assertEqual(self.client.response().call_id, 5)
        self.assert_closed()

    def test_clients_that_die_inside_a_frame(self) -> None:
        self.assertTrue(self.client.health().serving)
        before = self.served.descriptor_count()
        for _ in range(200):
            with self.served.client() as client:
                client.send(encode("Credentials/Get", self.FRESH, 1) + encode("Credentials/Get", self.GET, 2)[:30])
        eventually("their descriptors are closed", 5, lambda: self.served.descriptor_count() <= before)
