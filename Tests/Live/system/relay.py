"""A way to a server that may stall."""

import itertools
import select
import socket
import threading
import time


class Relay:
    """A way to a server on 127.0.0.1 that stops taking what callers send."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._is_held = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                caller = self._listener.accept()[0]
                pair = caller, socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._pairs.append(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while not self._is_held.is_set():
                if select.select([source], [], [], 0.05)[0] and not self._is_held.is_set():
                    if not (block := source.recv(1 << 16)):
                        break
                    sink.sendall(block)
        except OSError:
            pass

    def hold(self) -> None:
        self._is_held.set()
        time.sleep(0.2)

    def resets(self) -> int:
        """Of the callers' connections, how many were reset: nothing of them is sent any more."""
        count = 0
        for caller, _ in list(self._pairs):
            caller.setblocking(False)
            try:
                while caller.recv(1 << 16):
                    pass
            except ConnectionResetError:
                count += 1
            except OSError:
                pass
        return count

    def close(self) -> None:
        for each in (self._listener, *itertools.chain(*self._pairs)):
            each.close()
