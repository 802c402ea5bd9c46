"""What calls give back and raise: no credential leaks from it, and it is what Python programs expect."""

import pickle
import traceback
import unittest

import support

import coffer_client
from coffer_client import (
    Code, CofferError, DeadlineExceeded, Entry, InvalidArgument, NotFound, Reason, Record, Source, Unavailable,
)
from coffer_client import _messages
from coffer_client._scan import Malformed
from coffer_client.errors import make_error
from coffer_client.generated.credentials_pb2 import GetResponse


def record(value):
    return Record(value, "v-1", {"a": "b"}, source=Source.VAULT)


class RecordTests(unittest.TestCase):
    def test_shows_its_size_only(self):
        one = record(b"s3cret")
        for text in (repr(one), str(one), f"{one}", "%s" % one, repr([one])):
            self.assertNotIn("s3cret", text)
            self.assertIn("<6 bytes>", text)

    def test_wipes_in_place(self):
        one = record(b"s3cret")
        view = one.value
        with one as same:
            self.assertEqual("s3cret", same.text())
        self.assertEqual(b"", bytes(view))
        one = record(b"s3cret")
        lent = memoryview(one.value)
        with self.assertRaises(BufferError):
            one.wipe()
        self.assertEqual(bytes(6), bytes(lent))

    def test_errors_about_a_credential_do_not_hold_it(self):
        for value, read in ((b"s3cret\xff", Record.text), (b"s3cret\xff", Record.json), (b"{s3cret", Record.json)):
            with self.assertRaises(CofferError) as raised:
                read(record(value))
            error = raised.exception
            self.assertEqual(Code.DATA_LOSS, error.code)
            self.assertIsNone(error.__context__)
            shown = "".join(traceback.format_exception(type(error), error, None))
            self.assertNotIn("s3cret", shown + repr(error.__dict__))

    def test_json(self):
        self.assertEqual({"a": [1, None]}, record(b'{"a": [1, null]}').json())

    def test_times_beyond_what_a_datetime_holds(self):
        entry = Entry("a", "b", "v", {}, 2**64 - 1, 0, 2**64 - 1)
        self.assertEqual((9999, 1970, 9999), (entry.created_at.year, entry.updated_at.year, entry.expires_at.year))


class ErrorTests(unittest.TestCase):
    def test_are_what_python_programs_catch(self):
        for kind, other in ((NotFound, KeyError), (Unavailable, ConnectionError), (DeadlineExceeded, TimeoutError),
                            (InvalidArgument, ValueError)):
            with self.assertRaises(other) as raised:
                raise kind("the text")
            self.assertIsInstance(raised.exception, CofferError)
            self.assertEqual("the text", str(raised.exception))
            self.assertEqual(kind.default_code, raised.exception.code)

    def test_every_status_has_its_class_and_unknown_ones_count_as_unknown(self):
        for code in Code:
            self.assertEqual(code, make_error(code, "x").code)
        self.assertIsInstance(make_error(14, "x"), Unavailable)
        self.assertEqual(Code.UNKNOWN, make_error(17, "x").code)
        self.assertEqual((Reason.DRAINING, 78), (make_error(14, "x", reason=60).reason, make_error(14, "x", reason=78).reason))

    def test_travel_between_processes(self):
        for kind in (NotFound, Unavailable, DeadlineExceeded, CofferError):
            error = kind("the text", reason=61, vault="main", retryable=True, retry_after=0.5, may_have_happened=True)
            again = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(error), str(error), error.__dict__), (type(again), str(again), again.__dict__))

    def test_the_reasons_are_those_of_the_protocol(self):
        proto = (support.ROOT / "proto/coffer/v1/credentials.proto").read_text()
        for reason in Reason:
            self.assertRegex(proto, rf"REASON_{reason.name} = {reason.value};")
        self.assertEqual(len(Reason), proto.count("    REASON_"))

    def test_everything_public_is_there(self):
        for name in coffer_client.__all__:
            self.assertTrue(hasattr(coffer_client, name), name)

class KnownHeadTests(unittest.TestCase):
    """Answers for a record that was read before are read by their age alone, and no less strictly."""

    def answer(self, age, **fields):
        response = GetResponse(
            credential=b"s3cret", version="known", labels={"env": "prod"}, created_at_ms=5, updated_at_ms=6, source=1, **fields)
        return response.SerializeToString() + age

    def test_each_age_is_read_as_it_came(self):
        for age in (1, 2, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2**64 - 1, 0):
            with self.subTest(age=age):
                record = _messages.decode_record([bytearray(self.answer(b"", age_ms=age))])
                self.assertEqual((bytearray(b"s3cret"), "known", {"env": "prod"}, age / 1000), (
                    record.value, record.version, record.labels, record.age))
                self.assertEqual((5, 6, Source.MEMORY, False, None), (
                    record.created_at_ms, record.updated_at_ms, record.source, record.stale, record.foreign_format))

    def test_what_is_read_in_two_ways_is_refused_behind_a_known_head(self):
        _messages.decode_record([bytearray(self.answer(b"", age_ms=7))])
        for end in (
            b"\x40", b"\x40\x87\x00", b"\x40\x07\x40\x07", b"\x40\xff\x40\x07", b"\x40" + b"\xff" * 9 + b"\x02", b"\x40\xff",
            b"\x12\x01v\x40\x07", b"\x38\x01\x40\x07", b"\x0a\x01x\x40\x07", b"\x42\x01\x07", b"\x41\x07",
        ):
            for _ in range(2):
                with self.subTest(end=end), self.assertRaises(Malformed):
                    _messages.decode_record([bytearray(self.answer(end))])

        data = bytearray(self.answer(b"", age_ms=7))
        data[-3] = 0x80
        with self.assertRaises(Malformed):
            _messages.decode_record([data])

    def test_a_field_that_looks_like_an_age_is_none(self):
        for form in ("json@\x07", "json@\x08"):
            record = _messages.decode_record([bytearray(self.answer(b"", age_ms=3, foreign_format=form))])
            self.assertEqual((0.003, form), (record.age, record.foreign_format))
        with self.assertRaises(Malformed):
            _messages.decode_record([bytearray(self.answer(b"\x40\x03\x52\x06json@\x85\x01"))])

    def test_no_more_heads_are_kept_than_a_few(self):
        for number in range(2 * _messages._KnownHeads.most):
            _messages.decode_record([bytearray(GetResponse(credential=b"x", version=str(number), age_ms=1).SerializeToString())])
        self.assertLessEqual(len(_messages._known_heads._heads), _messages._KnownHeads.most)


if __name__ == "__main__":
    unittest.main()
