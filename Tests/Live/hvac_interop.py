"""What hvac writes and HashiCorpVault reads, and the other way round, in every format.

The names and values are agreed with Tests/CofferVaultsLiveTests/HashiCorp/HvacTests.swift.
"""

import base64

import hvac

FOLDER = "ai2-connectors"
#: Every byte value: what an envelope may hold.
ENVELOPE = bytes(range(256)) * 2
#: Made by the predecessor's own steps; see vault-independent vectors in LegacyFormatTests.
LEGACY = (
    "000102030405060708090a0b0c0d0e0f:43ef096e70d29336664ebc1447be5dbe:"
    "84f20393a01e0e14522362e821af335e7c407bdc981e6e2b9d56a75a5035b6f860ecc38d8f21")
CREDENTIAL = {"apiKey": "sk_123", "nested": {"text": "a \"quoted\" ü ☃", "list": [1, 2.5, True, None]}, "big": 9007199254740991}


def client(address: str, ca: str, token: str) -> hvac.Client:
    return hvac.Client(url=address, token=token, verify=ca)


def sealed(data: bytes) -> str:
    return "coffer1:" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def write(address: str, ca: str, token: str) -> None:
    """What the Swift tests are to find."""
    kv = client(address, ca, token).secrets.kv.v2

    def put(name: str, secret: dict) -> None:
        kv.create_or_update_secret(path=f"{FOLDER}/hvac/{name}", secret=secret)

    put("json", CREDENTIAL)
    put("legacy", {"coffer": LEGACY})
    put("sealed", {"coffer": sealed(ENVELOPE), "version": "v7", "created": 1000, "updated": 2000, "expires": 0})
    put("deleted", {"apiKey": "old"})
    kv.delete_latest_version_of_secret(path=f"{FOLDER}/hvac/deleted")
    put("destroyed", {"apiKey": "old"})
    kv.destroy_secret_versions(path=f"{FOLDER}/hvac/destroyed", versions=[1])
    # A name that Coffer would have escaped, and one that none of its records can have.
    kv.create_or_update_secret(path=f"{FOLDER}/hvac/not plain", secret={"apiKey": "x"})
    kv.create_or_update_secret(path=f"{FOLDER}/hvac/not..ours", secret={"apiKey": "x"})


def check(address: str, ca: str, token: str) -> None:
    """What the Swift tests left."""
    kv = client(address, ca, token).secrets.kv.v2

    def get(name: str) -> tuple[dict, dict]:
        answer = kv.read_secret_version(path=f"{FOLDER}/coffer/{name}", raise_on_deleted_version=True)
        return answer["data"]["data"], answer["data"]["metadata"]

    data, metadata = get("json")
    assert data == CREDENTIAL, f"the JSON record is {data}"
    custom = metadata["custom_metadata"]
    assert custom["user"] == "coffer" and custom["connection"] == "json", f"the custom metadata is {custom}"
    assert custom["created"].endswith("Z"), f"created is {custom['created']}"
    data, _ = get("legacy")
    assert data == {"coffer": LEGACY}, f"the record in the predecessor's format is {data}"
    data, _ = get("sealed")
    assert data["coffer"] == sealed(ENVELOPE), "the envelope came back changed"
    assert data["version"] == "v8" and data["expires"] == 0, f"beside the envelope stands {sorted(data)}"
    data, _ = get("Zo=C3=AB=3A.x=2E")
    assert data == CREDENTIAL, "an escaped name leads to another record"
    for gone in ("removed", "removed-by-version"):
        try:
            get(gone)
        except hvac.exceptions.InvalidPath:
            continue
        raise AssertionError(f"{gone} is still there")
    try:
        kv.read_secret_version(path=f"{FOLDER}/coffer/removed-by-version", version=1, raise_on_deleted_version=True)
    except hvac.exceptions.InvalidPath:
        return
    raise AssertionError("an old version of a removed record can be read")
