"""Accepted connections that record every byte they receive, on the wire and decrypted."""

import contextlib
import socket
import ssl
import struct
import threading


class Capture:
    """What one server received, over all its connections."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.wire = bytearray()
        self.plain = bytearray()
        self.connections = 0
        self.open = 0
        #: Connections that the other side has reset.
        self.resets = 0
        self.requests = 0
        self.sent = 0

    def report(self, seconds: float) -> dict:
        """Once no connection is open; or after `seconds`, with how many still are."""
        with self.changed:
            self.changed.wait_for(lambda: self.open == 0, timeout=seconds)
            return {"connections": self.connections, "open": self.open, "resets": self.resets, "requests": self.requests, "sent": self.sent,
                    "wire": self.wire.hex(), "plain": self.plain.hex()}


class Channel:
    """A plain connection."""

    #: See `Server`.
    steps: threading.Semaphore

    def __init__(self, sock: socket.socket, capture: Capture) -> None:
        self.sock, self.capture, self.rest = sock, capture, b""

    def receive_wire(self) -> bytes:
        data = self.sock.recv(65536)
        with self.capture.changed:
            self.capture.wire += data
        return data

    def receive(self) -> bytes:
        data = self.receive_wire()
        with self.capture.changed:
            self.capture.plain += data
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)
        self.note_sent(data)

    def note_sent(self, data: bytes) -> None:
        with self.capture.changed:
            self.capture.sent += len(data)

    def request(self) -> bytes:
        """Head and body of the next request; empty at the end."""
        data = self.rest
        while b"\r\n\r\n" not in data:
            more = self.receive()
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += self.receive()
        self.rest = body[length:]
        with self.capture.changed:
            self.capture.requests += 1
        return head + b"\r\n\r\n" + body[:length]

    def until_closed(self) -> None:
        while self.receive():
            pass

    def wait(self) -> None:
        """Until the next request begins, which is counted and left where it is."""
        self.sock.recv(1, socket.MSG_PEEK)
        with self.capture.changed:
            self.capture.requests += 1

    def drain(self) -> None:
        """As `until_closed`, without a record of what comes, and without decryption."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            with self.capture.changed:
                self.capture.resets += 1

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class SecureChannel(Channel):
    """A TLS connection, through memory, so that the wire is seen too."""

    def __init__(self, sock: socket.socket, capture: Capture, context: ssl.SSLContext) -> None:
        super().__init__(sock, capture)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.step(self.tls.do_handshake)

    def step(self, call, *arguments):
        while True:
            try:
                return call(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.receive_wire()
                if not data:
                    self.incoming.write_eof()
                self.incoming.write(data)
            finally:
                self.flush()

    def flush(self) -> None:
        if data := self.outgoing.read():
            self.sock.sendall(data)

    def receive(self) -> bytes:
        try:
            data = self.step(self.tls.read, 65536)
        except ssl.SSLError:
            return b""
        with self.capture.changed:
            self.capture.plain += data
        return data

    def send(self, data: bytes) -> None:
        self.step(self.tls.write, data)
        self.note_sent(data)


class Server:
    """Listens on a free port of 127.0.0.1, or on a Unix socket; each connection has a thread."""

    def __init__(self, behave, context: ssl.SSLContext | None = None, path: str | None = None) -> None:
        self.behave, self.context, self.capture = behave, context, Capture()
        #: One for each step that a behaviour which waits for them may take.
        self.steps = threading.Semaphore(0)
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(64)
            self.port = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            with self.capture.changed:
                self.capture.connections += 1
                self.capture.open += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            try:
                if self.context is None:
                    channel = Channel(sock, self.capture)
                else:
                    channel = SecureChannel(sock, self.capture, self.context)
                channel.steps = self.steps
                self.behave(channel)
            except ssl.SSLError:
                # The other side refused. What it still sends belongs into the capture.
                Channel(sock, self.capture).until_closed()
        sock.close()
        with self.capture.changed:
            self.capture.open -= 1
            self.capture.changed.notify_all()
