"""Microsoft's own client: it passes azure_cases.json, shows the requests it sends, and shares records with AzureVault.

The names and values are agreed with Tests/CofferVaultsLiveTests/Azure.
"""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import fake_azure
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import CertificateCredential, ClientSecretCredential, WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient

CASES = Path(__file__).with_name("azure_cases.json")
PREFIX = "c"
CREDENTIAL = {"apiKey": "sk_123", "nested": {"text": 'a "quoted" ü ☃', "list": [1, 2.5, True, None]}, "big": 9007199254740991}
#: Every byte value: what an envelope may hold.
ENVELOPE = bytes(range(256)) * 2
EXPIRES = datetime(2040, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
#: A program of its own: where a host's identity comes from is in the environment.
IDENTITY = """import os, sys
from azure.identity import ManagedIdentityCredential
ManagedIdentityCredential(client_id=sys.argv[2] or None).get_token(sys.argv[1])
"""


class Place:
    """Where the stand-in is, as the client is told."""

    def __init__(self, address: str, plain: str, folder: Path) -> None:
        self.address, self.plain, self.folder = address, plain, folder
        self.ca = str(folder / "ca.pem")

    def entra(self, tenant: str) -> dict:
        return {"authority": self.address, "disable_instance_discovery": True, "connection_verify": self.ca, "tenant_id": tenant,
                "retry_total": 0}

    def secret(self, client: str, tenant: str = fake_azure.TENANT) -> ClientSecretCredential:
        return ClientSecretCredential(client_id=client, client_secret=fake_azure.SECRET, **self.entra(tenant))

    def vault(self, credential: object) -> SecretClient:
        """Of the version that the adapter asks for."""
        return SecretClient(self.address, credential, api_version="7.4", verify_challenge_resource=False,
                            connection_verify=self.ca, retry_total=0)

    def control(self, name: str, body: dict | None = None) -> dict:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"{self.plain}/_control/{name}", data=json.dumps(body or {}).encode())
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def requests(self) -> list[dict]:
        """What the server got since the last time."""
        return self.control("requests")["requests"]


def base32(text: str) -> str:
    return base64.b32encode(text.encode()).decode().lower().rstrip("=")


def name_of(prefix: str, user: str, connection: str) -> str:
    """As the adapter has it, for ids that are not too long."""
    return f"{prefix}-{base32(user)}-{base32(connection)}"


def code(error: HttpResponseError) -> str | None:
    """The inner code of a refusal."""
    return ((error.response.json().get("error") or {}).get("innererror") or {}).get("code")


def status(error: AzureError) -> str:
    """What the refusal is to Coffer."""
    if not isinstance(error, HttpResponseError) or error.response is None or error.status_code == 401:
        return "UNAUTHENTICATED"
    if code(error) == "SecretDisabled":
        return "FAILED_PRECONDITION"
    if error.status_code == 400 and "oauth2" in error.response.request.url:
        return "UNAUTHENTICATED"
    return {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED"}[error.status_code]


# The cases

class Records:
    """What the adapter does, in the client's own calls."""

    def __init__(self, place: Place, case: dict, user: str) -> None:
        self.client = place.vault(place.secret(case.get("account", "app"), case.get("tenant", fake_azure.TENANT)))
        self.deleted, self.user = case.get("deleted", "recover"), user

    def name(self, connection: str) -> str:
        return name_of("sdk", self.user, connection)

    def store(self, connection: str, text: str) -> str:
        name, isfreed = self.name(connection), False
        for _ in range(50):
            try:
                self.client.set_secret(name, text)
                return "ok"
            except ResourceExistsError as error:
                if code(error) == "ObjectIsDeletedButRecoverable" and not isfreed:
                    if self.deleted == "recover":
                        self.client.begin_recover_deleted_secret(name)
                    else:
                        self.client.purge_deleted_secret(name)
                    isfreed = True
            time.sleep(0.1)
        return "ABORTED"

    def get(self, connection: str) -> str | None:
        try:
            return self.client.get_secret(self.name(connection)).value
        except ResourceNotFoundError:
            return None

    def delete(self, connection: str) -> bool:
        try:
            self.client.begin_delete_secret(self.name(connection))
        except ResourceNotFoundError:
            return False
        return True

    def list(self) -> list[str]:
        start = f"sdk-{base32(self.user)}-"
        found = [each.name for each in self.client.list_properties_of_secrets(max_page_size=2)]
        parts = [name.removeprefix(start).upper() for name in found if name.startswith(start)]
        return sorted(base64.b32decode(part + "=" * (-len(part) % 8)).decode() for part in parts)

    def disable(self, connection: str) -> str:
        self.client.update_secret_properties(self.name(connection), enabled=False)
        return "ok"

    def enable(self, connection: str) -> str:
        self.client.update_secret_properties(self.name(connection), enabled=True)
        return "ok"


def expand(value: object) -> object:
    """A text that is repeated is ["x", 25600] in the table."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int):
        return value[0] * value[1]
    return value


def check_cases(place: Place) -> int:
    cases = json.loads(CASES.read_text())
    for number, case in enumerate(cases):
        records = Records(place, case, f"case {number}")
        for action, *arguments, expected in case["steps"]:
            try:
                found = getattr(records, action)(*map(expand, arguments))
            except AzureError as error:
                found = status(error)
            assert found == expand(expected), f"{case['name']}: {action} gave {str(found)[:100]}, not {str(expand(expected))[:100]}"
    return len(cases)


# What the client sends

def sent(place: Place) -> dict[str, list[dict]]:
    """The requests of each operation, by its name."""
    client = place.vault(place.secret("purger"))
    name = name_of(PREFIX, "sdk", "requests")
    tags = {"coffer-user": "sdk", "coffer-connection": "requests", "coffer-created": "1", "coffer-updated": "1",
            "coffer-expires": str(int(EXPIRES.timestamp()) * 1000)}
    found = {}

    def record(operation: str, run: object) -> None:
        place.requests()
        run()
        found[operation] = place.requests()

    def wait(run: object) -> None:
        for _ in range(50):
            try:
                return run()
            except HttpResponseError:
                time.sleep(0.1)
        raise AssertionError("the stand-in did not do it in time")

    # Without a challenge that it has met, the client asks without a token first.
    record("first", lambda: list(client.list_properties_of_secrets(max_page_size=1)))
    record("set", lambda: client.set_secret(
        name, '{"apiKey":"sk_123","secret":"sec_456"}', enabled=True, content_type="application/json", tags=tags, expires_on=EXPIRES))
    record("get", lambda: client.get_secret(name))
    record("list", lambda: next(client.list_properties_of_secrets(max_page_size=7).by_page()))
    record("mark", lambda: client.update_secret_properties(name, content_type="application/vnd.coffer.removed"))
    record("delete", lambda: client.begin_delete_secret(name))
    record("recover", lambda: wait(lambda: client.begin_recover_deleted_secret(name)))
    wait(lambda: client.begin_delete_secret(name))
    record("purge", lambda: wait(lambda: client.purge_deleted_secret(name)))
    return found | logins(place)


def logins(place: Place) -> dict[str, list[dict]]:
    found = {}
    scope = fake_azure.RESOURCE + "/.default"
    entra = place.entra(fake_azure.TENANT)
    credentials = {
        "secret": place.secret("app"),
        "certificate": CertificateCredential(client_id="app", certificate_path=str(place.folder / "app-key.pem"), **entra),
        "federation": WorkloadIdentityCredential(client_id="app", token_file_path=str(place.folder / "subject"), **entra)}
    place.requests()
    for operation, credential in credentials.items():
        credential.get_token(scope)
        found[operation] = place.requests()
    hosts = {"machine": ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": place.plain}, "purger"),
             "app-service": ({"IDENTITY_ENDPOINT": f"{place.plain}/msi/token", "IDENTITY_HEADER": fake_azure.PROOF}, "")}
    for operation, (variables, client) in hosts.items():
        subprocess.run([sys.executable, "-c", IDENTITY, scope, client], check=True, timeout=60, env=os.environ | variables)
        found[operation] = place.requests()
    return found


# The comparison

#: Everything in which a request of Coffer's differs from this client's for the same operation, and why.
DIFFERENCES = {
    ("purge", "accept"): "the answer to a purge has no body; a refusal of it is JSON",
    ("secret", "body client_info"): "asks for ids of the account, which nobody here needs",
    ("certificate", "body client_info"): "as of a secret",
    ("certificate", "assertion header"): "PS256 with a certificate's SHA-256, where this client still signs by RS256 and names SHA-1",
    ("certificate", "assertion claims"): "whole seconds, and nbf in place of iat",
    ("federation", "accept"): "Entra answers in JSON whatever is asked for; this client asks for it elsewhere",
    ("app-service", "metadata"): "the header is the metadata service's; App Service asks for its own",
}
TIMES = ("coffer-created", "coffer-updated")


def plain(request: dict) -> dict:
    """What matters of a request, in one form for both."""
    url, headers = urllib.parse.urlsplit(request["path"]), request["headers"]
    found = {"method": request["method"], "path": url.path} | {
        f"query {name}": value for name, value in urllib.parse.parse_qsl(url.query)}
    found |= {name: headers.get(name) for name in ("content-type", "metadata", "x-identity-header")}
    found["authorization"] = headers.get("authorization", "").partition(" ")[0]
    # That anything is accepted is what no header says too.
    found["accept"] = headers.get("accept", "*/*")
    if headers.get("content-type") == "application/x-www-form-urlencoded":
        form = dict(urllib.parse.parse_qsl(request["body"]))
        if len(parts := form.get("client_assertion", "").split(".")) == 3 and parts[0] != "a":
            header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2])
            found["assertion header"], found["assertion claims"] = sorted(header.items())[:1], sorted(claims)
            del form["client_assertion"]
        return found | {f"body {name}": value for name, value in form.items()}
    body = json.loads(request["body"] or "{}")
    body["tags"] = {name: "TIME" if name in TIMES else value for name, value in body.get("tags", {}).items()}
    return found | {"body": body}


def compare(place: Place) -> int:
    """Coffer's requests, as the Swift tests left them, with this client's. Raises AssertionError."""
    theirs = {name: plain(each[-1]) for name, each in json.loads((place.folder / "requests.json").read_text()).items()}
    del theirs["first"]
    ours = {name: plain(each) for name, each in json.loads((place.folder / "ours.json").read_text()).items()}
    assert ours.keys() == theirs.keys(), f"Coffer did {sorted(ours)}, the client {sorted(theirs)}"
    found = {(name, part): (ours[name].get(part), theirs[name].get(part)) for name in ours
             for part in ours[name].keys() | theirs[name].keys() if ours[name].get(part) != theirs[name].get(part)}
    unargued = {difference: both for difference, both in found.items() if difference not in DIFFERENCES}
    assert not unargued, f"differences that nobody has argued: {unargued}"
    gone = DIFFERENCES.keys() - found.keys()
    assert not gone, f"differences that there are no more: {sorted(gone)}"
    return len(ours)


# Records that are shared

def sealed(data: bytes) -> str:
    return "coffer1:" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def write(place: Place) -> None:
    """What the Swift tests are to find."""
    client = place.vault(place.secret("app"))
    document = {"coffer": sealed(ENVELOPE), "version": "v7", "created": 1000, "updated": 2000, "expires": 0}
    client.set_secret(name_of(PREFIX, "sdk", "json"), json.dumps(CREDENTIAL, ensure_ascii=False), expires_on=EXPIRES)
    client.set_secret(name_of(PREFIX, "sdk", "sealed"), json.dumps(document))


def check(place: Place) -> None:
    """What the Swift tests left."""
    client = place.vault(place.secret("app"))

    def get(connection: str):
        return client.get_secret(name_of(PREFIX, "coffer", connection))

    secret = get("json")
    assert json.loads(secret.value) == CREDENTIAL, f"the JSON record is {secret.value}"
    properties = secret.properties
    assert properties.content_type == "application/json" and properties.enabled, properties.content_type
    assert properties.tags["coffer-user"] == "coffer" and properties.tags["coffer-connection"] == "json", properties.tags
    assert properties.expires_on == EXPIRES, f"the record expires {properties.expires_on}"
    record = json.loads(get("sealed").value)
    assert set(record) == {"coffer", "version", "created", "updated", "expires"}, f"the sealed record is {record}"
    assert record["coffer"] == sealed(ENVELOPE) and record["version"] == "v1", f"the sealed record is {record}"
    try:
        get("removed")
        raise AssertionError("the removed record is there")
    except ResourceNotFoundError:
        pass
    removed = client.get_deleted_secret(name_of(PREFIX, "coffer", "removed"))
    assert removed.properties.content_type == "application/vnd.coffer.removed", removed.properties.content_type
