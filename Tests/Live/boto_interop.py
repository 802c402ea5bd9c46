"""What boto3 writes and AWSVault reads, and the other way round, in every format.

The names and values are agreed with Tests/CofferVaultsLiveTests/AWS/AWSInteropTests.swift.
"""

import base64
import json

PREFIX = "ai2-connectors"
#: Every byte value: what an envelope may hold.
ENVELOPE = bytes(range(256)) * 2
#: Made by the predecessor's own steps.
LEGACY = (
    "000102030405060708090a0b0c0d0e0f:43ef096e70d29336664ebc1447be5dbe:"
    "84f20393a01e0e14522362e821af335e7c407bdc981e6e2b9d56a75a5035b6f860ecc38d8f21")
CREDENTIAL = {"apiKey": "sk_123", "nested": {"text": 'a "quoted" ü ☃', "list": [1, 2.5, True, None]}, "big": 9007199254740991}


def sealed(data: bytes) -> str:
    return "coffer1:" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def write(secrets) -> None:
    """What the Swift tests are to find."""
    def create(name: str, **value: object) -> None:
        secrets.create_secret(Name=f"{PREFIX}/boto/{name}", **value)

    create("json", SecretString=json.dumps(CREDENTIAL, ensure_ascii=False))
    create("legacy", SecretString=LEGACY)
    create("sealed", SecretString=json.dumps(
        {"coffer": sealed(ENVELOPE), "version": "v7", "created": 1000, "updated": 2000, "expires": 0}))
    create("binary", SecretBinary=b"\x00\xff")
    create("scheduled", SecretString="{}")
    secrets.delete_secret(SecretId=f"{PREFIX}/boto/scheduled", RecoveryWindowInDays=7)


def check(secrets) -> None:
    """What the Swift tests left."""
    def get(name: str) -> str:
        return secrets.get_secret_value(SecretId=f"{PREFIX}/coffer/{name}")["SecretString"]

    assert json.loads(get("json")) == CREDENTIAL, f"the JSON record is {get('json')}"
    assert get("legacy") == LEGACY, f"the record in the predecessor's format is {get('legacy')}"
    record = json.loads(get("sealed"))
    assert set(record) == {"coffer", "version", "created", "updated", "expires"}, f"the sealed record is {record}"
    assert record["coffer"] == sealed(ENVELOPE) and record["version"] == "v1", f"the sealed record is {record}"
    assert record["created"] == record["updated"] > 1_700_000_000_000 and record["expires"] == 0, f"its times are {record}"
    described = secrets.describe_secret(SecretId=f"{PREFIX}/coffer/json")
    tags = {tag["Key"]: tag["Value"] for tag in described["Tags"]}
    assert tags == {"Service": PREFIX, "UserId": "coffer", "ConnectionId": "json"}, f"the tags are {tags}"
    text = "AI2 Connector credentials for user coffer, connection json"
    assert described["Description"] == text, f"the description is {described['Description']}"
    try:
        secrets.get_secret_value(SecretId=f"{PREFIX}/coffer/removed")
        raise AssertionError("the removed record is there")
    except secrets.exceptions.ResourceNotFoundException:
        pass
