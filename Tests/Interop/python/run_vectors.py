"""Sends the bad requests of proto/vectors to a live daemon with an empty vault.

Prints a line for each that is not answered as its vector says, and at the end
"N passed, N failed".
"""

import argparse
import re
import socket
import sys

from coffer_protocol import (
    MESSAGES, METHODS, PROTO, REQUEST, RESPONSE, STATUS, Header, default_socket, frame,
    receive_exactly,
)


def decode(text):
    """Bytes from the notation of proto/vectors/README.md."""
    data = b""
    for piece in text.split("+"):
        digits, _, times = piece.partition("*")
        data += bytes.fromhex(digits) * int(times or 1)
    return data


class Mismatch(Exception):
    pass


def expect(name, expected, actual):
    if expected != actual:
        raise Mismatch(f"{name}: expected {expected!r}, got {actual!r}")


def receive_frame(connection):
    """Header and payload; None at the end."""
    start = receive_exactly(connection, Header.SIZE)
    if not start:
        return None
    if len(start) < Header.SIZE:
        raise Mismatch(f"the daemon closed inside a header: {start!r}")
    header = Header(start)
    expect("version and kind", (1, RESPONSE), (header.version, header.kind))
    return header, receive_exactly(connection, header.payload_size)


def check_answer(connection, wanted):
    received = receive_frame(connection)
    if received is None:
        raise Mismatch("the daemon closed without an answer")
    header, payload = received
    failure = MESSAGES["Failure"].FromString(payload)
    expect("status", STATUS[wanted["status"]], header.method_or_status)
    expect("reason", int(wanted["reason"]), failure.reason)
    expect("call id", int(wanted["call"]), header.call_id)
    expect("flags", 0, header.flags)
    expect("has a message of at most 1024 bytes", True, 0 < len(failure.message.encode()) <= 1024)


def receive_piece(connection):
    """What has come; empty at the end. Linux reports a peer that closed before
    it had read everything as a reset, after what that peer had sent."""
    try:
        return connection.recv(4096)
    except ConnectionResetError:
        return b""


def check_text(connection, wanted):
    data = b""
    while piece := receive_piece(connection):
        data += piece
    expect("the text names Coffer", True, b"Coffer" in data)
    expect("is HTTP", wanted["http"] == "1", data.startswith(b"HTTP/1.1 400 "))


def check_open(connection):
    """The next request on this connection is answered."""
    connection.sendall(frame(REQUEST, 1000, METHODS["Get"].id, 0, b"\x0a\x05other\x12\x05other"))
    received = receive_frame(connection)
    if received is None:
        raise Mismatch("the daemon closed the connection")
    expect("the next call's id", 1000, received[0].call_id)
    expect("the next call's status", STATUS["NOT_FOUND"], received[0].method_or_status)


def run(path, line):
    _, data, outcome = re.fullmatch(r"(\S+) (\S+) => (.*)", line).groups()
    kind, *pairs = outcome.split(" ")
    wanted = dict(pair.split("=", 1) for pair in pairs)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(decode(data))
        if kind == "answer":
            check_answer(connection, wanted)
        elif kind == "text":
            check_text(connection, wanted)
        else:
            expect("kind", "none", kind)
        if wanted["then"] == "open":
            check_open(connection)
        else:
            expect("then", b"", receive_piece(connection))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", default=default_socket())
    path = parser.parse_args().socket
    passed = failed = 0
    lines = (PROTO / "vectors" / "bad-requests.txt").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        try:
            run(path, line)
            passed += 1
        except (Mismatch, OSError) as error:
            failed += 1
            print(f"line {number}: {line.split(' ')[0]}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
