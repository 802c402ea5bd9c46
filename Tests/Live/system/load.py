"""Calls at a steady pace, however long their answers take, and a note of each."""

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness import Client, Daemon, Status, messages
from harness.client import encode

#: A Get or a Store: the method's name and its request.
Call = tuple[str, object]


@dataclass
class Sample:
    """One call. Times are Unix seconds."""

    key: str
    sent: float
    answered: float = 0
    status: Status = Status.UNKNOWN
    retry_ms: int = 0
    message: str = ""
    #: Of a Store, or of the answer to a Get.
    credential: bytes = b""
    #: Of the answer to a Get.
    stale: bool = False
    source: int = 0
    age_ms: int = 0

    @property
    def seconds(self) -> float:
        return self.answered - self.sent

    @property
    def reached(self) -> bool:
        """The vault, or what the cache has of it, answered."""
        return self.status in (Status.OK, Status.NOT_FOUND)


@dataclass
class Traffic:
    """One connection that makes `rate` calls a second, and again those that failed when they were advised to."""

    daemon: Daemon
    #: What the n-th call is.
    make: Callable[[int], Call]
    rate: float
    timeout: int = 3_000
    #: Come back with a failed call when its retry advice is over.
    insists: bool = False
    samples: list[Sample] = field(default_factory=list)
    #: What broke the load itself.
    error: BaseException | None = None

    def start(self) -> "Traffic":
        self._client = Client(str(self.daemon.place.socket), 60)
        self._open: dict[int, tuple[Call, Sample]] = {}
        self._again: list[tuple[float, int, Call]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(body,)) for body in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """After the last call is answered."""
        self._ended.set()
        for thread in self._threads:
            thread.join(30)
        self._client.close()
        if self.error:
            raise AssertionError(f"the load failed: {self.error!r}") from self.error

    def _run(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:
            self.error = self.error or error
            self._ended.set()

    def _send(self) -> None:
        start, number = time.monotonic(), 0
        while not self._ended.is_set():
            for call in self._due():
                self._call(call)
            self._call(self.make(number))
            number += 1
            self._ended.wait(max(0, start + number / self.rate - time.monotonic()))
        # One more, so that the receiver wakes up and sees that it was the last.
        self._call(("Admin/Stats", messages.admin.StatsRequest()))

    def _due(self) -> list[Call]:
        due = []
        with self._lock:
            while self._again and self._again[0][0] <= time.monotonic():
                due.append(heapq.heappop(self._again)[2])
        return due

    def _call(self, call: Call) -> None:
        method, request = call
        call_id = self._client.next_id()
        key = f"{request.user_id}/{request.connection_id}" if hasattr(request, "user_id") else ""
        with self._lock:
            self._open[call_id] = call, Sample(key, time.time(), credential=getattr(request, "credential", b""))
        self._client.send(encode(method, request.SerializeToString(), call_id, self.timeout))

    def _receive(self) -> None:
        while not self._ended.is_set() or self._open:
            frame = self._client.response()
            with self._lock:
                call, sample = self._open.pop(frame.call_id)
            sample.answered, sample.status, sample.retry_ms = time.time(), Status(frame.code), frame.milliseconds
            if call[0].startswith("Admin/"):
                continue
            if sample.status != Status.OK:
                sample.message = frame.failure.message
            elif call[0] == "Credentials/Get":
                answer = messages.credentials.GetResponse.FromString(frame.payload)
                sample.stale, sample.source, sample.age_ms = answer.stale, answer.source, answer.age_ms
                sample.credential = answer.credential
            if self.insists and not sample.reached:
                due = time.monotonic() + max(sample.retry_ms, 100) / 1_000
                with self._lock:
                    heapq.heappush(self._again, (due, frame.call_id, call))
            self.samples.append(sample)


def get(user: str, connection: str, **fields) -> Call:
    return "Credentials/Get", messages.credentials.GetRequest(user_id=user, connection_id=connection, **fields)


def store(user: str, connection: str, credential: bytes) -> Call:
    return "Credentials/Store", messages.credentials.StoreRequest(
        user_id=user, connection_id=connection, credential=credential)
