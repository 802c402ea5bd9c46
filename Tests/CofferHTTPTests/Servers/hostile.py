"""The servers of HostileServerTests: python3 hostile.py FOLDER

Prints {server: port} as one line of JSON. Each line "report SERVER SECONDS" on
standard input is answered by a line of JSON with what that server received; "visit
SERVER TOKEN" lets a careless client call it first; "step SERVER 1" lets a server that waits
for it take a step first. Ends with standard input.
"""

import json
import shutil
import ssl
import sys
import warnings

import behaviours as do
import careless
import certificates
from wire import Server


def context(authority: certificates.Authority, name: str, **settings) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Whatever the case is about shall be refused by the client, not by this side.
    made.set_ciphers(settings.get("ciphers", "ALL") + ":@SECLEVEL=0")
    made.minimum_version = settings.get("lowest", ssl.TLSVersion.TLSv1)
    made.maximum_version = settings.get("highest", ssl.TLSVersion.MAXIMUM_SUPPORTED)
    made.load_cert_chain(authority.path(f"{name}.pem"), authority.path(f"{name}.key"))
    if "alpn" in settings:
        made.set_alpn_protocols([settings["alpn"]])
    if settings.get("client"):
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(authority.path("root.pem"))
    return made


def secure_servers(authority: certificates.Authority) -> dict[str, Server]:
    """Those that must be refused before a request is sent."""
    servers = {name: Server(do.answer, context(authority, name)) for name in (
        "expired", "early", "wrong_name", "wrong_address", "nul_name", "part_name", "other_authority", "wrong_usage",
        "weak_key", "sha1", "critical", "below_leaf", "out_of_constraint", "alone")}
    old = {"tls10": ssl.TLSVersion.TLSv1, "tls11": ssl.TLSVersion.TLSv1_1}
    for name, version in old.items():
        servers[name] = Server(do.answer, context(authority, "good", lowest=version, highest=version))
    for name, ciphers in {"anonymous": "aNULL", "unencrypted": "eNULL"}.items():
        servers[name] = Server(do.answer, context(
            authority, "good", ciphers=ciphers, highest=ssl.TLSVersion.TLSv1_2))
    for name, behave in {"plain_on_tls": do.plain_http, "garbage_on_tls": do.garbage_at_once, "no_hello": do.silent, "closed_in": do.silent,
                         "slow_hello": do.slow_hello, "reset_at_once": do.reset_at_once,
                         "close_in_hello": do.close_in_hello}.items():
        servers[name] = Server(behave)
    return servers


def answer_behaviours(target: int) -> dict:
    """By server: what follows a request that was rightly sent."""
    return {
        "redirect_host": do.status("302 Found", b"", f"Location: https://localhost:{target}/"),
        "redirect_scheme": do.status("307 Temporary Redirect", b"", f"Location: http://127.0.0.1:{target}/"),
        "redirect_file": do.status("301 Moved Permanently", b"", "Location: file:///etc/passwd"),
        "over_cap": do.once(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, keep=True),
        "over_cap_announced": do.once(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx", keep=True),
        "endless": do.repeat(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096),
        "endless_chunks": do.repeat(do.CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
        "drip": do.repeat(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"x", pause=1),
        "cut_chunk": do.once(do.CHUNKED + b"1000\r\nabc"),
        "cut_chunks": do.once(do.CHUNKED + b"3\r\nabc\r\n"),
        "bad_chunk": do.once(do.CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", keep=True),
        "cut_body": do.once(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nabc"),
        "bomb": do.status("200 OK", do.BOMB, "Content-Encoding: gzip"),
        "bomb_transfer": do.once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(do.BOMB)
                                 + do.BOMB + b"\r\n0\r\n\r\n", keep=True),
        "early_close": do.once(b""),
        "close_in_headers": do.once(b"HTTP/1.1 200 OK\r\nX-A: b\r\n"),
        "close_after_headers": do.once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        "reset_after_request": do.reset_after_request,
        "bad_status": do.once(b"HTTP/1.1 abc Strange\r\nContent-Length: 0\r\n\r\n", keep=True),
        "bad_version": do.once(b"HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n", keep=True),
        "negative_length": do.once(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcde", keep=True),
        "header_flood": do.repeat(b"HTTP/1.1 200 OK\r\n", b"X-Flood: " + b"y" * 500 + b"\r\n"),
        "endless_header": do.repeat(b"HTTP/1.1 200 OK\r\nX-Endless: ", b"y" * 4096),
        "interim_flood": do.repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 64),
        "garbage": do.once(bytes(range(128, 256)) * 64),
        "old_http": do.once(b"<html>an answer without a head</html>"),
        "no_answer": do.silent,
    }


def start(folder: str) -> dict[str, Server]:
    authority = certificates.make(folder)
    servers = secure_servers(authority)
    good = context(authority, "good")
    for name in ("target", "good", "environment", "unused"):
        servers[name] = Server(do.answer, good)
    for name, behave in answer_behaviours(servers["target"].port).items():
        servers[name] = Server(behave, good)
        servers[f"{name}_streamed"] = Server(behave, good)
    servers["renamed"] = Server(do.answer, context(authority, "wrong_name"))
    servers["farewell"] = Server(do.farewell, good)
    servers["http2"] = Server(do.answer, context(authority, "good", alpn="h2"))
    servers["mutual"] = Server(do.answer, context(authority, "good", client=True))
    servers["proxy"], servers["trap"] = Server(do.proxy), Server(do.proxy)
    servers["plain_target"] = Server(do.answer)
    for name in ("plain", "kept", "cancelled", "late", "ready", "wiped", "busy"):
        servers[name] = Server({"cancelled": do.silent, "late": do.silent}.get(name, do.answer))
    servers["many"] = Server(do.slow_answer)
    servers["tiring"] = Server(do.tiring)
    servers["rested"], servers["rested_tls"] = Server(do.rested), Server(do.rested, good)
    for name in ("late", "cancelled", "slow"):
        servers[f"held_{name}"], servers[f"held_{name}_tls"] = Server(do.held), Server(do.held, good)
    streams = {"ticks": do.ticks, "stepped": do.stepped, "breaks": do.after_a_piece(keep=False), "stalls": do.after_a_piece(keep=True),
               "flood": do.flood, "interim": do.interim, "headless": do.silent, "left": do.after_a_piece(keep=True),
               "dropped": do.after_a_piece(keep=True), "closing": do.after_a_piece(keep=True)}
    for name, behave in streams.items():
        servers[name], servers[f"{name}_tls"] = Server(behave), Server(behave, good)
    servers["stale_get"], servers["stale_post"] = Server(do.stale), Server(do.stale)
    servers["unix"] = Server(do.answer, path=f"{folder}/socket")
    return servers


def main() -> None:
    # Old versions of TLS are what some cases are about.
    warnings.simplefilter("ignore", DeprecationWarning)
    servers = start(sys.argv[1])
    print(json.dumps({name: server.port for name, server in servers.items()}), flush=True)
    for line in sys.stdin:
        command, name, word = line.split()
        if command == "visit":
            careless.visit(servers[name].port, word)
        elif command == "step":
            servers[name].steps.release(int(word))
        seconds = {"report": word, "step": 0}.get(command, 5)
        print(json.dumps(servers[name].capture.report(float(seconds))), flush=True)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
