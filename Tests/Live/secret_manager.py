#!/usr/bin/env python3
"""A stand-in for Google Secret Manager by REST, its tokens (OAuth, STS, IAM Credentials) and a metadata server.

    python3 secret_manager.py PORT FOLDER

It keeps to Google's public reference as far as the live tests ask for it, and Google's own client passes the same
cases on it that the adapter does (google_cases.json). FOLDER has `key.pem`, the public half of the key that service
accounts sign with, and `subject`, the token of the workload that is federated.

A service account is called ROLE@coffer.iam.gserviceaccount.com; what its role may do is in ROLES.
"""

import base64
import json
import re
import secrets
import sys
import threading
import time
import urllib.parse
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PROJECT, NUMBER = "coffer-live", "123456789"
AUDIENCE = "//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/pool/providers/tests"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
#: Enough for what only impersonates.
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
LARGEST = 65_536
_SECRETS, _VERSIONS = "secretmanager.secrets.", "secretmanager.versions."
#: What the manual's role has.
APP = {_SECRETS + name for name in ("create", "delete", "get", "list")} | {
    _VERSIONS + name for name in ("access", "add", "destroy", "get", "list")}
ADMIN = APP | {_SECRETS + "update", _VERSIONS + "enable", _VERSIONS + "disable"}
ROLES = {"app": APP, "admin": ADMIN, "nodestroy": APP - {_VERSIONS + "destroy"}, "reader": {_VERSIONS + "access", _VERSIONS + "get"},
         "nobody": set()}
#: google.rpc.Code, and the HTTP status of each.
HTTP = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404,
        "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "UNKNOWN": 500, "INTERNAL": 500,
        "DATA_LOSS": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504}
STATES = {"ENABLED": 1, "DISABLED": 2, "DESTROYED": 3}


def crc32c(data: bytes) -> int:
    """Bit by bit, so that it shares nothing with what it checks."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Refusal(Exception):
    def __init__(self, status: str, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    def body(self) -> dict:
        error = {"code": HTTP[self.status], "message": str(self), "status": self.status}
        if self.reason:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": self.reason,
                                 "domain": "googleapis.com"}]
        return {"error": error}


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Version:
    def __init__(self, data: bytes, checked: bool) -> None:
        self.data, self.checked, self.state, self.created = data, checked, "ENABLED", time.time()
        self.checksum = crc32c(data)
        self.etag = f'"{secrets.token_hex(7)}"'


class Secret:
    def __init__(self, body: dict) -> None:
        self.body, self.created, self.versions = body, time.time(), []
        self.renew()

    def renew(self) -> None:
        self.etag = f'"{secrets.token_hex(7)}"'


class Service:
    """The records, and who may do what with them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tokens: dict[str, tuple[str, float]] = {}
        self.secrets: dict[str, Secret] = {}
        self.requests: list[dict] = []
        #: Answers to give instead, each once: (text in the request line, status, body, headers).
        self.planned: list[dict] = []
        #: Seconds for which "latest" leads to what it led to before a version was added.
        self.lag = 0.0

    # Tokens

    def issue(self, role: str, seconds: float = 3599) -> str:
        token = "ya29." + secrets.token_urlsafe(24)
        self.tokens[token] = (role, time.time() + seconds)
        return token

    def role(self, authorization: str | None) -> str:
        role, end = self.tokens.get((authorization or "").removeprefix("Bearer "), ("", 0))
        if time.time() >= end:
            raise Refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        return role

    # Calls

    def call(self, method: str, path: str, query: dict[str, str], body: dict, authorization: str | None) -> dict:
        role = self.role(authorization)
        found = re.fullmatch(r"/v1/projects/([^/]+)(/locations/[a-z0-9-]+)?/secrets(.*)", path)
        if not found:
            raise Refusal("NOT_FOUND", "no such method")
        project, location, rest = found[1], found[2] or "", found[3]
        for name, reason in (("api-off", "SERVICE_DISABLED"), ("no-billing", "BILLING_DISABLED")):
            if project == name:
                raise Refusal("PERMISSION_DENIED", f"{name} of project {project}", reason)
        self.granted = ROLES.get(role, set()) if project in (PROJECT, NUMBER) else set()
        parent = f"projects/{NUMBER}{location}/secrets"
        self._expire()
        if rest == "" and method == "POST":
            return self._create(parent, location, query, body)
        if rest == "" and method == "GET":
            return self._list(parent, query)
        found = re.fullmatch(r"/([^/:]+)(?:/versions(?:/([^/:]+))?)?(?::([a-zA-Z]+))?", rest)
        if not found:
            raise Refusal("NOT_FOUND", "no such method")
        name, number, verb = f"{parent}/{found[1]}", found[2], found[3]
        if number is None and rest.endswith("/versions"):
            return self._versions(name, query)
        if number is None:
            return self._secret(method, verb, name, query, body)
        return self._version(method, verb, name, number, body)

    def _need(self, permission: str) -> None:
        if permission not in self.granted:
            raise Refusal("PERMISSION_DENIED", f"Permission '{permission}' denied on resource (or it may not exist).",
                          "IAM_PERMISSION_DENIED")

    def _expire(self) -> None:
        for name, secret in list(self.secrets.items()):
            if "expireTime" in secret.body and datetime.fromisoformat(secret.body["expireTime"]).timestamp() <= time.time():
                del self.secrets[name]

    def _find(self, name: str) -> Secret:
        if name not in self.secrets:
            raise Refusal("NOT_FOUND", f"Secret [{name}] not found or has no versions.")
        return self.secrets[name]

    @staticmethod
    def _check_etag(given: str | None, etag: str) -> None:
        if given and given != etag:
            raise Refusal("FAILED_PRECONDITION", "The etag provided does not match.")

    def _create(self, parent: str, location: str, query: dict[str, str], body: dict) -> dict:
        self._need(_SECRETS + "create")
        name = query.get("secretId", "")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
            raise Refusal("INVALID_ARGUMENT", "The provided Secret ID does not match the expected format.")
        if bool(location) == ("replication" in body):
            raise Refusal("INVALID_ARGUMENT", "Secret.replication: required for global secrets, and for no others.")
        self._check_metadata(body)
        if f"{parent}/{name}" in self.secrets:
            raise Refusal("ALREADY_EXISTS", f"Secret [{parent}/{name}] already exists.")
        if "ttl" in body:
            body["expireTime"] = stamp(time.time() + float(body.pop("ttl").removesuffix("s")))
        secret = self.secrets[f"{parent}/{name}"] = Secret(body)
        return self._described(f"{parent}/{name}", secret)

    @staticmethod
    def _check_metadata(body: dict) -> None:
        labels, annotations = body.get("labels", {}), body.get("annotations", {})
        if len(labels) > 64 or not all(
                re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) and re.fullmatch(r"[a-z0-9_-]{0,63}", value)
                for key, value in labels.items()):
            raise Refusal("INVALID_ARGUMENT", "labels: not allowed.")
        size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
        if size >= 16_384 or not all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", key) for key in annotations):
            raise Refusal("INVALID_ARGUMENT", "annotations: not allowed.")

    @staticmethod
    def _described(name: str, secret: Secret) -> dict:
        return {"name": name, "createTime": stamp(secret.created), "etag": secret.etag} | secret.body

    def _list(self, parent: str, query: dict[str, str]) -> dict:
        self._need(_SECRETS + "list")
        size = min(int(query.get("pageSize", 0)) or 25_000, 25_000)
        terms = [term.split(":", 1) for term in query.get("filter", "").split(" OR ") if term]
        if any(len(term) != 2 or term[0] != "name" for term in terms):
            raise Refusal("INVALID_ARGUMENT", "filter: not understood here.")
        def place(name: str) -> tuple[float, str]:
            # The newest first.
            return -self.secrets[name].created, name

        names = sorted((name for name in self.secrets if name.rpartition("/")[0] == parent and (
            not terms or any(part in name.rpartition("/")[2] for _, part in terms))), key=place)
        after = query.get("pageToken", "")
        if after:
            try:
                listed, time_text, last = base64.urlsafe_b64decode(after).decode().split(" ")
                behind = float(time_text), last
            except ValueError:
                raise Refusal("INVALID_ARGUMENT", "page_token: not valid.") from None
            if listed != parent:
                raise Refusal("INVALID_ARGUMENT", "page_token: not valid.")
            names = [name for name in names if place(name) > behind]
        page = {"totalSize": len(names)}
        if names:
            page["secrets"] = [self._described(name, self.secrets[name]) for name in names[:size]]
        if len(names) > size:
            page["nextPageToken"] = base64.urlsafe_b64encode(
                " ".join((parent, repr(place(names[size - 1])[0]), names[size - 1])).encode()).decode()
        return page

    def _secret(self, method: str, verb: str | None, name: str, query: dict[str, str], body: dict) -> dict:
        if (method, verb) == ("GET", None):
            self._need(_SECRETS + "get")
            return self._described(name, self._find(name))
        if (method, verb) == ("DELETE", None):
            self._need(_SECRETS + "delete")
            self._check_etag(query.get("etag"), self._find(name).etag)
            del self.secrets[name]
            return {}
        if (method, verb) == ("PATCH", None):
            self._need(_SECRETS + "update")
            secret = self._find(name)
            self._check_etag(body.get("etag"), secret.etag)
            for member in query.get("updateMask", "").split(","):
                secret.body[member] = body.get(member, {})
            secret.renew()
            return self._described(name, secret)
        if (method, verb) == ("POST", "addVersion"):
            self._need(_VERSIONS + "add")
            return self._add(name, body.get("payload", {}))
        raise Refusal("NOT_FOUND", "no such method")

    def _add(self, name: str, payload: dict) -> dict:
        secret = self._find(name)
        data = base64.b64decode(payload.get("data", ""), validate=True)
        if len(data) > LARGEST:
            raise Refusal("INVALID_ARGUMENT", "The payload is larger than 64 KiB.")
        if not data:
            raise Refusal("INVALID_ARGUMENT", "The payload is empty.")
        checked = "dataCrc32c" in payload
        if checked and int(payload["dataCrc32c"]) != crc32c(data):
            raise Refusal("INVALID_ARGUMENT", "data_crc32c does not match the payload.")
        secret.versions.append(Version(data, checked))
        return self._described_version(name, len(secret.versions), secret.versions[-1])

    @staticmethod
    def _described_version(name: str, number: int, version: Version) -> dict:
        described = {"name": f"{name}/versions/{number}", "createTime": stamp(version.created), "state": version.state,
                     "etag": version.etag, "replicationStatus": {"automatic": {}}}
        return described | ({"clientSpecifiedPayloadChecksum": True} if version.checked else {})

    def _versions(self, name: str, query: dict[str, str]) -> dict:
        self._need(_VERSIONS + "list")
        versions = self._find(name).versions
        listed = [self._described_version(name, number, version) for number, version in enumerate(versions, 1)]
        size = min(int(query.get("pageSize", 0)) or 25_000, 25_000)
        after = int(query.get("pageToken") or 0)
        page = {"versions": listed[::-1][after:after + size], "totalSize": len(listed)}
        if len(listed) > after + size:
            page["nextPageToken"] = str(after + size)
        return page

    def _latest(self, secret: Secret) -> int:
        return sum(version.created <= time.time() - self.lag for version in secret.versions)

    def _version(self, method: str, verb: str | None, name: str, number: str, body: dict) -> dict:
        verbs = {("GET", "access"): "access", ("GET", None): "get", ("POST", "destroy"): "destroy", ("POST", "disable"): "disable",
                 ("POST", "enable"): "enable"}
        if (method, verb) not in verbs:
            raise Refusal("NOT_FOUND", "no such method")
        action = verbs[method, verb]
        self._need(_VERSIONS + action)
        secret = self._find(name)
        index = self._latest(secret) if number == "latest" else int(number) if number.isdigit() else 0
        if not 1 <= index <= len(secret.versions):
            raise Refusal("NOT_FOUND", f"Secret Version [{name}/versions/{number}] not found.")
        version = secret.versions[index - 1]
        if action == "get":
            return self._described_version(name, index, version)
        if action == "access":
            if version.state != "ENABLED":
                raise Refusal("FAILED_PRECONDITION", f"Secret Version [{name}/versions/{index}] is in {version.state} state.")
            return {"name": f"{name}/versions/{index}", "payload": {
                "data": base64.b64encode(version.data).decode(), "dataCrc32c": str(version.checksum)}}
        self._check_etag(body.get("etag"), version.etag)
        if version.state == "DESTROYED":
            raise Refusal("FAILED_PRECONDITION", f"Secret Version [{name}/versions/{index}] is destroyed.")
        version.state = {"destroy": "DESTROYED", "disable": "DISABLED", "enable": "ENABLED"}[action]
        version.etag = f'"{secrets.token_hex(7)}"'
        if action == "destroy":
            version.data = b""
        return self._described_version(name, index, version)


class Tokens:
    """OAuth's token address, STS and IAM Credentials."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self.folder = service, folder
        self.key = load_pem_public_key((folder / "key.pem").read_bytes())

    def grant(self, form: dict[str, str]) -> dict:
        kind = form.get("grant_type")
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            role = self._signed(form.get("assertion", ""))
        elif kind == "refresh_token" and form.get("refresh_token") == "live-refresh" and form.get("client_secret") == "live-secret":
            role = "app"
        else:
            role = None
        if role is None:
            return {"error": "invalid_grant", "error_description": "Invalid grant."}
        return {"access_token": self.service.issue(role), "expires_in": 3599, "token_type": "Bearer"}

    def _signed(self, assertion: str) -> str | None:
        try:
            head, claims, signature = assertion.split(".")
            decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))  # noqa: E731
            self.key.verify(decode(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256())
            head, claims = json.loads(decode(head)), json.loads(decode(claims))
        except (ValueError, InvalidSignature):
            return None
        now = time.time()
        if head["alg"] != "RS256" or claims["aud"] != "https://oauth2.googleapis.com/token" or SCOPE not in claims["scope"]:
            return None
        if not (claims["iat"] - 60 <= now < claims["exp"] and claims["exp"] - claims["iat"] <= 3600):
            return None
        return claims["iss"].removesuffix("@coffer.iam.gserviceaccount.com")

    def exchange(self, form: dict[str, str]) -> dict:
        wanted = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": AUDIENCE,
                  "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                  "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                  "subject_token": (self.folder / "subject").read_text().strip()}
        if any(form.get(name) != value for name, value in wanted.items()) or form.get("scope") not in (SCOPE, IAM_SCOPE):
            return {"error": "invalid_target", "error_description": "Invalid exchange."}
        return {"access_token": self.service.issue("federated"), "issued_token_type": wanted["requested_token_type"],
                "token_type": "Bearer", "expires_in": 3600}

    def impersonate(self, account: str, body: dict, authorization: str | None) -> dict:
        if self.service.role(authorization) != "federated" or SCOPE not in body.get("scope", []):
            raise Refusal("PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied.")
        seconds = float(body.get("lifetime", "3600s").removesuffix("s"))
        role = account.removesuffix("@coffer.iam.gserviceaccount.com")
        return {"accessToken": self.service.issue(role, seconds), "expireTime": stamp(time.time() + seconds)[:19] + "Z"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Service
    tokens: Tokens

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: dict | bytes, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json; charset=UTF-8", "Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.service.lock:
            try:
                status, body, headers = self.respond(data)
            except Refusal as refusal:
                status, body, headers = HTTP[refusal.status], refusal.body(), None
            except (ValueError, KeyError, AttributeError):
                status, body, headers = 400, Refusal("INVALID_ARGUMENT", "The request is not valid.").body(), None
        self.answer(status, body, headers)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def respond(self, data: bytes) -> tuple[int, dict | bytes, dict[str, str] | None]:
        url = urllib.parse.urlsplit(self.path)
        if url.path.startswith("/_control/"):
            return 200, self.control(url.path.removeprefix("/_control/"), json.loads(data or b"{}")), None
        self.service.requests.append({
            "method": self.command, "path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": data.decode(errors="replace")})
        for plan in self.service.planned:
            if plan["when"] in f"{self.command} {self.path}":
                self.service.planned.remove(plan)
                return plan["status"], plan["body"].encode(), plan.get("headers")
        return self.route(url.path, dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)), data)

    def route(self, path: str, query: dict[str, str], data: bytes) -> tuple[int, dict | bytes, dict[str, str] | None]:
        flavor = {"Metadata-Flavor": "Google"}
        if path.startswith("/computeMetadata/") or path == "/":
            if self.headers.get("Metadata-Flavor") != "Google":
                return 403, b"", None
            if path.endswith("/token"):
                return 200, {"access_token": self.service.issue("app"), "expires_in": 3599, "token_type": "Bearer"}, flavor
            account = {"email": "app@coffer.iam.gserviceaccount.com", "scopes": [SCOPE], "aliases": ["default"]}
            return 200, account, flavor
        if path == "/subject":
            return (200, {"id": (self.tokens.folder / "subject").read_text()}, None) if self.headers.get("X-Live") == "yes" else (403, b"", None)
        form = dict(urllib.parse.parse_qsl(data.decode(errors="replace"))) if path in ("/token", "/v1/token") else {}
        if path in ("/token", "/v1/token"):
            answer = self.tokens.grant(form) if path == "/token" else self.tokens.exchange(form)
            return (400 if "error" in answer else 200), answer, None
        body = json.loads(data or b"{}")
        authorization = self.headers.get("Authorization")
        found = re.fullmatch(r"/v1/projects/-/serviceAccounts/([^/]+):generateAccessToken", path)
        if found:
            return 200, self.tokens.impersonate(found[1], body, authorization), None
        answer = self.service.call(self.command, urllib.parse.unquote(path), query, body, authorization)
        if query.get("$alt", "").endswith("enum-encoding=int"):
            answer = numbered(answer)
        return 200, answer, None

    def control(self, name: str, body: dict) -> dict | list:
        if name == "requests":
            requests, self.service.requests = self.service.requests, []
            return {"requests": requests}
        if name == "plan":
            self.service.planned.append(body)
        if name == "expire":
            # Not those of tests beside this one.
            del self.service.tokens[body["authorization"].removeprefix("Bearer ")]
        if name == "lag":
            self.service.lag = body["seconds"]
        return {}


def numbered(value: object) -> object:
    """The states as numbers, as who asks for it gets them."""
    if isinstance(value, list):
        return [numbered(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: STATES[each] if name == "state" else numbered(each) for name, each in value.items()}


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    Handler.service = Service()
    Handler.tokens = Tokens(Handler.service, folder)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
