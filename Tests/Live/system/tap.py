"""A way to a server that counts and keeps all that goes over it."""

import re
import socket
import ssl
import threading
from pathlib import Path


class Tap:
    """Passes TCP connections on to a server on 127.0.0.1, byte by byte.

    With `folder` it speaks TLS on both sides, with the certificate there: so what is kept is plain.
    """

    def __init__(self, port: int, folder: Path | None = None) -> None:
        self._target = port
        self._served, self._asked = (None, None) if folder is None else (
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(folder / "ca.pem")))
        if self._served:
            self._served.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._lock = threading.Lock()
        self._sent, self._received = bytearray(), bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    @property
    def sent(self) -> bytes:
        """To the server."""
        with self._lock:
            return bytes(self._sent)

    @property
    def received(self) -> bytes:
        with self._lock:
            return bytes(self._received)

    def count(self, target: str) -> int:
        """Requests to AWS for this operation."""
        return len(re.findall(rb"(?i)x-amz-target: *secretsmanager\." + target.encode() + rb"\r\n", self.sent))

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._served:
                client = self._served.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._target), 10)
            server.settimeout(None)
            if self._asked:
                server = self._asked.wrap_socket(server, server_hostname="127.0.0.1")
        except OSError:
            client.close()
            return
        threading.Thread(target=self._copy, args=(client, server, self._sent), daemon=True).start()
        self._copy(server, client, self._received)

    def _copy(self, source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        try:
            while block := source.recv(1 << 16):
                with self._lock:
                    kept += block
                target.sendall(block)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
