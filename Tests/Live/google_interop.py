"""Google's own client: it passes google_cases.json, shows the requests it sends, and shares records with GoogleVault.

The names and values are agreed with Tests/CofferVaultsLiveTests/Google.
"""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import google_crc32c
from google.api_core.exceptions import GoogleAPICallError
from google.auth import identity_pool
from google.auth.transport.requests import Request
from google.cloud import secretmanager_v1
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceRestTransport
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

CASES = Path(__file__).with_name("google_cases.json")
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
PROJECT, PREFIX = "coffer-live", "ai2-connectors"
CREDENTIAL = {"apiKey": "sk_123", "nested": {"text": 'a "quoted" ü ☃', "list": [1, 2.5, True, None]}, "big": 9007199254740991}
METADATA = """import sys
from google.auth import compute_engine
from google.auth.transport.requests import Request
compute_engine.Credentials(scopes=sys.argv[1:]).refresh(Request())
"""
#: Every byte value: what an envelope may hold.
ENVELOPE = bytes(range(256)) * 2


def base32(text: str) -> str:
    return base64.b32encode(text.encode()).decode().lower().rstrip("=")


def name_of(prefix: str, user: str, connection: str) -> str:
    """As GoogleNames has it, for ids that are not too long."""
    return f"{prefix}-{base32(user)}-{base32(connection)}"


class SDK:
    """Google's client with one account, on the server that is given."""

    def __init__(self, endpoint: str, account: object) -> None:
        # Without a token of its own that it signs itself: those go to the token server here.
        transport = SecretManagerServiceRestTransport(
            host=endpoint.removeprefix("http://"), url_scheme="http", credentials=account, always_use_jwt_access=False)
        self.client = secretmanager_v1.SecretManagerServiceClient(transport=transport)


def account(folder: Path, role: str):
    return service_account.Credentials.from_service_account_file(str(folder / f"{role}.json"), scopes=SCOPES)


def status(error: GoogleAPICallError) -> str:
    return error.response.json()["error"]["status"]


# The cases

class Records:
    """What the adapter does, in the client's own calls."""

    def __init__(self, client, admin, case: dict, user: str) -> None:
        self.client, self.admin, self.user = client, admin, user
        location = f"/locations/{case['location']}" if "location" in case else ""
        self.parent = f"projects/{case.get('project', PROJECT)}{location}"
        self.replication = {} if location else {"replication": {"automatic": {}}}

    def path(self, connection: str) -> str:
        return f"{self.parent}/secrets/{name_of('sdk-cases', self.user, connection)}"

    def create(self, connection: str) -> str:
        self.client.create_secret(
            parent=self.parent, secret_id=self.path(connection).rpartition("/")[2], secret=self.replication)
        return "ok"

    def store(self, connection: str, text: str) -> str:
        data = text.encode()
        payload = {"data": data, "data_crc32c": google_crc32c.value(data)}
        try:
            self.client.add_secret_version(parent=self.path(connection), payload=payload)
        except GoogleAPICallError as error:
            if status(error) != "NOT_FOUND":
                raise
            self.create(connection)
            self.client.add_secret_version(parent=self.path(connection), payload=payload)
        return "ok"

    def get(self, connection: str) -> str | None:
        try:
            payload = self.client.access_secret_version(name=f"{self.path(connection)}/versions/latest").payload
        except GoogleAPICallError as error:
            if status(error) == "NOT_FOUND":
                return None
            raise
        assert payload.data_crc32c == google_crc32c.value(payload.data), "the checksum is wrong"
        return payload.data.decode()

    def delete(self, connection: str) -> bool:
        try:
            self.client.delete_secret(name=self.path(connection))
        except GoogleAPICallError as error:
            if status(error) == "NOT_FOUND":
                return False
            raise
        return True

    def list(self) -> list[str]:
        start = f"sdk-cases-{base32(self.user)}-"
        found = self.client.list_secrets(request={"parent": self.parent, "filter": f"name:{start}", "page_size": 2})
        parts = [secret.name.rpartition("/")[2].removeprefix(start).upper() for secret in found]
        return sorted(base64.b32decode(part + "=" * (-len(part) % 8)).decode() for part in parts)

    def _state(self, method: str, connection: str) -> str:
        versions = self.admin.list_secret_versions(parent=self.path(connection))
        getattr(self.admin, f"{method}_secret_version")(name=next(iter(versions)).name)
        return "ok"

    def disable(self, connection: str) -> str:
        return self._state("disable", connection)

    def enable(self, connection: str) -> str:
        return self._state("enable", connection)

    def destroy(self, connection: str) -> str:
        return self._state("destroy", connection)


def expand(value: object) -> object:
    """A text that is repeated is ["x", 65536] in the table."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int):
        return value[0] * value[1]
    return value.get("sdk") if isinstance(value, dict) else value


def check_cases(endpoint: str, folder: Path) -> int:
    admin = SDK(endpoint, account(folder, "admin")).client
    cases = json.loads(CASES.read_text())
    for number, case in enumerate(cases):
        client = SDK(endpoint, account(folder, case.get("account", "app"))).client
        records = Records(client, admin, case, f"case {number}")
        for action, *arguments, expected in case["steps"]:
            try:
                found = getattr(records, action)(*map(expand, arguments))
            except GoogleAPICallError as error:
                found = status(error)
            assert found == expand(expected), f"{case['name']}: {action} gave {str(found)[:100]}, not {str(expand(expected))[:100]}"
    return len(cases)


# What the client sends

def requests(endpoint: str) -> list[dict]:
    """What the server got since the last time."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(f"{endpoint}/_control/requests", data=b"{}"), timeout=10) as answer:
        return json.load(answer)["requests"]


def sent(endpoint: str, folder: Path) -> dict[str, dict]:
    """The request of each operation, by its name."""
    client = SDK(endpoint, account(folder, "app")).client
    parent, user, data = f"projects/{PROJECT}", "sdk", b'{"apiKey":"sk_123","secret":"sec_456"}'
    name = name_of(PREFIX, user, "requests")
    path, payload = f"{parent}/secrets/{name}", {"data": data, "data_crc32c": google_crc32c.value(data)}
    start = f"{PREFIX}-{base32(user)}-"
    secret = {"replication": {"automatic": {}}, "labels": {"managed-by": "coffer"},
              "annotations": {"coffer-user": user, "coffer-connection": "requests"}}
    operations = {
        "create": lambda: client.create_secret(parent=parent, secret_id=name, secret=secret),
        "addVersion": lambda: client.add_secret_version(parent=path, payload=payload),
        "access": lambda: client.access_secret_version(name=f"{path}/versions/latest"),
        "accessNumber": lambda: client.access_secret_version(name=f"{path}/versions/1"),
        "getVersion": lambda: client.get_secret_version(name=f"{path}/versions/1"),
        "get": lambda: client.get_secret(name=path),
        "list": lambda: client.list_secrets(request={"parent": parent, "filter": f"name:{start}", "page_size": 7}),
        "destroy": lambda: client.destroy_secret_version(request={
            "name": f"{path}/versions/1", "etag": client.get_secret_version(name=f"{path}/versions/1").etag}),
        "delete": lambda: client.delete_secret(name=path),
    }
    found = {}
    requests(endpoint)
    for operation, run in operations.items():
        run()
        # The first one logs in before.
        found[operation] = requests(endpoint)[-1]
    regional = "projects/coffer-live/locations/europe-west3"
    client.create_secret(parent=regional, secret_id=name, secret={"labels": secret["labels"], "annotations": secret["annotations"]})
    found["createRegional"] = requests(endpoint)[-1]
    client.delete_secret(name=f"{regional}/secrets/{name}")
    return found | logins(endpoint, folder)


def logins(endpoint: str, folder: Path) -> dict[str, dict]:
    found = {}
    requests(endpoint)
    account(folder, "app").refresh(Request())
    found["token"] = requests(endpoint)[-1]
    identity_pool.Credentials.from_file(str(folder / "federation.json"), scopes=SCOPES).refresh(Request())
    found["exchange"], found["impersonate"] = requests(endpoint)[-2:]
    # The file's own address is not read by this client.
    user = json.loads((folder / "user.json").read_text())
    user_credentials.Credentials(
        None, refresh_token=user["refresh_token"], client_id=user["client_id"], client_secret=user["client_secret"],
        token_uri=user["token_uri"]).refresh(Request())
    found["refresh"] = requests(endpoint)[-1]
    # Where the metadata server is, this client reads once, when it is loaded.
    subprocess.run(
        [sys.executable, "-c", METADATA, SCOPES[0]], check=True, timeout=60,
        env=os.environ | {"GCE_METADATA_HOST": endpoint.removeprefix("http://"), "GCE_METADATA_IP": endpoint.removeprefix("http://")})
    found["metadata"] = requests(endpoint)[-1]
    return found


# Records that are shared

def sealed(data: bytes) -> str:
    return "coffer1:" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def write(endpoint: str, folder: Path) -> None:
    """What the Swift tests are to find."""
    client = SDK(endpoint, account(folder, "app")).client
    document = {"coffer": sealed(ENVELOPE), "version": "v7", "created": 1000, "updated": 2000, "expires": 0}
    for connection, text in (("json", json.dumps(CREDENTIAL, ensure_ascii=False)), ("sealed", json.dumps(document))):
        secret_id = name_of(PREFIX, "sdk", connection)
        client.create_secret(
            parent=f"projects/{PROJECT}", secret_id=secret_id, secret={"replication": {"automatic": {}}})
        client.add_secret_version(parent=f"projects/{PROJECT}/secrets/{secret_id}", payload={"data": text.encode()})


def check(endpoint: str, folder: Path) -> None:
    """What the Swift tests left."""
    client = SDK(endpoint, account(folder, "app")).client

    def path(connection: str) -> str:
        return f"projects/{PROJECT}/secrets/{name_of(PREFIX, 'coffer', connection)}"

    def get(connection: str) -> bytes:
        payload = client.access_secret_version(name=f"{path(connection)}/versions/latest").payload
        assert payload.data_crc32c == google_crc32c.value(payload.data), f"the checksum of {connection} is wrong"
        return payload.data

    assert json.loads(get("json")) == CREDENTIAL, f"the JSON record is {get('json')}"
    record = json.loads(get("sealed"))
    assert set(record) == {"coffer", "version", "created", "updated", "expires"}, f"the sealed record is {record}"
    assert record["coffer"] == sealed(ENVELOPE) and record["version"] == "v1", f"the sealed record is {record}"
    version = client.get_secret_version(name=f"{path('json')}/versions/latest")
    assert version.client_specified_payload_checksum, "a version was written without a checksum"
    secret = client.get_secret(name=path("json"))
    assert secret.labels == {"managed-by": "coffer"}, f"the labels are {secret.labels}"
    assert secret.annotations == {"coffer-user": "coffer", "coffer-connection": "json"}, f"the annotations are {secret.annotations}"
    assert not secret.expire_time, "a secret has an expiry of its own"
    try:
        client.get_secret(name=path("removed"))
        raise AssertionError("the removed record is there")
    except GoogleAPICallError as error:
        assert status(error) == "NOT_FOUND", error
