"""Asks the daemon that the environment names for a record; prints "STATUS: text".

    python3 find_daemon.py [UID]: acts as that user, for whom the interpreter may be out of reach
"""

import asyncio  # noqa: F401
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "clients/python/src"))

import coffer_client  # noqa: E402

if len(sys.argv) > 1:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
try:
    coffer_client.Coffer().get("nobody", "nothing")
    print("OK: ")
except coffer_client.CofferError as error:
    print(f"{error.code.name}: {error}")
