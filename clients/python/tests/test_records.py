"""What calls give back and raise: no credential leaks from it, and it is what Python programs expect."""

import pickle
import traceback
import unittest

import support

import coffer_client
from coffer_client import (
    Code, CofferError, DeadlineExceeded, Entry, InvalidArgument, NotFound, Reason, Record, Source, Unavailable,
)
from coffer_client.errors import make_error


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


if __name__ == "__main__":
    unittest.main()
