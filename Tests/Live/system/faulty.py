"""A way to a vault over one version of TLS, on which calls end in every way that they can."""

import http.client
import json
import re
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

#: Statuses of refusals that repeat all that was ever sent.
REFUSALS = {"echo400": 400, "echo500": 500, "echo503": 503}
#: Answers that break off.
BREAKS = ("cut", "short", "hang")
#: How a call fails for a record whose connection id is `read` or `write` with one of these behind it.
FAILURES = (*REFUSALS, *BREAKS, "silent", "half", "torn", "strange", "large", "headers", "page200", "page400")
#: And how one ends well.
SUCCESSES = ("chunked",)

_TARGET = re.compile(rf"([^/]+/(read|write)({'|'.join((*FAILURES, *SUCCESSES))})\d*)$")
_NAMED = re.compile(rb'"(?:SecretId|Name)": ?"([^"]+)"')
_HEAD = 512
_LARGE = (4 << 20) + 1


class FaultyFront(ThreadingHTTPServer):
    """Passes requests on to `backend`, and does to those for some records what their names say."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, backend: str, folder: Path, version: ssl.TLSVersion) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = urlsplit(backend)
        self.trusted = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = self.context.maximum_version = version
        self.context.load_cert_chain(folder / "server.pem", folder / "server.key")
        #: How often the fault of a record, by user and connection, was met.
        self.met: Counter[str] = Counter()
        #: All bodies that were sent.
        self.heard = bytearray()
        #: Records, by user and connection, whose reads are to fail from now on: a Store reads, too.
        self.armed: set[str] = set()
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()

    def finish_request(self, request, client_address) -> None:
        """The handshake belongs to the thread of the connection."""
        with self.context.wrap_socket(request, server_side=True) as secured:
            self.RequestHandlerClass(secured, client_address, self)

    def handle_error(self, request, client_address) -> None:
        """The daemon hangs up where an answer makes no sense."""

    def words(self) -> str:
        return bytes(self.heard[-100_000:]).decode(errors="replace")

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        host = self.backend.netloc
        connection = (
            http.client.HTTPSConnection(host, timeout=10, context=self.trusted)
            if self.backend.scheme == "https" else http.client.HTTPConnection(host, timeout=10))
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyFront

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, _HEAD))
        fault = self.fault(body)
        if fault == "half":
            return self.hang_up()
        body += self.rfile.read(length - len(body))
        self.server.heard += body
        if fault == "silent":
            self.server.over.wait(5)
            return self.hang_up()
        if status := REFUSALS.get(fault):
            words = self.server.words()
            return self.send(status, {"errors": [words], "__type": "InvalidRequestException", "message": words})
        status, text = self.server.ask(self.command, self.path, dict(self.headers), body)
        self.spoil(fault, status, text)

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = answer

    @property
    def is_write(self) -> bool:
        if target := self.headers.get("X-Amz-Target"):
            return target.endswith((".PutSecretValue", ".CreateSecret"))
        return self.command in ("POST", "PUT") and "/data/" in self.path

    @property
    def is_read(self) -> bool:
        if target := self.headers.get("X-Amz-Target"):
            return target.endswith(".GetSecretValue")
        return self.command == "GET" and "/data/" in self.path

    def match(self, head: bytes) -> re.Match[str] | None:
        named = _NAMED.search(head) if "X-Amz-Target" in self.headers else None
        return _TARGET.search(named[1].decode() if named else self.path.partition("?")[0])

    def fault(self, head: bytes) -> str | None:
        if not (match := self.match(head)):
            return None
        meets = self.is_write if match[2] == "write" else self.is_read and match[1] in self.server.armed
        if not meets:
            return None
        self.server.met[match[1]] += 1
        return match[3]

    def spoil(self, fault: str | None, status: int, text: bytes) -> None:
        words = self.server.words()
        match fault:
            case "torn": self.send(status, text.rstrip()[:-1])
            case "strange": self.send(200, {"data": [words], words[:40]: words, "Name": words})
            case "large": self.send(200, b'"' + words.encode() * (_LARGE // max(1, len(words)) + 1) + b'"')
            case "page200" | "page400": self.send(int(fault[4:]), words[-1_500:].encode(), "text/html")
            case "headers": self.send(400, {"errors": []}, said=re.sub(r"[^ -~]", "", words)[-20_000:])
            case "chunked": self.send_chunks(status, text)
            case _: self.send(status, text, fault=fault)

    def send(
        self, status: int, answer: dict | bytes, kind: str = "application/json", said: str = "", fault: str | None = None
    ) -> None:
        """`said`: what the status line and the headers say."""
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status, said[:200] or None)
        for start in range(0, len(said), 200):
            self.send_header("X-Said", said[start:start + 200])
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text[:len(text) // 2] if fault in BREAKS else text)
        if fault == "hang":
            self.server.over.wait(5)
        if fault == "cut":
            self.hang_up()
        if fault in BREAKS:
            self.close_connection = True

    def send_chunks(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(text), 1_000):
            piece = text[start:start + 1_000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\nX-Said: all\r\n\r\n")

    def hang_up(self) -> None:
        """Without a word of farewell."""
        self.close_connection = True
        self.connection.shutdown(2)

    def log_message(self, *_: object) -> None:
        pass
