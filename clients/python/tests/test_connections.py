"""Losses, go-away, deadlines, cancellation and caps, of both clients."""

import asyncio
import math
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest

from support import LIMIT, Asynchronous, FakeDaemon, MemoryDaemon, both, eventually, frame

from coffer_client import (
    AsyncCoffer, Cancelled, Code, Coffer, CofferError, DeadlineExceeded, InvalidArgument, Reason, Unavailable,
)
from coffer_client import _frames as frames
from coffer_client.generated import credentials_pb2


def serve(peer):
    """Answers Gets until the end."""
    while True:
        request = peer.read()
        if request is None:
            return
        if request.kind == frames.REQUEST:
            peer.record(request)


def in_thread(call):
    """Runs it in a thread; its outcome when it is called."""
    outcome = []

    def run():
        try:
            outcome.append((call(), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(LIMIT)
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return result


@both
class LossTests:
    def test_nobody_there_fails_at_once_and_says_what_to_do(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        client = self.open(f"{folder}/s")
        start = time.monotonic()
        with self.assertRaises(ConnectionError) as raised:
            client.get("ann", "github")
        self.assertLess(time.monotonic() - start, 1)
        self.assertEqual(
            f"cofferd is not running at {folder}/s; start it, or set COFFER_SOCKET", str(raised.exception))
        self.assertEqual(Code.UNAVAILABLE, raised.exception.code)

    def test_a_read_is_made_again_after_a_loss_and_a_write_is_not(self):
        def script(peer, number):
            request = peer.read()
            if number in (1, 3):
                peer.record(request) if request.method == frames.GET.id else peer.receipt(request)
                peer.read()

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            self.assertEqual("s3cret", client.get("ann", "github").text())
        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            with self.assertRaises(Unavailable) as raised:
                client.store("ann", "github", "x")
            self.assertTrue(raised.exception.may_have_happened)
            self.assertEqual(
                "the daemon closed the connection; a write may have happened", str(raised.exception))
            self.assertEqual("v-1", client.store("ann", "github", "x").version)

    def test_a_read_is_made_again_while_the_daemon_comes_and_goes(self):
        def script(peer, number):
            if number < 4:
                peer.read()
            else:
                serve(peer)

        with FakeDaemon(script) as daemon:
            self.assertEqual("s3cret", self.open(daemon.path).get("ann", "github").text())
            self.assertEqual(5, len(daemon.peers))

    def test_a_read_is_made_again_for_no_longer_than_the_window(self):
        with FakeDaemon(lambda peer, _: peer.read()) as daemon:
            client = self.open(daemon.path, reconnect_window=0.3)
            start = time.monotonic()
            with self.assertRaises(Unavailable) as raised:
                client.get("ann", "github")
            self.assertTrue(0.2 < time.monotonic() - start < 2)
            self.assertLess(len(daemon.peers), 100)
            self.assertFalse(raised.exception.may_have_happened)

    def test_calls_wait_for_a_daemon_that_was_there(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        with MemoryDaemon(folder) as daemon:
            client = self.open(daemon.path)
            client.store("ann", "github", "x")
        waiting = in_thread(lambda: client.store("ann", "github", "y").version)
        time.sleep(0.3)
        with MemoryDaemon(folder):
            self.assertEqual("v-1", waiting())

    def test_calls_wait_no_longer_than_the_window(self):
        with MemoryDaemon() as daemon:
            client = self.open(daemon.path, reconnect_window=0.3)
            client.health()
        start = time.monotonic()
        with self.assertRaisesRegex(Unavailable, "cofferd is not running at"):
            client.health()
        self.assertLess(time.monotonic() - start, 2.5)

    def test_a_write_that_a_draining_daemon_refused_is_made_again(self):
        def script(peer, number):
            request = peer.read()
            if number == 0:
                peer.go_away()
                peer.fail(request, 14, Reason.DRAINING, "the daemon is stopping; connect again")
                peer.read()
            else:
                peer.receipt(request)
                peer.read()

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            self.assertEqual("v-1", client.store("ann", "github", "x").version)
            self.assertEqual(2, len(daemon.peers))

    def test_a_write_that_a_draining_daemon_cut_off_is_not_made_again(self):
        def script(peer, number):
            peer.fail(peer.read(), 14, Reason.DRAINING, "stopped; a write may have happened", happened=True)
            peer.read()

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            with self.assertRaises(Unavailable) as raised:
                client.store("ann", "github", "x")
            self.assertTrue(raised.exception.may_have_happened)
            self.assertEqual(1, len(daemon.peers))

    def test_after_a_go_away_what_is_in_flight_ends_and_new_calls_connect_again(self):
        asked, gone = threading.Event(), threading.Event()

        def script(peer, number):
            if number > 0:
                return serve(peer)
            first = peer.read()
            peer.go_away()
            asked.set()
            self.assertTrue(gone.wait(LIMIT))
            peer.record(first, b"due")
            self.assertIsNone(peer.read())

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            due = in_thread(lambda: client.get("ann", "github").text())
            self.assertTrue(asked.wait(LIMIT))
            time.sleep(0.2)
            self.assertEqual("s3cret", client.get("ann", "github").text())
            self.assertEqual(2, len(daemon.peers))
            gone.set()
            self.assertEqual("due", due())

    def test_a_connection_that_is_turned_away_says_why(self):
        failure = credentials_pb2.Failure(reason=41, message="too many connections", retryable=True)

        def script(peer, _):
            peer.send(frame(frames.GO_AWAY, 0, 8, 250, failure.SerializeToString()))
            peer.read()

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            with self.assertRaises(CofferError) as raised:
                client.store("ann", "github", "x")
            error = raised.exception
            self.assertEqual((Code.RESOURCE_EXHAUSTED, 41, "too many connections", 0.25, True, False), (
                error.code, error.reason, str(error), error.retry_after, error.retryable, error.may_have_happened))

    def test_answers_to_calls_that_nobody_knows_are_ignored(self):
        def script(peer, _):
            request = peer.read()
            peer.send(frame(frames.RESPONSE, 99))
            peer.record(request)
            peer.read()

        with FakeDaemon(script) as daemon:
            self.assertEqual("s3cret", self.open(daemon.path).get("ann", "github").text())

    def test_many_results_are_each_answered_once(self):
        def results(*indexes):
            return credentials_pb2.GetManyResponse(results=[
                {"index": index, "record": {"credential": b"x"}} for index in indexes]).SerializeToString()

        for answers in ([results(0)], [results(0, 0)], [results(0, 1, 2)], [results(0, 1), results(1)], [b""]):
            def script(peer, _, answers=answers):
                request = peer.read()
                for number, answer in enumerate(answers):
                    peer.respond(request, answer, more=number + 1 < len(answers))
                peer.record(peer.read())
                peer.read()

            with FakeDaemon(script) as daemon:
                client = self.open(daemon.path)
                with self.assertRaises(CofferError) as raised:
                    client.get_many([("a", "b"), ("a", "c")])
                self.assertEqual((Code.INTERNAL, Reason.MALFORMED), (raised.exception.code, raised.exception.reason))
                self.assertEqual("s3cret", client.get("a", "b").text())


@both
class TimeTests:
    def test_a_call_carries_its_time_ends_by_it_and_is_cancelled(self):
        seen = []

        def script(peer, _):
            while True:
                request = peer.read()
                if request is None:
                    return
                seen.append(request)

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            for call, ambiguous in ((client.get, False), (lambda *key, **how: client.store(*key, "x", **how), True)):
                seen.clear()
                start = time.monotonic()
                with self.assertRaises(TimeoutError) as raised:
                    call("ann", "github", timeout=0.2)
                self.assertTrue(0.19 < time.monotonic() - start < 2)
                self.assertIsInstance(raised.exception, DeadlineExceeded)
                self.assertEqual(ambiguous, raised.exception.may_have_happened)
                self.assertTrue(eventually(lambda: len(seen) == 2))
                request, cancel = seen
                self.assertTrue(1 <= request.timeout <= 201, request.timeout)
                self.assertEqual((frames.CANCEL, request.call_id, b""), (cancel.kind, cancel.call_id, cancel.payload))

    def test_each_call_keeps_its_own_time(self):
        def script(peer, _):
            requests = [peer.read() for _ in range(3)]
            self.assertTrue(eventually(lambda: time.monotonic() > start + 0.4))
            peer.record(max(requests, key=lambda request: request.timeout))
            serve(peer)

        start = time.monotonic()
        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            calls = [in_thread(lambda limit=limit: client.get("a", "b", timeout=limit)) for limit in (10, 0.1, 0.2)]
            for call in calls[1:]:
                with self.assertRaises(DeadlineExceeded):
                    call()
            self.assertEqual("s3cret", calls[0]().text())

    def test_no_more_calls_at_once_than_the_cap(self):
        most, now, lock = [0], [0], threading.Lock()

        def script(peer, _):
            waiting = []
            while True:
                request = peer.read()
                if request is None:
                    return
                waiting.append(request)
                with lock:
                    most[0] = max(most[0], len(waiting))
                if len(waiting) == 3:
                    for one in waiting:
                        peer.record(one)
                    waiting.clear()

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path, max_in_flight=3)
            calls = [in_thread(lambda: client.get("a", "b")) for _ in range(30)]
            for call in calls:
                self.assertEqual("s3cret", call().text())
            self.assertEqual(3, most[0])

    def test_waiting_for_a_slot_ends_by_the_calls_time(self):
        with FakeDaemon(lambda peer, _: [peer.read(), peer.read()]) as daemon:
            client = self.open(daemon.path, max_in_flight=1, timeout=1)
            first = in_thread(lambda: client.get("a", "b"))
            self.assertTrue(eventually(lambda: daemon.peers))
            time.sleep(0.05)
            with self.assertRaisesRegex(DeadlineExceeded, "the call was not sent"):
                client.store("a", "b", "x", timeout=0.1)
            with self.assertRaises(DeadlineExceeded):
                first()

    def test_a_peer_that_reads_nothing_blocks_nobody_for_longer(self):
        with FakeDaemon(lambda peer, _: time.sleep(1)) as daemon:
            client = self.open(daemon.path)
            calls = [in_thread(lambda: client.store("a", "b", b"x" * (1 << 20), timeout=0.4)) for _ in range(4)]
            start = time.monotonic()
            ends = []
            for call in calls:
                with self.assertRaises(DeadlineExceeded) as raised:
                    call()
                ends.append((raised.exception.may_have_happened, str(raised.exception).partition("; ")[2]))
            self.assertLess(time.monotonic() - start, 0.95)
            # The socket holds a part of the first one, which goes on to the daemon; the others are taken back.
            self.assertEqual(
                [(False, "the call was not sent")] * 3 + [(True, "a write may have happened")], sorted(ends))

    def test_a_write_sent_in_part_goes_on_and_may_have_happened(self):
        expired, came = threading.Event(), []

        def script(peer, _):
            expired.wait(LIMIT)
            came.extend(peer.read() for _ in range(2))
            serve(peer)

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            with self.assertRaises(DeadlineExceeded) as raised:
                client.store("a", "b", b"x" * (1 << 20), timeout=0.2)
            expired.set()
            self.assertEqual("s3cret", client.get("a", "b").text())
            self.assertEqual([(frames.REQUEST, frames.STORE.id), (frames.CANCEL, 0)], [
                (one.kind, one.method) for one in came])
            self.assertTrue(raised.exception.may_have_happened)

    def test_answers_come_through_while_the_daemon_reads_nothing(self):
        queued, taken = threading.Event(), threading.Event()

        def script(peer, _):
            first = peer.read()
            self.assertTrue(queued.wait(LIMIT))
            second = peer.read()
            # All threads wait for room to send the third request, but for the first call's, which waits for answers.
            time.sleep(0.3)
            peer.record(first, b"first")
            time.sleep(0.3)
            peer.receipt(second)
            # Until then nothing more is read: there is no room to send.
            self.assertTrue(taken.wait(LIMIT))
            peer.receipt(peer.read())
            serve(peer)

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            first = in_thread(lambda: client.get("a", "b").text())
            time.sleep(0.1)
            stores = []
            for _ in range(2):
                stores.append(in_thread(lambda: client.store("a", "b", b"x" * (1 << 20), timeout=3).version))
                time.sleep(0.05)
            queued.set()
            self.assertEqual("first", first())
            self.assertEqual("v-1", stores[0]())
            taken.set()
            self.assertEqual("v-1", stores[1]())

    def test_a_time_without_end_disturbs_no_other_call(self):
        stored, hold = threading.Event(), threading.Event()

        def script(peer, _):
            store = peer.read()
            stored.set()
            for _ in range(2):
                request = peer.read()
                self.assertEqual(frames.LONGEST_TIMEOUT_MS, request.timeout)
                peer.record(request)
            hold.wait(LIMIT)
            peer.receipt(store)
            peer.read()

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            store = in_thread(lambda: client.store("a", "b", "x").version)
            self.assertTrue(stored.wait(LIMIT))
            for endless in (math.inf, sys.float_info.max):
                self.assertEqual("s3cret", client.get("a", "b", timeout=endless).text())
            hold.set()
            self.assertEqual("v-1", store())

    def test_a_time_that_is_none_or_over_sends_nothing(self):
        with FakeDaemon(lambda peer, _: peer.read()) as daemon:
            client = self.open(daemon.path)
            with self.assertRaisesRegex(InvalidArgument, "^timeout: expected a duration, got NaN$"):
                client.store("a", "b", "x", timeout=math.nan)
            for over in (0, -1, -math.inf):
                with self.assertRaisesRegex(DeadlineExceeded, "the call was not sent") as raised:
                    client.store("a", "b", "x", timeout=over)
                self.assertFalse(raised.exception.may_have_happened)
            for wrong in (0, -1, math.nan):
                with self.assertRaises(ValueError):
                    Coffer(daemon.path, timeout=wrong)
                with self.assertRaises(ValueError):
                    AsyncCoffer(daemon.path, reconnect_window=wrong - 1)
            self.assertEqual([], daemon.peers)

    def test_closing_ends_what_is_in_flight(self):
        with FakeDaemon(lambda peer, _: [peer.read(), peer.read(), peer.read(), peer.read()]) as daemon:
            client = self.open(daemon.path)
            calls = [in_thread(lambda: client.get("a", "b")) for _ in range(3)]
            time.sleep(0.2)
            client.close()
            for call in calls:
                with self.assertRaises(Cancelled):
                    call()


    def draining(self):
        """A client with one call in flight on a connection that drains, and another connection; and that call."""
        asked = threading.Event()

        def script(peer, number):
            if number > 0:
                return serve(peer)
            peer.read()
            peer.go_away()
            asked.set()
            while peer.read():
                pass
            left.set()

        left = threading.Event()
        daemon = FakeDaemon(script)
        daemon.__enter__()
        self.addCleanup(daemon.__exit__, None, None, None)
        client = self.open(daemon.path)
        call = in_thread(lambda: client.store("a", "b", "x", timeout=0.5 if self.expires else 10))
        self.assertTrue(asked.wait(LIMIT))
        time.sleep(0.1)
        self.assertEqual("s3cret", client.get("a", "b").text())
        self.assertEqual(2, len(daemon.peers))
        return client, call, left

    expires = False

    def test_closing_ends_what_is_in_flight_on_a_draining_connection(self):
        client, call, left = self.draining()
        start = time.monotonic()
        client.close()
        with self.assertRaises(Cancelled) as raised:
            call()
        self.assertTrue(raised.exception.may_have_happened)
        self.assertLess(time.monotonic() - start, 5)
        self.assertTrue(left.wait(LIMIT))

    def test_a_draining_connection_ends_with_its_last_call(self):
        self.expires = True
        client, call, left = self.draining()
        with self.assertRaises(DeadlineExceeded):
            call()
        # The daemon has not closed it.
        self.assertTrue(left.wait(5))
        self.assertEqual("s3cret", client.get("a", "b").text())


class AsyncTests(unittest.TestCase):
    def test_cancelling_a_task_cancels_its_call(self):
        seen = []

        def script(peer, _):
            while True:
                request = peer.read()
                if request is None:
                    return
                seen.append(request)

        async def run(path):
            async with AsyncCoffer(path) as client:
                task = asyncio.ensure_future(client.get("ann", "github"))
                while not seen:
                    await asyncio.sleep(0.01)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                while len(seen) < 2:
                    await asyncio.sleep(0.01)
                self.assertEqual((frames.CANCEL, seen[0].call_id), (seen[1].kind, seen[1].call_id))

        with FakeDaemon(script) as daemon:
            asyncio.run(asyncio.wait_for(run(daemon.path), LIMIT))

    def test_cancelled_while_it_waits_for_a_slot(self):
        async def run(path):
            async with AsyncCoffer(path, max_in_flight=1) as client:
                first = asyncio.ensure_future(client.get("a", "b"))
                second = asyncio.ensure_future(client.get("a", "b"))
                third = asyncio.ensure_future(client.get("a", "b"))
                await asyncio.sleep(0.1)
                second.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await second
                hold.set()
                self.assertEqual("s3cret", (await first).text())
                self.assertEqual("s3cret", (await third).text())

        hold = threading.Event()

        def script(peer, _):
            request = peer.read()
            hold.wait(LIMIT)
            peer.record(request)
            serve(peer)

        with FakeDaemon(script) as daemon:
            asyncio.run(asyncio.wait_for(run(daemon.path), LIMIT))

    def test_moves_to_another_loop_when_its_own_is_closed(self):
        async def get():
            return (await client.get("a", "b")).text()

        with FakeDaemon(lambda peer, _: serve(peer)) as daemon:
            client = AsyncCoffer(daemon.path)
            self.assertEqual("s3cret", asyncio.run(get()))
            self.assertEqual("s3cret", asyncio.run(get()))
            asyncio.run(client.close())

    def test_is_refused_by_a_second_loop_that_runs(self):
        with FakeDaemon(lambda peer, _: serve(peer)) as daemon:
            first = Asynchronous(daemon.path)
            self.addCleanup(first.done)
            first.get("a", "b")

            async def get():
                await first.client.get("a", "b")

            with self.assertRaisesRegex(RuntimeError, "belongs to another event loop"):
                asyncio.run(get())


class SignalTests(unittest.TestCase):
    def test_an_exception_of_a_signal_handler_leaves_the_client_usable(self):
        class Alarm(Exception):
            pass

        def ring(*_):
            raise Alarm

        def script(peer, number):
            if number == 0:
                peer.read()
                time.sleep(0.3)
            serve(peer)

        before = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        with FakeDaemon(script) as daemon, Coffer(daemon.path) as client:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(Alarm):
                client.get("a", "b")
            self.assertEqual("s3cret", client.get("a", "b").text())

    def test_the_thread_that_receives_for_all_may_be_interrupted(self):
        class Alarm(Exception):
            pass

        def ring(*_):
            raise Alarm

        def script(peer, number):
            requests = [peer.read() for _ in range(3)]
            while not interrupted.wait(LIMIT):
                pass
            for request in requests:
                peer.record(request)
            serve(peer)

        interrupted = threading.Event()
        before = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        with FakeDaemon(script) as daemon, Coffer(daemon.path) as client:
            others = []
            starter = threading.Timer(0.1, lambda: others.extend(in_thread(lambda: client.get("a", "b")) for _ in range(2)))
            starter.start()
            signal.setitimer(signal.ITIMER_REAL, 0.4)
            with self.assertRaises(Alarm):
                client.get("a", "b")
            starter.join(LIMIT)
            interrupted.set()
            self.assertEqual(["s3cret"] * 2, [other().text() for other in others])
            self.assertEqual("s3cret", client.get("a", "b").text())
            self.assertEqual(1, len(daemon.peers))

    def test_a_write_that_an_interrupted_thread_sent_may_have_happened(self):
        class Alarm(Exception):
            pass

        class Interrupted:
            """Sends all in the main thread, and is interrupted before anybody learns of it."""

            def __init__(self, real):
                self.real = real

            def __getattr__(self, name):
                return getattr(self.real, name)

            def send(self, data):
                if threading.current_thread() is not threading.main_thread():
                    raise BlockingIOError
                self.real.setblocking(True)
                self.real.sendall(data)
                raise Alarm

        reads, stores = threading.Event(), []

        def script(peer, _):
            reads.wait(LIMIT)
            while True:
                request = peer.read()
                if request is None:
                    return
                if request.method == frames.STORE.id:
                    stores.append(request)
                if len(peers) > 1:
                    peer.receipt(request)

        with FakeDaemon(script) as daemon, Coffer(daemon.path) as client:
            peers = daemon.peers
            store = in_thread(lambda: client.store("a", "b", b"x" * (1 << 20)))
            self.assertTrue(eventually(lambda: any(home.connection for home in client._homes.values())))
            time.sleep(0.2)
            inner = next(iter(client._homes.values())).connection._connection
            inner.socket = Interrupted(inner.socket)
            reads.set()
            with self.assertRaises(Alarm):
                client.get("a", "b")
            with self.assertRaises(Unavailable) as raised:
                store()
            self.assertTrue(raised.exception.may_have_happened)
            self.assertTrue(eventually(lambda: stores))
            self.assertEqual(1, len(stores))


if __name__ == "__main__":
    unittest.main()
