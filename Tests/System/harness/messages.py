"""The protobuf messages, generated anew for every run: what is tested is proto/, not a copy of it."""

import atexit
import importlib
import shutil
import subprocess
import sys
import tempfile
from types import ModuleType

from .options import proto_folder

credentials: ModuleType
admin: ModuleType


def generate() -> None:
    """Makes `credentials` and `admin`. Raises RuntimeError, saying what to install."""
    global credentials, admin
    folder = tempfile.mkdtemp(prefix="coffer-messages-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = [str(path) for path in sorted(proto_folder.glob("coffer/v1/*.proto"))]
    try:
        made = subprocess.run(
            ["protoc", f"--proto_path={proto_folder}", f"--python_out={folder}", *files],
            capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise RuntimeError("protoc is missing: apt-get install protobuf-compiler") from None
    if made.returncode != 0:
        raise RuntimeError(f"protoc failed: {made.stderr.strip()}")
    sys.path.insert(0, folder)
    try:
        credentials = importlib.import_module("coffer.v1.credentials_pb2")
        admin = importlib.import_module("coffer.v1.admin_pb2")
    except ImportError as error:
        raise RuntimeError(
            f"{error}: install the protobuf package for {sys.executable} "
            "(pip install protobuf, or apt-get install python3-protobuf)") from None
