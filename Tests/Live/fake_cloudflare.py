#!/usr/bin/env python3
"""A stand-in for Cloudflare's API: Workers KV and the Secrets Store, as far as a vault uses them.

    python3 Tests/Live/fake_cloudflare.py PORT

There is no emulator of this API. What it answers is what Cloudflare's documentation and official SDK say, limits included;
`cloudflare_sdk.py` has the official SDK pass the same table of cases on it as Coffer.

What only tests need is below `/_fake/`: POST `/_fake/plan` gives answers first, GET `/_fake/requests` what was asked.
"""

import base64
import email.parser
import email.policy
import json
import re
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = "/client/v4"
#: The account that tokens without another one may use.
ACCOUNT = "0" * 31 + "1"
#: What each token may do; one that is not here is not accepted.
TOKENS = {
    "app-token": {"kv read", "kv write", "secrets read", "secrets write"},
    "kv-reader-token": {"kv read"},
    "nobody-token": set(),
}
MAXIMUM_VALUE = 25 << 20
SCOPES = {"workers", "ai_gateway", "dex", "access", "containers", "websearch"}


class Refusal(Exception):
    """An answer of the API's that is no success."""

    def __init__(self, status: int, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


@dataclass
class Entry:
    value: bytes
    metadata: object
    expiration: int | None

    def lives(self) -> bool:
        return self.expiration is None or time.time() < self.expiration


@dataclass
class Key:
    """What a key holds, what it held before, and since when."""

    now: Entry | None = None
    before: Entry | None = None
    changed: float = 0


@dataclass
class Namespace:
    id: str
    title: str
    keys: dict[str, Key] = field(default_factory=dict)

    @property
    def lag(self) -> float:
        """Seconds for which reads show what was there before a write: of a namespace called lag-3, three."""
        match = re.match(r"lag-(\d+)", self.title)
        return float(match[1]) if match else 0

    def seen(self, name: str) -> Entry | None:
        key = self.keys.get(name)
        if key is None:
            return None
        entry = key.before if time.time() < key.changed + self.lag else key.now
        return entry if entry is not None and entry.lives() else None

    def change(self, name: str, entry: Entry | None) -> None:
        key = self.keys.setdefault(name, Key())
        now = time.time()
        if now < key.changed + 1:
            raise Refusal(429, 10022, "too many requests: one write a second of a key", retry_after="1")
        key.before, key.now, key.changed = key.now, entry, now


@dataclass
class Store:
    id: str
    name: str
    secrets: dict[str, dict] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Account:
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    #: The open beta's.
    quota: int = 100


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refusal(400, 10012, "could not parse the body") from None


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    #: The connection breaks after so many bytes of the body.
    cut: int | None = None


def new_id() -> str:
    return secrets.token_hex(16)


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class API:
    """The state of all accounts, and what each request makes of it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.accounts: dict[str, Account] = {}
        self.plans: list[dict] = []
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Answer:
        with self.lock:
            if request.path.startswith("/_fake/"):
                return self.control(request)
            self.asked.append(request)
            for plan in self.plans:
                if re.search(plan["match"], f"{request.method} {request.path}"):
                    plan["times"] = plan.get("times", 1) - 1
                    if plan["times"] <= 0:
                        self.plans.remove(plan)
                    return Answer(plan["status"], plan["body"].encode(), plan.get("headers", {}), plan.get("cut"))
            try:
                return self.api(request)
            except Refusal as refusal:
                error = {"code": refusal.code, "message": refusal.message}
                body = {"success": False, "errors": [error], "messages": [], "result": None}
                headers = {name.replace("_", "-"): value for name, value in refusal.headers.items()}
                return Answer(refusal.status, json.dumps(body).encode(), headers)

    def control(self, request: Request) -> Answer:
        if request.path == "/_fake/plan":
            self.plans.append(json.loads(request.body))
            return Answer(200, b"{}")
        if request.path == "/_fake/requests":
            found = [
                {"method": each.method, "path": each.path, "query": each.query, "headers": each.headers,
                 "body": base64.b64encode(each.body).decode()}
                for each in self.asked if request.query["of"] in each.path]
            return Answer(200, json.dumps(found).encode())
        if request.path == "/_fake/quota":
            self.account(request.query["account"]).quota = int(request.query["quota"])
            return Answer(200, b"{}")
        return Answer(200, b'{"ready":true}')

    # MARK: Who may do what

    def permissions(self, request: Request) -> set[str]:
        authorization = request.headers.get("authorization", "")
        if not re.fullmatch(r"Bearer [\x21-\x7e]+", authorization):
            raise Refusal(400, 6003, "Invalid request headers")
        token = authorization.removeprefix("Bearer ")
        if token == "expired-token":
            raise Refusal(403, 9109, "Invalid access token")
        if token not in TOKENS:
            raise Refusal(401, 10000, "Authentication error")
        return TOKENS[token]

    @staticmethod
    def require(granted: set[str], permission: str) -> None:
        # Who may edit may read.
        if permission not in granted and permission.replace("read", "write") not in granted:
            raise Refusal(403, 10000, "Authentication error")

    def account(self, id: str) -> Account:
        return self.accounts.setdefault(id, Account())

    # MARK: Routes

    def api(self, request: Request) -> Answer:
        path = request.path.removeprefix(ROOT)
        granted = self.permissions(request)
        if path == "/accounts":
            return self.page(request, [{"id": ACCOUNT, "name": "Coffer's tests"}], size=50)
        match = re.fullmatch(r"/accounts/([0-9a-f]{32})/(storage/kv/namespaces|secrets_store)(/.*)?", path)
        if match is None or match[1] == "f" * 32:
            raise Refusal(404, 7003, "Could not route to the account, perhaps your object identifier is invalid?")
        account, rest = self.account(match[1]), match[3] or ""
        if match[2] == "secrets_store":
            self.require(granted, "secrets read" if request.method == "GET" else "secrets write")
            return self.secrets_store(account, request, rest)
        reads = request.method == "GET" or rest.endswith("/bulk/get")
        self.require(granted, "kv read" if reads else "kv write")
        return self.workers_kv(account, request, rest)

    @staticmethod
    def success(result: object, information: dict | None = None) -> Answer:
        body = {"success": True, "errors": [], "messages": [], "result": result}
        if information is not None:
            body["result_info"] = information
        return Answer(200, json.dumps(body, ensure_ascii=False).encode())

    def page(self, request: Request, all: list, size: int = 100) -> Answer:
        number = int(request.query.get("page", 1))
        size = min(int(request.query.get("per_page", 20)), size)
        part = all[(number - 1) * size:number * size]
        return self.success(part, {
            "page": number, "per_page": size, "count": len(part), "total_count": len(all), "total_pages": -(-len(all) // size)})

    # MARK: Workers KV

    def workers_kv(self, account: Account, request: Request, rest: str) -> Answer:
        if rest == "":
            if request.method == "GET":
                spaces = account.namespaces.values()
                return self.page(request, [{"id": each.id, "title": each.title} for each in spaces])
            namespace = Namespace(new_id(), request.json()["title"])
            account.namespaces[namespace.id] = namespace
            return self.success({"id": namespace.id, "title": namespace.title, "supports_url_encoding": True})
        id, _, call = rest[1:].partition("/")
        if (namespace := account.namespaces.get(id)) is None:
            raise Refusal(404, 10013, "namespace not found")
        kind, _, name = call.partition("/")
        match request.method, kind:
            case "POST", "bulk" if name == "get":
                return self.bulk_get(namespace, request.json())
            case "GET", "keys":
                return self.keys(namespace, request.query)
            case "GET" | "PUT" | "DELETE", "values":
                return self.value(namespace, request, self.key(name))
            case "GET", "metadata":
                return self.success(self.found(namespace, self.key(name)).metadata)
        raise Refusal(405, 10405, "method not allowed")

    @staticmethod
    def key(segment: str) -> str:
        if "/" in segment:
            raise Refusal(404, 10025, "endpoint does not exist")
        name = unquote(segment, errors="strict")
        if len(name.encode()) > 512:
            raise Refusal(414, 10030, "key name exceeds the limit of 512 bytes")
        if not name.strip() or name in (".", "..") or any(ord(each) < 0x20 or ord(each) == 0x7F for each in name):
            raise Refusal(400, 10042, "illegal key name")
        return name

    @staticmethod
    def found(namespace: Namespace, name: str) -> Entry:
        entry = namespace.seen(name)
        if entry is None:
            raise Refusal(404, 10009, "get: 'key not found'")
        return entry

    def value(self, namespace: Namespace, request: Request, name: str) -> Answer:
        if request.method == "GET":
            entry = self.found(namespace, name)
            headers = {"content-type": "application/octet-stream"}
            return Answer(200, entry.value, headers | ({"expiration": str(entry.expiration)} if entry.expiration else {}))
        if request.method == "DELETE":
            namespace.change(name, None)
            return self.success(None)
        value, metadata = self.content(request)
        if len(value) > MAXIMUM_VALUE:
            raise Refusal(413, 10024, "payload too large")
        if metadata is not None and len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()) > 1024:
            raise Refusal(413, 10047, "metadata exceeds the limit of 1024 bytes")
        namespace.change(name, Entry(value, metadata, self.expiration(request.query)))
        return self.success(None)

    @staticmethod
    def content(request: Request) -> tuple[bytes, object]:
        kind = request.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            return request.body, None
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.body)
        parts = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
                 for part in message.iter_parts()}
        if "value" not in parts:
            raise Refusal(400, 10012, "the part value is missing")
        try:
            return parts["value"], json.loads(parts["metadata"]) if "metadata" in parts else None
        except ValueError:
            raise Refusal(400, 10047, "metadata must be JSON") from None

    @staticmethod
    def expiration(query: dict[str, str]) -> int | None:
        if "expiration_ttl" in query:
            ttl = query["expiration_ttl"]
            if not re.fullmatch(r"\d+(\.0)?", ttl) or float(ttl) < 60:
                raise Refusal(400, 10034, "expiration_ttl must be at least 60")
            return int(time.time() + float(ttl))
        if "expiration" in query:
            if float(query["expiration"]) < time.time() + 60:
                raise Refusal(400, 10033, "expiration must be at least 60 seconds in the future")
            return int(float(query["expiration"]))
        return None

    def bulk_get(self, namespace: Namespace, body: object) -> Answer:
        names = body.get("keys") if isinstance(body, dict) else None
        if not isinstance(names, list) or not 1 <= len(names) <= 100:
            raise Refusal(400, 10029, "keys: expected 1 to 100")
        values: dict[str, object] = {}
        for name in names:
            entry = namespace.seen(name)
            if entry is None:
                values[name] = None
                continue
            text = entry.value.decode(errors="replace")
            content = json.loads(text) if body.get("type") == "json" else text
            values[name] = content
            if body.get("withMetadata"):
                values[name] = {"value": content, "metadata": entry.metadata}
                if entry.expiration:
                    values[name]["expiration"] = entry.expiration
        return self.success({"values": values})

    def keys(self, namespace: Namespace, query: dict[str, str]) -> Answer:
        limit = query.get("limit", "1000")
        if not re.fullmatch(r"\d+(\.0)?", limit) or not 10 <= float(limit) <= 1000:
            raise Refusal(400, 10028, "limit: expected 10 to 1000")
        limit = int(float(limit))
        after = b""
        if "cursor" in query:
            try:
                mark, after = base64.urlsafe_b64decode(query["cursor"]).split(b"\0", 1)
                if mark != namespace.id.encode():
                    raise ValueError
            except ValueError:
                raise Refusal(400, 10041, "invalid list cursor") from None
        prefix = query.get("prefix", "")
        names = sorted(name for name in namespace.keys if name.startswith(prefix) and namespace.seen(name))
        names = [name for name in sorted(names, key=str.encode) if name.encode() > after]
        part = names[:limit]
        result = []
        for name in part:
            entry = namespace.seen(name)
            result.append({"name": name} | ({"metadata": entry.metadata} if entry.metadata is not None else {})
                          | ({"expiration": entry.expiration} if entry.expiration else {}))
        cursor = ""
        if len(names) > limit:
            cursor = base64.urlsafe_b64encode(f"{namespace.id}\0{part[-1]}".encode()).decode()
        return self.success(result, {"count": len(part), "cursor": cursor})

    # MARK: Secrets Store

    def secrets_store(self, account: Account, request: Request, rest: str) -> Answer:
        if rest == "/quota":
            used = sum(len(store.secrets) for store in account.stores.values())
            return self.success({"secrets": {"quota": account.quota, "usage": used}})
        if rest == "/stores":
            if request.method == "GET":
                return self.page(request, [
                    {"id": store.id, "name": store.name, "created": now(), "modified": now()}
                    for store in account.stores.values()])
            if account.stores:
                raise Refusal(400, 1003, "maximum_stores_exceeded")
            store = Store(new_id(), request.json()["name"])
            account.stores[store.id] = store
            return self.success({"id": store.id, "name": store.name, "created": now(), "modified": now()})
        match = re.fullmatch(r"/stores/([0-9a-f]{32})/secrets(?:/([0-9a-f]{32}))?", rest)
        if match is None:
            raise Refusal(404, 7003, "Could not route")
        if (store := account.stores.get(match[1])) is None:
            raise Refusal(404, 1001, "store_not_found")
        return self.secret(store, request, match[2]) if match[2] else self.secret_list(account, store, request)

    def secret_list(self, account: Account, store: Store, request: Request) -> Answer:
        if request.method == "GET":
            search = request.query.get("search", "")
            return self.page(request, [
                each for each in store.secrets.values() if search in each["name"] or search in each.get("comment", "")])
        body = request.json()
        if not isinstance(body, list) or not body:
            raise Refusal(400, 1001, "invalid_json_body")
        used = sum(len(each.secrets) for each in account.stores.values())
        for secret in body:
            self.check_secret(secret)
            if not re.fullmatch(r"[A-Za-z0-9_-]+", secret.get("name") or ""):
                raise Refusal(400, 1001, "secret_name_invalid" if secret.get("name") else "secret_name_empty")
            if any(each["name"] == secret["name"] for each in store.secrets.values()):
                raise Refusal(409, 1003, "secret_name_already_exists")
            if not secret.get("scopes"):
                raise Refusal(400, 1001, "secret_scopes_empty")
        if used + len(body) > account.quota:
            raise Refusal(400, 1003, "maximum_secrets_exceeded")
        made = []
        for secret in body:
            id = new_id()
            store.values[id] = secret["value"]
            store.secrets[id] = {
                "id": id, "name": secret["name"], "status": "pending", "store_id": store.id, "created": now(),
                "modified": now(), "comment": secret.get("comment", ""), "scopes": secret["scopes"]}
            made.append(store.secrets[id])
        return self.success(made)

    def secret(self, store: Store, request: Request, id: str) -> Answer:
        if (secret := store.secrets.get(id)) is None:
            raise Refusal(404, 1001, "secret_not_found")
        if request.method == "DELETE":
            del store.secrets[id], store.values[id]
        elif request.method == "PATCH":
            change = request.json()
            self.check_secret(change)
            store.values[id] = change.get("value", store.values[id])
            secret |= {name: change[name] for name in ("scopes", "comment") if name in change} | {
                "modified": now(), "status": "active"}
        elif request.method != "GET":
            raise Refusal(405, 10405, "method not allowed")
        return self.success(secret)

    @staticmethod
    def check_secret(secret: dict) -> None:
        if len(str(secret.get("value", "")).encode()) > 65_536:
            raise Refusal(400, 1001, "secret_value_too_large")
        if not set(secret.get("scopes", [])) <= SCOPES:
            raise Refusal(400, 1001, "secret_scope_invalid")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: API

    def handle_one(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.api.answer(Request(self.command, url.path, query, headers, body))
        self.send_response(answer.status)
        for name, value in ({"content-type": "application/json"} | answer.headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[:answer.cut])
        if answer.cut is not None:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Nothing: paths have the ids of records in them."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> int:
    Handler.api = API()
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
