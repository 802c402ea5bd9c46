"""Where the daemon's socket is, and whose it may be: proto/PROTOCOL.md, "Where the socket is"."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from enum import Enum
from typing import List, Optional, Tuple

from .errors import Code, CofferError, InvalidArgument, PermissionDenied, Reason, Unavailable

LONGEST_PATH = 107
_PEER = struct.Struct("3i")


class Absence(Enum):
    """What a failure to connect means for waiting."""

    BUSY = "the socket is there, but too many wait to be accepted"
    ABSENT = "nobody listens"
    HOPELESS = "waiting would change nothing"


class ConnectFailure(Exception):
    """Why there is no connection."""

    def __init__(self, kind: Absence, error: CofferError) -> None:
        super().__init__(str(error))
        self.kind = kind
        self.error = error


def _variable(name: str) -> Optional[str]:
    """Variables do not count in a setuid program, and an empty one counts as unset."""
    if os.getuid() != os.geteuid() or os.getgid() != os.getegid():
        return None
    return os.environ.get(name) or None


def _is_own_folder(path: str) -> bool:
    """A real folder of this user, not a link, that nobody else may write to."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _temporary_folder() -> str:
    return f"/tmp/coffer-{os.geteuid()}"


def default_socket() -> str:
    """Where the daemon of this user listens unless it is told otherwise.

    `$COFFER_SOCKET`, else `$XDG_RUNTIME_DIR/coffer/coffer.sock`; else for root `/run/coffer/coffer.sock`, for others
    `/run/user/UID/coffer/coffer.sock` if `/run/user/UID` is theirs, else `/tmp/coffer-UID/coffer.sock`.
    """
    path = _variable("COFFER_SOCKET")
    if path is not None:
        return path
    runtime = _variable("XDG_RUNTIME_DIR")
    if runtime is not None and runtime.startswith("/"):
        return f"{runtime}/coffer/coffer.sock"
    user = os.geteuid()
    if user == 0:
        return "/run/coffer/coffer.sock"
    if _is_own_folder(f"/run/user/{user}"):
        return f"/run/user/{user}/coffer/coffer.sock"
    return f"{_temporary_folder()}/coffer.sock"


class Place:
    """A socket's path and who is trusted there."""

    def __init__(self, path: Optional[str], server_uid: Optional[int]) -> None:
        self.path = default_socket() if path is None else os.fspath(path)
        self._server_uid = server_uid
        self._variable = _variable("COFFER_SERVER_UID")

    def connect(self) -> socket.socket:
        """A socket that does not block. Connects at once or not at all.

        :raises ConnectFailure: if there is nobody, or not who should be; nothing has been sent.
        """
        size = len(os.fsencode(self.path))
        if not 1 <= size <= LONGEST_PATH or "\0" in self.path:
            raise _hopeless(InvalidArgument(
                f"the path of the socket has {size} bytes, expected 1 to {LONGEST_PATH}; set COFFER_SOCKET to another one",
                reason=Reason.BAD_FIELD))
        trusted = self._trusted()
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            raise self.failure(error) from None
        try:
            self._check_temporary_folder()
            self._check_file(trusted)
            connection.setblocking(False)
            connection.connect(self.path)
            self._check_peer(connection, trusted)
        except OSError as error:
            connection.close()
            raise self.failure(error) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _trusted(self) -> List[Tuple[int, str]]:
        """The uids whose daemon is trusted, in the order in which a text names them."""
        own = os.geteuid()
        trusted = [(0, "root")]
        if own != 0:
            trusted.append((own, "this process"))
        if self._server_uid is not None:
            told, by = self._server_uid, "server_uid"
        elif self._variable is not None:
            told, by = _uid(self._variable), "COFFER_SERVER_UID"
        else:
            return trusted
        if told not in (0, own):
            trusted.append((told, by))
        return trusted

    def _check_temporary_folder(self) -> None:
        """Anybody could have made the folder that the rule ends with."""
        folder = _temporary_folder()
        if self.path != f"{folder}/coffer.sock":
            return
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise _hopeless(_precondition(
                f"{folder} must be a folder of uid {os.geteuid()} with mode 0700, not a link; remove it, or set "
                "COFFER_SOCKET"))

    def _check_file(self, trusted: List[Tuple[int, str]]) -> None:
        status = os.stat(self.path)
        if not stat.S_ISSOCK(status.st_mode):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        _check(f"the socket {self.path} belongs to", status.st_uid, trusted)

    def _check_peer(self, connection: socket.socket, trusted: List[Tuple[int, str]]) -> None:
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        user = _PEER.unpack(peer)[1] & 0xFFFFFFFF
        _check(f"the program that listens at {self.path} runs as", user, trusted)

    def failure(self, error: OSError) -> ConnectFailure:
        """What an error of the system on the way to a connection means."""
        path = self.path
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
            return ConnectFailure(Absence.ABSENT, Unavailable(
                f"cofferd is not running at {path}; start it, or set COFFER_SOCKET", retryable=True))
        if error.errno == errno.EAGAIN:
            return ConnectFailure(Absence.BUSY, Unavailable(
                f"cofferd at {path} has too many connections waiting; try again, or allow the call more time",
                retryable=True))
        if error.errno in (errno.ENOTSOCK, errno.EPROTOTYPE):
            return _hopeless(_precondition(
                f"{path} is not a socket of cofferd; move it away, or set COFFER_SOCKET"))
        if error.errno in (errno.EACCES, errno.EPERM):
            return _hopeless(PermissionDenied(
                f"uid {os.geteuid()} may not use the socket {path}; check its mode and its folder's, or set "
                "COFFER_SOCKET", reason=Reason.DENIED))
        return _hopeless(Unavailable(
            f"cannot connect to cofferd at {path}: {error.strerror}; check the host's limits, or set COFFER_SOCKET",
            retryable=True))


def _uid(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) >= 2**32 - 1:
        raise _hopeless(InvalidArgument(
            f"COFFER_SERVER_UID: expected the number of a uid, got {len(os.fsencode(text))} bytes that are none; "
            "correct or unset it", reason=Reason.BAD_FIELD))
    return int(text)


def _check(found: str, user: int, trusted: List[Tuple[int, str]]) -> None:
    if any(user == uid for uid, _ in trusted):
        return
    names = [f"{uid} ({name})" for uid, name in trusted]
    expected = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    raise _hopeless(_precondition(
        f"{found} uid {user}, expected {expected}; if that uid is trusted with credentials, set "
        f"COFFER_SERVER_UID={user}"))


def _hopeless(error: CofferError) -> ConnectFailure:
    return ConnectFailure(Absence.HOPELESS, error)


def _precondition(text: str) -> CofferError:
    return CofferError(text, code=Code.FAILED_PRECONDITION)
