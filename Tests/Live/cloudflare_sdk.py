"""Cloudflare's official SDK against the stand-in: the table of cases that Coffer passes too, and the requests of both."""

import base64
import email.parser
import email.policy
import hashlib
import json
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path

from cloudflare import APIStatusError, Cloudflare

CASES = json.loads((Path(__file__).parent / "cloudflare_cases.json").read_text())
PREFIX = "connectors"


class Fake:
    """The stand-in from outside."""

    def __init__(self, endpoint: str, account: str) -> None:
        self.endpoint, self.account = endpoint, account

    def client(self, token: str = "app-token") -> Cloudflare:
        return Cloudflare(api_token=token, base_url=f"{self.endpoint}/client/v4", max_retries=0)

    def control(self, path: str, body: dict | None = None) -> object:
        request = urllib.request.Request(
            f"{self.endpoint}/_fake/{path}", data=None if body is None else json.dumps(body).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.load(answer)

    def plan(self, step: dict, where: str) -> None:
        body = step.get("body") if "code" not in step else json.dumps(
            {"success": False, "errors": [{"code": step["code"], "message": "raw"}], "messages": [], "result": None})
        self.control("plan", {"match": f"{where}.*({step['match']})", "status": step["status"], "body": body or "",
                              "times": step["times"]})

    def namespace(self, title: str) -> str:
        return self.client().kv.namespaces.create(account_id=self.account, title=title).id


def told(call) -> object:
    """What a call gives, or the status that its refusal is to Coffer."""
    try:
        return call()
    except APIStatusError as error:
        codes = [each.code for each in getattr(error, "errors", None) or []]
        if 10009 in codes:
            return "absent"
        if {7003, 10013} & set(codes) or (1001 in codes and "store_not_found" in str(error)):
            return "FAILED_PRECONDITION"
        if 9109 in codes:
            return "UNAUTHENTICATED"
        if 1003 in codes and "exceeded" in str(error):
            return "RESOURCE_EXHAUSTED"
        if error.status_code >= 500:
            return "UNAVAILABLE"
        return {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
                429: "RESOURCE_EXHAUSTED"}[error.status_code]


class KV:
    """The steps of a case, as the SDK does them."""

    def __init__(self, fake: Fake, case: dict) -> None:
        self.fake = fake
        self.namespace = case.get("namespace") or fake.namespace(f"sdk {case['name']}")
        self.ids = {"account_id": case.get("account", fake.account), "namespace_id": self.namespace}
        self.kv = fake.client(case.get("token", "app-token")).kv.namespaces

    @staticmethod
    def key(user: str, connection: str) -> str:
        return f"{PREFIX}:{user}:{connection}"

    def do(self, step: dict) -> object:
        return told(lambda: getattr(self, step["do"])(step))

    def plan(self, step: dict) -> None:
        self.fake.plan(step, self.namespace)

    def write(self, key: str, text: str, **more: object) -> str:
        while True:
            try:
                self.kv.values.update(key, value=text.encode(), metadata=json.dumps({"createdAt": "now"}), **self.ids, **more)
                return "ok"
            except APIStatusError as error:
                # One write a second of a key.
                if error.status_code != 429:
                    raise
                time.sleep(float(error.response.headers["retry-after"]))

    def store(self, step: dict) -> str:
        more = {"expiration_ttl": step["ttl"]} if "ttl" in step else {}
        return self.write(self.key(step["user"], step["connection"]), step["text"], **more)

    def storeMany(self, step: dict) -> str:  # noqa: N802
        for number in range(step["count"]):
            self.write(self.key(step["user"], f"c{number}"), "{}")
        return "ok"

    def read(self, step: dict) -> str:
        return self.kv.values.get(self.key(step["user"], step["connection"]), **self.ids).read().decode()

    def readMany(self, step: dict) -> list:  # noqa: N802
        keys = [self.key(step["user"], connection) for connection in step["connections"]]
        answer = self.kv.bulk_get(keys=keys, type="text", with_metadata=True, **self.ids)
        return [answer.values[key] and dict(answer.values[key])["value"] for key in keys]

    def delete(self, step: dict) -> str:
        key = self.key(step["user"], step["connection"])
        for _ in range(2):
            try:
                self.kv.values.delete(key, **self.ids)
                return "ok"
            except APIStatusError as error:
                if error.status_code != 429:
                    raise
                time.sleep(float(error.response.headers["retry-after"]))
        return "not deleted"

    def listed(self, step: dict) -> list[str]:
        prefix = f"{PREFIX}:{step['user']}:"
        more = {"limit": step["pages"]} if "pages" in step else {}
        return [key.name.removeprefix(prefix) for key in self.kv.keys.list(prefix=prefix, **self.ids, **more)]

    def list(self, step: dict) -> object:
        names = self.listed(step)
        return len(names) if "pages" in step else names

    def expiry(self, step: dict) -> int:
        (key,) = self.kv.keys.list(prefix=self.key(step["user"], step["connection"]), **self.ids)
        left = key.expiration - time.time()
        return step["expect"] if step["expect"] - 30 < left <= step["expect"] + 1 else left


class Secrets:
    def __init__(self, fake: Fake, case: dict) -> None:
        self.fake = fake
        self.account = account_of(f"sdk {case['name']}")
        stores = fake.client().secrets_store.stores
        made = stores.create(account_id=self.account, name="default")
        self.ids = {"account_id": self.account, "store_id": case.get("store", made.id)}
        if "quota" in case:
            fake.control(f"quota?account={self.account}&quota={case['quota']}", {})
        self.secrets = fake.client(case.get("token", "app-token")).secrets_store.stores.secrets

    @staticmethod
    def name(step: dict) -> str:
        def part(text: str) -> str:
            return base64.b32encode(text.encode()).decode().rstrip("=").lower()

        return f"c-{part(step['user'])}-{part(step['connection'])}"

    def do(self, step: dict) -> object:
        return told(lambda: getattr(self, step["do"])(step))

    def find(self, name: str) -> str | None:
        found = self.secrets.list(**self.ids, search=name)
        return next((secret.id for secret in found if secret.name == name), None)

    def store(self, step: dict) -> str:
        name = self.name(step)
        if (id := self.find(name)) is None:
            (made,) = self.secrets.create(**self.ids, body=[{"name": name, "value": step["text"], "scopes": ["workers"]}])
            assert made.status == "pending", made
        else:
            self.secrets.edit(id, **self.ids, value=step["text"], scopes=["workers"])
        return "ok"

    def delete(self, step: dict) -> bool:
        id = self.find(self.name(step))
        if id is not None:
            self.secrets.delete(id, **self.ids)
        return id is not None

    def names(self, step: dict) -> list[str]:
        return sorted(secret.name for secret in self.secrets.list(**self.ids))


def account_of(text: str) -> str:
    """Another account for each text: there is one store in each."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def run_cases(fake: Fake) -> int:
    """Has the SDK pass every case. Raises AssertionError."""
    count = 0
    for kind, runner in (("kv", KV), ("secrets", Secrets)):
        for case in CASES[kind]:
            run = runner(fake, case)
            for step in case["steps"]:
                got = run.do(step)
                assert got == step.get("expect"), f"the SDK: {case['name']}: {step}: got {got!r}"
            count += 1
    return count


# MARK: What both send

CREDENTIAL = '{"apiKey":"s"}'
KEY = f"{PREFIX}:user123:conn456"
SECRET = "c-ovzwk4rrgizq-mnxw43rugu3a"

#: Everything in which a request of Coffer's differs from the SDK's for the same operation, and why.
DIFFERENCES = {
    ("read", "method"): "a bulk read of one key gives value, metadata and expiry at once; the SDK's read is of the value alone",
    ("read", "path"): "a bulk read names its keys in the body",
    ("read", "type"): "a bulk read has a body of JSON",
    ("read", "body"): "a bulk read names its keys in the body",
    ("read", "accept"): "a bulk read is answered in JSON, the SDK's read with the value's bytes",
    ("write", "path as sent"): "every byte that is not unreserved is encoded, as the API's reference asks; the SDK leaves : as it is",
    ("delete", "path as sent"): "as of a write",
    ("delete", "type"): "a request without a body says nothing of its type",
    ("delete secret", "type"): "a request without a body says nothing of its type",
    ("find secret", "query"): "pages are numbered and have 100 entries; the SDK asks for the first page without a number",
}


def plain(request: dict) -> dict:
    """What matters of a request, in one form for both."""
    kind = request["headers"].get("content-type", "").split(";")[0]
    body: object = base64.b64decode(request["body"])
    if kind == "multipart/form-data":
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            b"Content-Type: " + request["headers"]["content-type"].encode() + b"\r\n\r\n" + body)
        body = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
                for part in message.iter_parts()}
    elif kind == "application/json" and body:
        body = json.loads(body)
    else:
        body = body.decode()
    path = re.sub(r"[0-9a-f]{32}", "ID", request["path"])
    return {
        "method": request["method"], "path": urllib.parse.unquote(path), "path as sent": path,
        # Numbers are written with and without a fraction.
        "query": {name: value.removesuffix(".0") for name, value in request["query"].items()}, "type": kind,
        "authorization": request["headers"].get("authorization"), "accept": request["headers"].get("accept"), "body": body}


def operation(request: dict) -> str | None:
    """Which one a request of either belongs to; None = of none that is compared."""
    body = request["body"]
    match request["method"], request["path"].rpartition("/ID")[2]:
        case "POST", "/bulk/get":
            return "read" if len(body["keys"]) == 1 else "read many"
        case method, path if path.startswith("/values/"):
            return {"GET": "read", "PUT": "write", "DELETE": "delete"}[method]
        case "GET", "/keys":
            return "list"
        case "GET", "/secrets":
            return "find secret"
        case "POST", "/secrets":
            return "create secret"
        case "PATCH", "":
            return "replace secret"
        case "DELETE", "":
            return "delete secret"
    return None


def by_operation(fake: Fake, *ids: str) -> dict[str, dict]:
    """The first request of each operation in these namespaces and accounts."""
    found: dict[str, dict] = {}
    for id in ids:
        for request in map(plain, fake.control(f"requests?of={id}")):
            if (name := operation(request)) is not None:
                found.setdefault(name, request)
    return found


def ask_by_sdk(fake: Fake, metadata: str) -> tuple[str, str]:
    """Does what the Swift test `sendsWhatTheOfficialSDKSends` does; the namespace and the account."""
    namespace, account = fake.namespace("compared, the SDK"), account_of("compared, the SDK")
    ids = {"account_id": fake.account, "namespace_id": namespace}
    kv = fake.client().kv.namespaces
    kv.values.update(KEY, value=CREDENTIAL.encode(), metadata=metadata, expiration_ttl=3600, **ids)
    kv.values.get(KEY, **ids)
    kv.bulk_get(keys=[f"{PREFIX}:user123:absent", KEY], type="text", with_metadata=True, **ids)
    list(kv.keys.list(prefix=f"{PREFIX}:user123:", limit=100, **ids))
    time.sleep(1.1)
    kv.values.delete(KEY, **ids)
    stores = fake.client().secrets_store.stores
    ids = {"account_id": account, "store_id": stores.create(account_id=account, name="default").id}
    list(stores.secrets.list(search=SECRET, per_page=100, **ids))
    (made,) = stores.secrets.create(body=[{"name": SECRET, "value": "{}", "scopes": ["workers"]}], **ids)
    stores.secrets.edit(made.id, value='{"n":2}', scopes=["workers"], **ids)
    stores.secrets.delete(made.id, **ids)
    return namespace, account


def compare_requests(fake: Fake, namespace: str, account: str) -> int:
    """Coffer's requests in this namespace and account with the SDK's. Raises AssertionError."""
    ours = by_operation(fake, namespace, account)
    theirs = by_operation(fake, *ask_by_sdk(fake, ours["write"]["body"]["metadata"]))
    assert ours.keys() == theirs.keys(), f"Coffer did {sorted(ours)}, the SDK {sorted(theirs)}"
    assert len(ours) == 9, sorted(ours)
    found = {(name, part): (ours[name][part], theirs[name][part]) for name in ours for part in ours[name]
             if ours[name][part] != theirs[name][part] and (part != "path as sent" or ours[name]["path"] == theirs[name]["path"])}
    unargued = {difference: both for difference, both in found.items() if difference not in DIFFERENCES}
    assert not unargued, f"differences that nobody has argued: {unargued}"
    gone = DIFFERENCES.keys() - found.keys()
    assert not gone, f"differences that there are no more: {sorted(gone)}"
    return len(ours)
