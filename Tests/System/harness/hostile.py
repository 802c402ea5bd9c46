"""Tests of clients that mean harm: after each, a good one is served, and no secret is in the log."""

from .canary import Canaries
from .case import SystemTest
from .client import Client, Frame, Status
from .daemon import Daemon

#: Reasons of coffer.v1.Failure.
MALFORMED, BAD_FIELD, UNKNOWN_METHOD, FRAME_TOO_LARGE, CREDENTIAL_TOO_LARGE, DUPLICATE = 10, 11, 12, 13, 14, 15

CONFIG = """
limits:
  frame_seconds: 1
  write_stall_seconds: 1
  output_bytes: 65536
log:
  level: trace
"""


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded + bytes([value]))


def field(number: int, value: bytes | int) -> bytes:
    """One field on the wire: text or bytes, or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


class HostileTest(SystemTest):
    """One daemon for all tests of a class; it must outlive them."""

    served: Daemon
    config = CONFIG
    descriptors: int | None = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.canaries = Canaries()
        cls.served = Daemon(config=cls.config, descriptors=cls.descriptors)
        cls.addClassCleanup(cls.served.dispose)
        cls.served.start()
        with cls.served.client() as client:
            client.store("user", "c", cls.canaries.new())

    def setUp(self) -> None:
        self.pid = self.served.pid
        self.client = self.connect()

    def tearDown(self) -> None:
        self.client.close()
        assert self.served.process is not None
        self.assertIsNone(self.served.process.poll(), "the daemon is dead")
        with self.served.client(5) as client:
            value = self.canaries.new()
            client.store("good", "client", value)
            for age in ({"max_age_ms": 0}, {}):
                self.assertEqual(client.get("good", "client", **age).credential, value)
        self.assertEqual(self.canaries.find(self.served.log_text().encode()), [], "a secret is in the log")

    def connect(self) -> Client:
        client = self.served.client()
        self.addCleanup(client.close)
        return client

    def exchange(self, data: bytes) -> Frame:
        self.client.send(data)
        return self.client.response()

    def assert_refused(self, frame: Frame, status: Status, reason: int, *words: str) -> None:
        self.assertEqual((Status(frame.code).name, frame.failure.reason), (status.name, reason), frame.failure)
        for word in words:
            self.assertIn(word, frame.failure.message)

    def assert_goes_on(self) -> None:
        """The connection is as good as before."""
        self.assertTrue(self.client.health().serving)

    def assert_closed(self) -> None:
        self.assertIsNone(self.client.frame(), "the daemon sent more instead of closing")
