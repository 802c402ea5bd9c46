"""Who talks to a server on 127.0.0.1, as the kernel's loopback shows it: also to one that is stopped or gone."""

import socket
import struct
import threading
import time

_ETH_P_IP = 0x0800
_ADDRESS = socket.inet_aton("127.0.0.1")
_SYN, _ACK = 2, 16


class Wire:
    """Notes when a TCP port was connected to, or sent bytes. Needs root, or CAP_NET_RAW."""

    def __init__(self, *ports: int) -> None:
        self._sent: dict[int, list[float]] = {port: [] for port in ports}
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        self._socket.bind(("lo", _ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.settimeout(0.5)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(5)
        self._socket.close()

    def calls(self, port: int, start: float, end: float, pause: float) -> list[tuple[float, float]]:
        """First and last packet, as Unix times, of all that is not `pause` seconds apart from what came before."""
        calls: list[tuple[float, float]] = []
        for when in list(self._sent[port]):
            if not start <= when < end:
                continue
            if calls and when - calls[-1][1] < pause:
                calls[-1] = calls[-1][0], when
            else:
                calls.append((when, when))
        return calls

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                packet, (_, _, kind, *_) = self._socket.recvfrom(128)
            except TimeoutError:
                continue
            # Each packet once: the loopback has it as it goes out, too.
            if kind == socket.PACKET_HOST:
                self._note(packet)

    def _note(self, packet: bytes) -> None:
        header = (packet[0] & 15) * 4
        if packet[9] != socket.IPPROTO_TCP or packet[16:20] != _ADDRESS or len(packet) < header + 20:
            return
        (port,) = struct.unpack_from(">H", packet, header + 2)
        if port not in self._sent:
            return
        length = int.from_bytes(packet[2:4], "big") - header - (packet[header + 12] >> 4) * 4
        if length > 0 or packet[header + 13] & (_SYN | _ACK) == _SYN:
            self._sent[port].append(time.time())
