"""The blocking client in children made by fork, while threads of the parent use it."""

import asyncio
import multiprocessing
import os
import threading
import unittest

from support import LIMIT, FakeDaemon, MemoryDaemon, eventually

from coffer_client import AsyncCoffer, Cancelled, Coffer


def read(client, name, count):
    for _ in range(count):
        if client.get("ann", name).text() != name:
            raise AssertionError("the answer of another call")


def in_child(work):
    """Runs it in a child made by os.fork, which leaves at once: 0 if it went well."""
    process = os.fork()
    if process == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return process


class ForkTests(unittest.TestCase):
    def setUp(self):
        self.daemon = MemoryDaemon()
        self.daemon.__enter__()
        self.addCleanup(self.daemon.__exit__, None, None, None)
        self.client = Coffer(self.daemon.path)
        self.addCleanup(self.client.close)
        for number in range(8):
            self.client.store("ann", f"n{number}", f"n{number}")

    def test_children_of_a_program_with_threads_get_connections_of_their_own(self):
        stop = threading.Event()
        failed = []

        def work(number):
            try:
                while not stop.is_set():
                    read(self.client, f"n{number}", 10)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        children = []
        for number in range(24):
            children.append(in_child(lambda number=number: read(self.client, f"n{number % 8}", 20)))
        statuses = [os.waitpid(child, 0)[1] for child in children]
        stop.set()
        for thread in threads:
            thread.join(LIMIT)
            self.assertFalse(thread.is_alive())
        self.assertEqual([0] * 24, statuses)
        self.assertEqual([], failed)

    def test_a_child_leaves_the_parents_connection_alone(self):
        read(self.client, "n1", 1)
        before = len(self.daemon.peers)

        def work():
            read(self.client, "n2", 3)
            self.client.close()

        self.assertEqual(0, os.waitpid(in_child(work), 0)[1])
        read(self.client, "n1", 3)
        self.assertEqual(before + 1, len(self.daemon.peers))

    def test_a_child_closes_its_copy_of_a_connection_that_the_parent_polls(self):
        asked, hold = threading.Event(), threading.Event()

        def script(peer, number):
            request = peer.read()
            if number == 0:
                asked.set()
                hold.wait(LIMIT)
            peer.record(request)
            peer.read()

        with FakeDaemon(script) as daemon, Coffer(daemon.path) as client:
            texts = []
            thread = threading.Thread(target=lambda: texts.append(client.get("ann", "n1").text()))
            thread.start()
            self.assertTrue(asked.wait(LIMIT))
            (home,) = client._homes.values()
            inner = home.connection._connection
            self.assertTrue(eventually(lambda: inner.pollers == 1))
            opened = [inner.socket.fileno(), inner._bell, inner._rope]

            def work():
                inherited = {os.fstat(number).st_ino for number in opened}
                client.get("ann", "n1")
                for name in os.listdir("/proc/self/fd"):
                    if os.path.exists(f"/proc/self/fd/{name}") and os.fstat(int(name)).st_ino in inherited:
                        raise AssertionError("a descriptor of the parent's connection is open")

            child = in_child(work)
            self.assertEqual(0, os.waitpid(child, 0)[1])
            hold.set()
            thread.join(LIMIT)
            self.assertEqual(["s3cret"], texts)

    def test_a_child_that_only_closes_ends_nothing_of_the_parents(self):
        self.assertEqual(0, os.waitpid(in_child(self.client.close), 0)[1])
        before = len(self.daemon.peers)
        read(self.client, "n1", 3)
        self.assertEqual(before, len(self.daemon.peers))

    def test_threads_of_a_child_share_one_connection(self):
        def work():
            succeeded = []

            def read_one(number):
                read(self.client, f"n{number}", 20)
                succeeded.append(number)

            threads = [threading.Thread(target=read_one, args=(number,), daemon=True) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT / 2)
            # A thread's exception ends that thread alone.
            if sorted(succeeded) != list(range(8)):
                raise AssertionError(f"only the threads {succeeded} read what they should")

        before = len(self.daemon.peers)
        self.assertEqual(0, os.waitpid(in_child(work), 0)[1])
        self.assertEqual(before + 1, len(self.daemon.peers))

    def test_multiprocessing(self):
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=read, args=(self.client, f"n{number}", 20)) for number in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(LIMIT)
            self.assertEqual(0, process.exitcode)

    def test_a_child_of_a_child(self):
        def grandchild():
            read(self.client, "n3", 3)

        def child():
            read(self.client, "n2", 3)
            if os.waitpid(in_child(grandchild), 0)[1] != 0:
                raise AssertionError("the grandchild failed")
            read(self.client, "n2", 3)

        self.assertEqual(0, os.waitpid(in_child(child), 0)[1])

    def test_closed_stays_closed_in_a_child(self):
        client = Coffer(self.daemon.path)
        client.close()

        def work():
            try:
                client.health()
            except Cancelled:
                return
            raise AssertionError("not closed")

        self.assertEqual(0, os.waitpid(in_child(work), 0)[1])

    def test_asyncio_in_a_child(self):
        async def get(client, name):
            return (await client.get("ann", name)).text()

        async def run():
            client = AsyncCoffer(self.daemon.path)
            self.assertEqual("n1", await get(client, "n1"))

            def work():
                asyncio.events._set_running_loop(None)
                if asyncio.new_event_loop().run_until_complete(get(client, "n2")) != "n2":
                    raise AssertionError("the answer of another call")

            child = in_child(work)
            self.assertEqual("n1", await get(client, "n1"))
            self.assertEqual(0, os.waitpid(child, 0)[1])
            self.assertEqual("n1", await get(client, "n1"))
            await client.close()

        asyncio.run(asyncio.wait_for(run(), LIMIT))


if __name__ == "__main__":
    unittest.main()
