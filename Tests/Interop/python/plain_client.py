"""A small blocking client: one call at a time on one connection."""

import socket

from coffer_protocol import (
    MAXIMUM_FRAME, MESSAGES, METHODS, MORE, REQUEST, RESPONSE, STATUS_NAMES, Header, frame,
    receive_exactly,
)


class CofferError(Exception):
    """A call that failed: status by name, reason by number."""

    def __init__(self, status, reason, message, retry_after_ms=0):
        super().__init__(f"{status} (reason {reason}): {message}")
        self.status = status
        self.reason = reason
        self.retry_after_ms = retry_after_ms


class CofferClient:
    def __init__(self, path, timeout=10.0):
        self.timeout = timeout
        self.call_id = 0
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The daemon answers DEADLINE_EXCEEDED first; this is for its silence.
        self.connection.settimeout(timeout + 5)
        self.connection.connect(path)

    def close(self):
        self.connection.close()

    def call(self, method_name, **fields):
        """The one response of a call."""
        (response,) = self.stream(method_name, **fields)
        return response

    def stream(self, method_name, **fields):
        """All responses of a call.

        Raises CofferError with the daemon's status, or ConnectionError.
        """
        method = METHODS[method_name]
        request = method.request(**fields)
        self.call_id += 1
        self.connection.sendall(
            frame(REQUEST, self.call_id, method.id, int(self.timeout * 1000), request.SerializeToString())
        )
        responses, more = [], True
        while more:
            header, payload = self._receive()
            if header.kind != RESPONSE or header.call_id != self.call_id:
                continue
            if header.method_or_status != 0:
                raise self._failure(header, payload)
            responses.append(method.response.FromString(payload))
            more = header.flags & MORE
        return responses

    def _receive(self):
        data = receive_exactly(self.connection, Header.SIZE)
        if len(data) < Header.SIZE:
            raise ConnectionError("the daemon closed the connection")
        header = Header(data)
        if header.version != 1 or not 20 <= header.length <= MAXIMUM_FRAME - 4:
            raise ConnectionError(f"not a frame: {data.hex(' ')}")
        payload = receive_exactly(self.connection, header.payload_size)
        if len(payload) < header.payload_size:
            raise ConnectionError("the daemon closed the connection inside a frame")
        return header, payload

    @staticmethod
    def _failure(header, payload):
        failure = MESSAGES["Failure"].FromString(payload)
        code = header.method_or_status
        status = STATUS_NAMES[code] if code < len(STATUS_NAMES) else "UNKNOWN"
        return CofferError(status, failure.reason, failure.message, header.timeout_or_retry)
