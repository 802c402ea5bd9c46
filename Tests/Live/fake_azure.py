#!/usr/bin/env python3
"""A stand-in for Azure Key Vault's secrets, for Microsoft Entra ID, and for the sources of managed identities.

    python3 fake_azure.py TLS-PORT PORT FOLDER

It keeps to Microsoft's public reference as far as the live tests ask for it, and Microsoft's own client passes the same cases
on it that the adapter does (azure_cases.json). The vault and Entra are at TLS-PORT, with FOLDER's `server.pem` and
`server.key`; the metadata service, App Service's source and what the tests ask for at PORT. FOLDER has `app.pem`, the
certificate that applications log in with, and `subject`, the token of the workload that is federated.

An application's id is its role, as a managed identity's is; what a role may do is in ROLES.
"""

import base64
import hashlib
import json
import re
import secrets
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

RESOURCE, TENANT = "https://vault.azure.net", "11111111-2222-3333-4444-555555555555"
SECRET, PROOF = "live-secret", "live-proof"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: What the manual's role has.
APP = {"get", "list", "set", "delete", "recover"}
ROLES = {"app": APP, "purger": APP | {"purge"}, "keeper": APP - {"recover"}, "reader": {"get"}, "nobody": set()}
LARGEST, PAGE = 25_600, 25
#: Seconds; the service's own are some 12 and 1, and some for which a name is not free yet after that. The tests change them.
DELAYS = {"delete": 0.3, "recover": 0.2, "purge": 0.2, "settle": 0.1}


class Refusal(Exception):
    def __init__(self, status: int, code: str, inner: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.inner, self.headers = status, code, inner, headers or {}

    def body(self) -> dict:
        error = {"code": self.code, "message": "Caller … {raw}"}
        return {"error": error | ({"innererror": {"code": self.inner}} if self.inner else {})}


def absent() -> Refusal:
    return Refusal(404, "SecretNotFound")


class Secret:
    def __init__(self, name: str, number: int) -> None:
        #: As it was first written.
        self.name, self.number, self.versions = name, number, []
        #: It takes a new version some time after it is there again.
        self.ready = self.settled = self.deleted = 0.0

    @property
    def newest(self) -> dict:
        return self.versions[-1]


class Vault:
    """The secrets, by names in lower case: it does not tell upper case from lower."""

    def __init__(self, address: str) -> None:
        self.address, self.made = address, 0
        self.live: dict[str, Secret] = {}
        self.deleted: dict[str, Secret] = {}
        #: Names that are being purged, and until when.
        self.purging: dict[str, float] = {}
        self.delays = dict(DELAYS)

    def call(self, method: str, path: str, query: dict[str, str], body: dict, may: set[str]) -> tuple[int, dict]:
        if not re.fullmatch(r"7\.[0-6]|20\d\d-\d\d-\d\d", query.get("api-version", "")):
            raise Refusal(400, "BadParameter")

        def need(permission: str) -> None:
            if permission not in may:
                raise Refusal(403, "Forbidden", "ForbiddenByRbac")

        match method, [part for part in path.split("/")[1:] if part]:
            case "GET", ["secrets"]:
                need("list")
                return 200, self.page(list(self.live.values()), "/secrets", query)
            case "GET", ["secrets", name, "versions"]:
                need("list")
                return 200, self.versions(self.find(name), query)
            case "GET", ["secrets", name, *version]:
                need("get")
                return 200, self.get(name, *version)
            case "PUT", ["secrets", name]:
                need("set")
                return 200, self.set(name, body)
            case "PATCH", ["secrets", name, *version]:
                need("set")
                return 200, self.update(name, body, *version)
            case "DELETE", ["secrets", name]:
                need("delete")
                return 200, self.delete(name)
            case "GET", ["deletedsecrets", name]:
                need("get")
                return 200, self.describe_deleted(self.find_deleted(name))
            case "POST", ["deletedsecrets", name, "recover"]:
                need("recover")
                return 200, self.recover(name)
            case "DELETE", ["deletedsecrets", name]:
                need("purge")
                self.purge(name)
                return 204, {}
        raise Refusal(405, "MethodNotAllowed")

    def find(self, name: str) -> Secret:
        secret = self.live.get(name.lower())
        if secret is None or time.time() < secret.ready:
            raise absent()
        return secret

    def find_changeable(self, name: str) -> Secret:
        """What is being recovered is not there for who reads, and in the way for who writes."""
        secret = self.live.get(name.lower())
        if secret is not None and time.time() < secret.ready:
            raise Refusal(409, "Conflict", "ObjectIsBeingRecovered")
        return self.find(name)

    def find_deleted(self, name: str) -> Secret:
        """Absent for as long as it is being deleted."""
        secret = self.deleted.get(name.lower())
        if secret is None or time.time() < secret.ready:
            raise absent()
        return secret

    def check_free(self, name: str) -> None:
        now, name = time.time(), name.lower()
        purged = self.purging.get(name, 0)
        if now < purged + self.delays["settle"]:
            raise Refusal(409, "Conflict", "ObjectIsBeingDeleted" if now < purged else "ObjectIsDeletedButRecoverable")
        if name in self.deleted:
            busy = now < self.deleted[name].ready
            raise Refusal(409, "Conflict", "ObjectIsBeingDeleted" if busy else "ObjectIsDeletedButRecoverable")
        if name in self.live and now < self.live[name].settled:
            raise Refusal(409, "Conflict", "ObjectIsBeingRecovered" if now < self.live[name].ready else None)

    @staticmethod
    def check(body: dict) -> None:
        tags, kind = body.get("tags") or {}, body.get("contentType") or ""
        attributes = body.get("attributes") or {}
        if len(tags) > 15 or any(len(text) > 512 for pair in tags.items() for text in pair) or len(kind) > 255:
            raise Refusal(400, "BadParameter")
        if not all(isinstance(attributes.get(name, 0), int) for name in ("exp", "nbf")):
            raise Refusal(400, "BadParameter")

    def set(self, name: str, body: dict) -> dict:
        if not re.fullmatch(r"[0-9A-Za-z-]{1,127}", name) or not isinstance(body.get("value"), str):
            raise Refusal(400, "BadParameter")
        if len(body["value"].encode()) > LARGEST:
            raise Refusal(400, "BadParameter")
        self.check(body)
        self.check_free(name)
        if name.lower() not in self.live:
            self.made += 1
            self.live[name.lower()] = Secret(name, self.made)
        secret, now = self.live[name.lower()], int(time.time())
        attributes = {"enabled": True} | (body.get("attributes") or {}) | {"created": now, "updated": now}
        secret.versions.append({
            "id": secrets.token_hex(16), "value": body["value"], "attributes": attributes,
            "contentType": body.get("contentType"), "tags": body.get("tags")})
        return self.describe(secret, secret.newest, value=True)

    def get(self, name: str, version: str = "") -> dict:
        secret = self.find(name)
        found = next((each for each in secret.versions if each["id"] == version), None) if version else secret.newest
        if found is None:
            raise absent()
        if not found["attributes"]["enabled"]:
            raise Refusal(403, "Forbidden", "SecretDisabled")
        # exp and nbf are for people: reading goes on before and after them.
        return self.describe(secret, found, value=True)

    def update(self, name: str, body: dict, version: str = "") -> dict:
        secret = self.find_changeable(name)
        found = next((each for each in secret.versions if each["id"] == version), None) if version else secret.newest
        if found is None:
            raise absent()
        self.check(body)
        found["attributes"] |= {name: each for name, each in (body.get("attributes") or {}).items() if each is not None}
        found["attributes"]["updated"] = int(time.time())
        found |= {member: body[member] for member in ("contentType", "tags") if body.get(member) is not None}
        return self.describe(secret, found)

    def delete(self, name: str) -> dict:
        secret = self.find_changeable(name)
        del self.live[name.lower()]
        self.deleted[name.lower()] = secret
        secret.deleted = time.time()
        secret.ready = secret.deleted + self.delays["delete"]
        return self.describe_deleted(secret)

    def recover(self, name: str) -> dict:
        secret = self.find_deleted(name)
        del self.deleted[name.lower()]
        self.live[name.lower()] = secret
        secret.ready = time.time() + self.delays["recover"]
        secret.settled = secret.ready + self.delays["settle"]
        return self.describe(secret, secret.newest)

    def purge(self, name: str) -> None:
        self.find_deleted(name)
        del self.deleted[name.lower()]
        self.purging[name.lower()] = time.time() + self.delays["purge"]

    def describe(self, secret: Secret, version: dict | None, value: bool = False, named: bool = True) -> dict:
        version = version or secret.newest
        identifier = f"{self.address}/secrets/{secret.name}" + (f"/{version['id']}" if named else "")
        attributes = version["attributes"] | {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
        described = {"id": identifier, "attributes": attributes} | ({"value": version["value"]} if value else {})
        return described | {member: version[member] for member in ("contentType", "tags") if version[member] is not None}

    def describe_deleted(self, secret: Secret) -> dict:
        return self.describe(secret, None) | {
            "recoveryId": f"{self.address}/deletedsecrets/{secret.name}", "deletedDate": int(secret.deleted),
            "scheduledPurgeDate": int(secret.deleted) + 90 * 86_400}

    def page(self, found: list[Secret], path: str, query: dict[str, str]) -> dict:
        """In the order in which they were made; what is being recovered is not there yet."""
        size, token = query.get("maxresults", str(PAGE)), query.get("$skiptoken", "")
        if not re.fullmatch(r"\d{1,9}", size) or not 1 <= int(size) <= PAGE:
            raise Refusal(400, "BadParameter")
        try:
            after = int(base64.urlsafe_b64decode(token or "MA==").decode())
        except ValueError:
            raise Refusal(400, "BadParameter") from None
        behind = sorted((each for each in found if each.number > after and time.time() >= each.ready), key=lambda each: each.number)
        listed, link = behind[:int(size)], None
        if len(behind) > len(listed):
            marker = urllib.parse.quote(base64.urlsafe_b64encode(str(listed[-1].number).encode()).decode(), safe="")
            link = f"{self.address}{path}?api-version={query['api-version']}&$skiptoken={marker}&maxresults={size}"
        return {"value": [self.describe(each, None, named=False) for each in listed], "nextLink": link}

    def versions(self, secret: Secret, _: dict[str, str]) -> dict:
        return {"value": [self.describe(secret, each) for each in secret.versions], "nextLink": None}


class Entra:
    """Tokens for applications and for managed identities."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self.folder = address, folder
        self.tokens: dict[str, tuple[str, str, float]] = {}
        certificate = x509.load_pem_x509_certificate((folder / "app.pem").read_bytes())
        self.key = certificate.public_key()
        der = certificate.public_bytes(Encoding.DER)

        def thumbprint(digest: bytes) -> str:
            return base64.urlsafe_b64encode(digest).decode().rstrip("=")

        #: What signs an assertion, and what names the certificate in its header: Entra takes the older one too.
        self.algorithms = {
            "PS256": (padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32), "x5t#S256", thumbprint(hashlib.sha256(der).digest())),
            "RS256": (padding.PKCS1v15(), "x5t", thumbprint(hashlib.sha1(der).digest()))}

    def issue(self, role: str, resource: str) -> str:
        token = secrets.token_urlsafe(48)
        self.tokens[token] = (role, resource, time.time() + 3599)
        return token

    def role(self, authorization: str | None) -> str:
        role, resource, end = self.tokens.get((authorization or "").removeprefix("Bearer "), ("", "", 0))
        if resource != RESOURCE or time.time() >= end:
            raise Refusal(401, "Unauthorized", headers={
                "WWW-Authenticate": f'Bearer authorization="{self.address}/{TENANT}", resource="{RESOURCE}"'})
        return role

    def configuration(self, tenant: str) -> dict:
        return {"authorization_endpoint": f"{self.address}/{tenant}/oauth2/v2.0/authorize",
                "token_endpoint": f"{self.address}/{tenant}/oauth2/v2.0/token", "issuer": f"{self.address}/{tenant}/v2.0"}

    def grant(self, tenant: str, form: dict[str, str]) -> tuple[int, dict]:
        def no(status: int, word: str) -> tuple[int, dict]:
            return status, {"error": word, "error_description": f"AADSTS0: {form.get('client_id')}", "error_codes": [0]}

        if tenant != TENANT:
            return no(400, "invalid_request")
        if form.get("grant_type") != "client_credentials":
            return no(400, "unsupported_grant_type")
        if form.get("client_id") not in ROLES:
            return no(400, "unauthorized_client")
        if not form.get("scope", "").endswith("/.default"):
            return no(400, "invalid_scope")
        if not self.is_proven(form, f"{self.address}/{tenant}/oauth2/v2.0/token"):
            return no(401, "invalid_client")
        token = self.issue(form["client_id"], form["scope"].removesuffix("/.default"))
        return 200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}

    def is_proven(self, form: dict[str, str], audience: str) -> bool:
        if "client_secret" in form:
            return form["client_secret"] == SECRET
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION:
            return False
        return assertion == (self.folder / "subject").read_text().strip() or self.is_signed(assertion, audience, form["client_id"])

    def is_signed(self, assertion: str, audience: str, client: str) -> bool:
        def decode(part: str) -> bytes:
            return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

        try:
            head, claims, signature = assertion.split(".")
            header, said = json.loads(decode(head)), json.loads(decode(claims))
            scheme, member, digest = self.algorithms[header["alg"]]
            self.key.verify(decode(signature), f"{head}.{claims}".encode(), scheme, SHA256())
        except (ValueError, KeyError, InvalidSignature):
            return False
        now = time.time()
        return (header[member].rstrip("=") == digest and said["aud"] == audience
                and said["iss"] == said["sub"] == client and said.get("nbf", 0) - 300 <= now < said["exp"] <= now + 3600
                and len(said["jti"]) >= 16)

    def identity(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, dict]:
        """The metadata service's token, or App Service's: numbers are texts."""
        role, resource = query.get("client_id", "app"), query.get("resource", "")
        if path == "/metadata/identity/oauth2/token":
            if headers.get("metadata") != "true" or query.get("api-version") != "2018-02-01":
                return 400, {"error": "bad_request_102", "error_description": "Required metadata header not specified"}
            more = {"expires_in": "86399"}
        else:
            if headers.get("x-identity-header") != PROOF or query.get("api-version") != "2019-08-01":
                return 401, {"statusCode": 401, "message": "no"}
            more = {}
        if role not in ROLES:
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        return 200, {"access_token": self.issue(role, resource), "expires_on": str(int(time.time()) + 86_399),
                     "resource": resource, "token_type": "Bearer", "client_id": role} | more


class Service:
    def __init__(self, address: str, folder: Path) -> None:
        self.lock = threading.Lock()
        self.vault, self.entra = Vault(address), Entra(address, folder)
        self.requests: list[dict] = []
        #: Answers to give instead, each once: {"when": text in the request line, "status", "body", "headers"}.
        self.planned: list[dict] = []

    def control(self, name: str, body: dict) -> dict:
        match name:
            case "requests":
                found, self.requests = self.requests, []
                return {"requests": found}
            case "plan":
                self.planned.append(body)
            case "expire":
                self.entra.tokens.clear()
            case "delays":
                self.vault.delays = DELAYS | body
            case "roles":
                ROLES.update({role: set(granted) for role, granted in body.items()})
        return {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Service

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.service.lock:
            try:
                status, body, headers = self.respond(data)
            except Refusal as refusal:
                status, body, headers = refusal.status, refusal.body(), refusal.headers
            except (ValueError, KeyError, AttributeError):
                status, body, headers = 400, Refusal(400, "BadParameter").body(), {}
        content = b"" if status == 204 else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(content)),
                             "x-ms-request-id": secrets.token_hex(16)} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def respond(self, data: bytes) -> tuple[int, dict | bytes, dict[str, str]]:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if url.path.startswith("/_control/"):
            return 200, self.service.control(url.path.removeprefix("/_control/"), json.loads(data or b"{}")), {}
        self.service.requests.append({
            "method": self.command, "path": self.path, "headers": headers, "body": data.decode(errors="replace")})
        for plan in self.service.planned:
            if plan["when"] in f"{self.command} {self.path}":
                self.service.planned.remove(plan)
                return plan["status"], plan["body"].encode(), plan.get("headers", {})
        return *self.route(url.path, query, headers, data), {}

    def route(self, path: str, query: dict[str, str], headers: dict[str, str], data: bytes) -> tuple[int, dict]:
        entra = self.service.entra
        if path in ("/metadata/identity/oauth2/token", "/msi/token"):
            return entra.identity(path, query, headers)
        if found := re.fullmatch(r"/([^/]+)/oauth2/v2\.0/token", path):
            return entra.grant(found[1], dict(urllib.parse.parse_qsl(data.decode(), keep_blank_values=True)))
        if found := re.fullmatch(r"/([^/]+)/v2\.0/\.well-known/openid-configuration", path):
            return 200, entra.configuration(found[1])
        role = entra.role(headers.get("authorization"))
        return self.service.vault.call(self.command, path, query, json.loads(data or b"{}"), ROLES[role])


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def process_request_thread(self, request: object, client_address: object) -> None:
        """The handshake is done in the connection's own thread."""
        if self.tls is not None:
            try:
                request.settimeout(30)
                request = self.tls.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no fault."""


def main() -> None:
    secure, plain, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    Handler.service = Service(f"https://127.0.0.1:{secure}", folder)
    encrypted = Server(("127.0.0.1", secure), Handler)
    encrypted.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    encrypted.tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    threading.Thread(target=encrypted.serve_forever, daemon=True).start()
    Server(("127.0.0.1", plain), Handler).serve_forever()


if __name__ == "__main__":
    main()
