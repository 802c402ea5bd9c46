"""AWS Secrets Manager: MiniStack, and moto for what lags."""

import json
from collections.abc import Callable
from pathlib import Path

import aws
import lagging
from botocore.exceptions import ClientError
from entry import Entry, Lack, Refusal, refuses_settings
from faults import Fault, answer
from harness import Status, SystemTest
from stage import secret_file

#: As AWS says it: MiniStack's tokens last for 15 minutes at least.
EXPIRED = Fault("expired", answer=answer(
    "400 Bad Request", json.dumps({"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"}),
    "application/x-amz-json-1.1", "x-amzn-ErrorType: ExpiredTokenException"))


class AWS(Entry):
    name = "aws"
    advice = {
        Status.UNAUTHENTICATED: "Check that the access key, profile or role",
        Status.PERMISSION_DENIED: "IAM policy lets it create, read, update and delete secrets",
    }
    lacks = {"nodes": Lack("one address, behind which the service has its nodes", refuses_settings(
        "aws", "nodes: ['https://127.0.0.1:1']", "endpoints: ['https://127.0.0.1:1']"))}
    room = 65_086
    longest_ids = {"u": 248, "ü": 41}
    limit_of_names = "at most 512"

    def __init__(self) -> None:
        self.backend = aws.AWS()

    def start(self, folder: Path) -> None:
        self.folder = folder
        self.backend.start(folder)
        self.port = int(self.backend.endpoint.rpartition(":")[2])
        key, secret = self.backend.users["app"]
        self.env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
                    "AWS_SHARED_CREDENTIALS_FILE": str(folder / "profiles")}
        self.profiles: dict[str, tuple[str, str]] = {}
        self.secrets = aws.client("secretsmanager", self.backend.endpoint, aws.ROOT)
        self.iam = aws.client("iam", self.backend.endpoint, aws.ROOT)

    def stop(self) -> None:
        self.backend.stop()

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        return {"type": "aws", "region": aws.REGION, "endpoint": f"http://127.0.0.1:{port or self.port}"} | changes

    def put(self, name: str, text: str) -> None:
        try:
            self.secrets.put_secret_value(SecretId=name, SecretString=text)
        except ClientError:
            self.secrets.create_secret(Name=name, SecretString=text)

    def fetch(self, name: str) -> str | None:
        return self.secrets.get_secret_value(SecretId=name)["SecretString"]

    def foreign(self, user: str) -> list[str]:
        return ["another/program", "ai2-connectors/README", f"ai2-connectors/{user}/c/deeper", f"ai2-connectors/{user}x"]

    def profile(self, name: str, key: str, secret: str) -> None:
        self.profiles[name] = key, secret
        secret_file(self.folder / "profiles", "".join(
            f"[{each}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
            for each, (key, secret) in self.profiles.items()))

    def refused(self, kind: str) -> Refusal:
        if kind == "expired":
            tap = self.tap()
            tap.put(EXPIRED)
            return Refusal(self.section(tap.port), Status.UNAUTHENTICATED, "session token has expired", tap.lift)
        if kind == "wrong":
            key, secret = self.backend.users["app"]
            self.profile(kind, key, "w" * 40)
            return Refusal(self.section(profile=kind), Status.UNAUTHENTICATED, "signature is not accepted; check the secret access key",
                           lambda: self.profile(kind, key, secret), reloads=True)
        user = {"forbidden": "nobody", "reader": "reader"}[kind]
        self.profile(kind, *self.backend.users[user])
        policy = json.dumps({"Version": "2012-10-17", "Statement": [aws.allow(aws.ACTIONS, aws.RESOURCE)]})
        return Refusal(self.section(profile=kind), Status.PERMISSION_DENIED, "access was denied; check the IAM policy",
                       lambda: self.iam.put_user_policy(UserName=user, PolicyName="coffer", PolicyDocument=policy))

    def lagging(self, test: SystemTest) -> tuple[dict[str, object], dict[str, str], Callable[[str, str], object]]:
        proxy = lagging.LaggingProxy(int(self.backend.moto.rpartition(":")[2]))
        test.addCleanup(proxy.stop)
        proxy.lag = 0.6

        def shown(user: str, connection: str) -> object:
            return proxy.answer(lagging.GET, json.dumps({"SecretId": self.name_of(user, connection)}).encode())

        return {"type": "aws", "region": aws.REGION, "endpoint": proxy.endpoint}, {}, shown
