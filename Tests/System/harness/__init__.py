"""What the system tests stand on: the daemon as a process, a client on raw frames, the test case."""

from .case import SystemTest
from .canary import Canaries
from .client import CallFailed, Client, Frame, Kind, Status, method_id
from .daemon import Daemon, Place, run
from . import messages
from .options import binary, options, proto_folder
from .waiting import eventually

__all__ = [
    "CallFailed", "Canaries", "Client", "Daemon", "Frame", "Kind", "Place", "Status", "SystemTest",
    "binary", "eventually", "messages", "method_id", "options", "proto_folder", "run",
]
