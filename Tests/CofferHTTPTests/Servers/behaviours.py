"""What the servers do with a connection."""

import contextlib
import gzip
import ssl
import time

from wire import Channel

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b"0" * (64 << 20), 9)


def answer(channel: Channel) -> None:
    """Echoes the request as the body, and keeps the connection."""
    while request := channel.request():
        body = request
        if b" /big " in request[:64]:
            body = b"x" * 3_000_000
        channel.send(b"HTTP/1.1 200 OK\r\nX-Answer: Yes\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def farewell(channel: Channel) -> None:
    """Answers one request, and ends the connection as TLS wants it: says so, then closes."""
    channel.request()
    channel.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with contextlib.suppress(ssl.SSLWantReadError):
        channel.tls.unwrap()
    channel.flush()


def once(data: bytes, *, keep: bool = False):
    """Reads one request, sends `data`, and closes or waits for the other side to."""
    def behave(channel: Channel) -> None:
        channel.request()
        channel.send(data)
        if keep:
            channel.until_closed()
    return behave


def status(line: str, body: bytes = b"", *headers: str):
    lines = "".join(f"{header}\r\n" for header in headers)
    return once(f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body, keep=True)


def repeat(first: bytes, piece: bytes, pause: float = 0):
    """Reads one request, sends `first`, then `piece` for ever."""
    def behave(channel: Channel) -> None:
        channel.request()
        channel.send(first)
        while True:
            channel.send(piece)
            time.sleep(pause)
    return behave


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def ticks(channel: Channel) -> None:
    """A head at once; then five pieces, each when the one before has had time to arrive."""
    while channel.request():
        channel.send(CHUNKED)
        for number in range(5):
            time.sleep(0.2)
            channel.send(chunk(b"tick %d" % number))
        channel.send(chunk(b""))


def stepped(channel: Channel) -> None:
    """The same, but each piece, and the end, when the test says so: see `Server.steps`."""
    while channel.request():
        channel.send(CHUNKED)
        for piece in [b"tick %d" % number for number in range(5)] + [b""]:
            channel.steps.acquire()
            channel.send(chunk(piece))


def after_a_piece(keep: bool):
    """A head and a piece; then silence, or the end of the connection."""
    return once(CHUNKED + chunk(b"first"), keep=keep)


FLOOD = 32 << 20


def flood(channel: Channel) -> None:
    """As much as the client takes; every eight bytes say where they stand."""
    channel.request()
    channel.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % FLOOD)
    for start in range(0, FLOOD, 64 << 10):
        channel.send(b"".join(offset.to_bytes(8, "big") for offset in range(start, start + (64 << 10), 8)))
    channel.until_closed()


def interim(channel: Channel) -> None:
    """Early hints before the answer."""
    channel.request()
    channel.send(b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n")
    channel.send(b"HTTP/1.1 403 Forbidden\r\nX-Late: 1\r\nContent-Length: 2\r\n\r\nno")
    channel.until_closed()


def silent(channel: Channel) -> None:
    channel.until_closed()


def reset_at_once(channel: Channel) -> None:
    channel.reset()


def close_in_hello(channel: Channel) -> None:
    channel.receive()


def reset_after_request(channel: Channel) -> None:
    channel.request()
    channel.reset()


def garbage_at_once(channel: Channel) -> None:
    channel.send(bytes(range(256)) * 16)
    channel.until_closed()


def plain_http(channel: Channel) -> None:
    """An HTTP server where TLS is expected: answers whatever comes."""
    channel.receive()
    channel.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    channel.until_closed()


def slow_hello(channel: Channel) -> None:
    """The first bytes of a TLS answer, one a second."""
    channel.receive()
    for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):
        channel.send(bytes([byte]))
        time.sleep(1)


def slow_answer(channel: Channel) -> None:
    """A good answer after 300 ms, so that many requests are there at once."""
    while channel.request():
        time.sleep(0.3)
        channel.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def stale(channel: Channel) -> None:
    """A good answer to the first request; the second closes the connection unanswered."""
    if channel.request():
        channel.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        channel.request()


def tiring(channel: Channel) -> None:
    """A good answer to the first request; the second is left waiting."""
    if channel.request():
        channel.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        channel.request()
        channel.until_closed()


def held(channel: Channel) -> None:
    """Waits for a request, and takes it when the test says so: see `Server.steps`."""
    channel.wait()
    channel.steps.acquire()
    channel.drain()


def rested(channel: Channel) -> None:
    """Answers one request, and waits for the end of the connection."""
    channel.request()
    channel.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    channel.drain()


def proxy(channel: Channel) -> None:
    """A proxy nobody asked for; whatever reaches it is recorded."""
    channel.request()
    channel.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    channel.until_closed()
