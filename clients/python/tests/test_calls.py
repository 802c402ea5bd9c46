"""Every call of both clients, against a daemon that keeps records in memory."""

import datetime
import unittest

from support import FakeDaemon, MemoryDaemon, both

from coffer_client import (
    Aborted, AlreadyExists, Code, CofferError, Identity, InvalidArgument, Key, NotFound, PermissionDenied, Reason, Source,
    Unavailable,
)
from coffer_client.generated import credentials_pb2


@both
class CallTests:
    def setUp(self):
        self.daemon = self.enterContext(MemoryDaemon()) if hasattr(self, "enterContext") else self.enter(MemoryDaemon())
        self.client = self.open(self.daemon.path)

    def enter(self, context):
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return context

    def test_stores_reads_and_deletes(self):
        receipt = self.client.store("ann", "github", "s3cret", labels={"env": "prod", "empty": ""})
        self.assertEqual("v-1", receipt.version)
        record = self.client.get("ann", "github")
        self.assertEqual(("s3cret", "v-1", {"env": "prod", "empty": ""}, Source.VAULT), (
            record.text(), record.version, record.labels, record.source))
        self.assertIsNone(record.expires_at)
        self.assertTrue(self.client.delete("ann", "github"))
        self.assertFalse(self.client.delete("ann", "github"))

    def test_takes_text_and_every_kind_of_bytes(self):
        for value in ("zoë", b"zo\xc3\xab", bytearray(b"zo\xc3\xab"), memoryview(b"zo\xc3\xab")):
            self.client.store("ann", "github", value)
            self.assertEqual("zoë", self.client.get("ann", "github").text())

    def test_what_is_not_there_is_a_key_error_or_none(self):
        with self.assertRaises(KeyError) as raised:
            self.client.get("ann", "github")
        self.assertIsInstance(raised.exception, NotFound)
        self.assertEqual("there is no record for this user and connection", str(raised.exception))
        self.assertIsNone(self.client.try_get("ann", "github"))

    def test_conditions(self):
        first = self.client.store("ann", "github", "1", if_absent=True)
        with self.assertRaises(AlreadyExists):
            self.client.store("ann", "github", "2", if_absent=True)
        self.client.store("ann", "github", "2", if_version=first.version)
        with self.assertRaises(Aborted):
            self.client.store("ann", "github", "3", if_version=first.version)
        with self.assertRaisesRegex(InvalidArgument, "exclude each other"):
            self.client.store("ann", "github", "3", if_version="v", if_absent=True)

    def test_a_time_to_live_is_rounded_up(self):
        receipt = self.client.store("ann", "github", "1", ttl=datetime.timedelta(milliseconds=1500))
        self.assertEqual(2000, receipt.expires_at_ms - receipt.updated_at_ms)
        self.assertEqual(2000, receipt.expires_at_ms - self.client.get("ann", "github").updated_at_ms)
        for wrong in (0, -1, float("inf"), float("nan"), 2**32):
            with self.assertRaises(InvalidArgument):
                self.client.store("ann", "github", "1", ttl=wrong)

    def test_many_in_chunks_in_their_order(self):
        self.client.store("ann", "even", "x")
        keys = [Key("ann", "even" if number % 2 == 0 else "odd") for number in range(600)]
        results = self.client.get_many(keys)
        self.assertEqual(600, len(results))
        for number, result in enumerate(results):
            if number % 2:
                self.assertIsInstance(result, NotFound)
            else:
                self.assertEqual("x", result.text())
        self.assertEqual([], self.client.get_many([]))

    def test_lists_page_by_page(self):
        for number in range(7):
            self.client.store("ann", f"c{number}", "x")
        for size in (0, 1, 3, 7):
            entries = self.client.list("ann", page_size=size)
            self.assertEqual([f"c{number}" for number in range(7)], [entry.connection for entry in entries])

    def test_a_page_token_that_comes_again_ends_the_listing(self):
        for lead, circle in ((0, 1), (0, 2), (3, 1), (2, 5), (40, 7)):
            with self.subTest(lead=lead, circle=circle):
                asked = []

                def script(peer, _):
                    for request in iter(peer.read, None):
                        token = credentials_pb2.ListRequest.FromString(request.payload).page_token
                        asked.append(token)
                        page = int(token or -1) + 1
                        page = page if page < lead + circle else lead
                        peer.respond(request, credentials_pb2.ListResponse(next_page_token=str(page)).SerializeToString())

                with FakeDaemon(script) as daemon:
                    with self.assertRaises(CofferError) as raised:
                        self.open(daemon.path, timeout=5).list("ann")
                self.assertEqual((Code.INTERNAL, Reason.MALFORMED), (raised.exception.code, raised.exception.reason))
                self.assertLess(len(asked), 3 * (lead + circle) + 2)

    def test_a_long_listing_is_read_to_its_end(self):
        def script(peer, _):
            for request in iter(peer.read, None):
                page = int(credentials_pb2.ListRequest.FromString(request.payload).page_token or 0) + 1
                token = str(page) if page < 300 else ""
                peer.respond(request, credentials_pb2.ListResponse(
                    next_page_token=token, entries=[{"connection_id": str(page)}]).SerializeToString())

        with FakeDaemon(script) as daemon:
            self.assertEqual(300, len(self.open(daemon.path).list("ann")))

    def test_health_stats_and_invalidate(self):
        self.client.store("ann", "github", "x")
        health = self.client.health()
        self.assertEqual((True, "0.1.0", 1.5), (health.serving, health.version, health.uptime))
        self.assertEqual(
            Identity("0.1.0", "0123456789abcdef", True, 1, 2, 3, 4, 5.5, 1 << 63), self.client.ping())
        self.assertEqual({"cached_records": 1}, self.client.stats())
        self.assertEqual(1, self.client.invalidate("ann", "github"))
        self.assertEqual(1, self.client.invalidate("ann"))
        self.assertEqual(1, self.client.invalidate(all=True))
        with self.assertRaises(InvalidArgument):
            self.client.invalidate("ann", all=True)

    def test_health_has_names_and_errors_in_place_of_numbers(self):
        vaults = self.client.health().vaults
        self.assertEqual(
            [("main", "open", "fail", Reason.VAULT_UNREACHABLE, Reason.VAULT_REFUSED),
             ("quiet", "none", "unknown", Reason.UNSPECIFIED, Reason.UNSPECIFIED),
             ("later", "unknown", "unknown", 99, Reason.UNSPECIFIED)],
            [(vault.name, vault.breaker, vault.writes, vault.last_failure, vault.write_failure) for vault in vaults])
        self.assertEqual(["VAULT_UNREACHABLE", "UNSPECIFIED"], [vault.last_failure.name for vault in vaults[:2]])
        self.assertIsInstance(vaults[0].check_error, PermissionDenied)
        self.assertEqual((Reason.VAULT_REFUSED, "main"), (vaults[0].check_error.reason, vaults[0].check_error.vault))
        self.assertIsNone(vaults[1].check_error)

    def test_doctor_says_how_each_step_ended(self):
        for vault in (None, "crm"):
            examined, other = self.client.doctor(vault)
            self.assertEqual((vault or "main", "vault"), (examined.name, examined.kind))
            self.assertEqual(
                [("store", False, 0.0009, ""), ("get", False, 0, "check that it runs"), ("compare", True, 0, ""),
                 ("unknown", False, 0, "")],
                [(step.action, step.skipped, step.duration, step.advice) for step in examined.steps])
            errors = [step.error for step in examined.steps]
            self.assertIsInstance(errors[1], Unavailable)
            self.assertIs(errors[1], examined.error)
            self.assertEqual((Reason.VAULT_UNREACHABLE, "main", True), (errors[1].reason, errors[1].vault, errors[1].retryable))
            self.assertEqual([None, None, Code.INTERNAL], [errors[0], errors[2], errors[3].code])
            self.assertIsNone(other.error)

    def test_lone_surrogates_are_refused_and_never_repaired(self):
        calls = (
            lambda: self.client.get("ann\ud800", "c"), lambda: self.client.get("ann", "\udfffc"),
            lambda: self.client.store("ann", "c", "s3cret\ud800"),
            lambda: self.client.store("ann", "c", "x", labels={"a": "\ud800"}),
            lambda: self.client.store("ann", "c", "x", labels={"\ud800": "a"}),
            lambda: self.client.delete("ann", "c", if_version="\ud800"),
            lambda: self.client.get_many([("ann", "\ud800")]), lambda: self.client.list("\ud800"),
            lambda: self.client.invalidate("\ud800"),
        )
        for call in calls:
            with self.assertRaisesRegex(InvalidArgument, "lone surrogates") as raised:
                call()
            self.assertNotIn("s3cret", repr(raised.exception))
            self.assertIsNone(raised.exception.__context__)
        self.assertEqual({}, self.daemon.records)

    def test_refuses_what_no_daemon_accepts_before_it_sends_anything(self):
        with self.assertRaisesRegex(InvalidArgument, "expected 1 to 1048576 bytes, got 1048577"):
            self.client.store("ann", "c", b"x" * ((1 << 20) + 1))
        with self.assertRaisesRegex(InvalidArgument, "user: expected at most 16384 bytes"):
            self.client.get("é" * 8193, "c")
        with self.assertRaises(TypeError):
            self.client.get(b"ann", "c")
        with self.assertRaises(TypeError):
            self.client.store("ann", "c", 5)

    def test_a_mebibyte_both_ways(self):
        value = bytes(range(256)) * 4096
        self.client.store("ann", "c", value)
        self.assertEqual(value, bytes(self.client.get("ann", "c").value))
        self.assertEqual([value] * 3, [bytes(one.value) for one in self.client.get_many([("ann", "c")] * 3)])

    def test_a_client_that_is_closed_says_so(self):
        self.client.get_many([("ann", "c")])
        self.client.close()
        with self.assertRaises(CofferError) as raised:
            self.client.get("ann", "c")
        self.assertEqual((Code.CANCELLED, "the client was closed"), (raised.exception.code, str(raised.exception)))


if __name__ == "__main__":
    unittest.main()
