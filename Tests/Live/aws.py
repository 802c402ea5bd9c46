"""MiniStack and moto, set up as the live tests of AWSVault expect them.

MiniStack checks signatures and policies and is the first choice; moto is asked
where MiniStack does what AWS does not (Tests/CofferVaultsLiveTests/AWS says where).
"""

import base64
import json
import sys
import urllib.request
from pathlib import Path

import boto3
import boto_interop
import botocore_vectors
from botocore.config import Config
from servers import Backend, Process, free_ports

REGION = "eu-central-1"
#: The keys that MiniStack lets do everything without looking at signatures.
ROOT = ("test", "test")
RESOURCE = "arn:aws:secretsmanager:*:*:secret:ai2-connectors/*"
#: What the manual's page asks for.
ACTIONS = ["GetSecretValue", "PutSecretValue", "CreateSecret", "TagResource", "DescribeSecret", "DeleteSecret", "RestoreSecret"]


def client(service: str, endpoint: str, keys: tuple[str, str]):
    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
        config=Config(retries={"total_max_attempts": 1}, proxies={}))


def allow(actions: list[str], resource: str) -> dict:
    return {"Effect": "Allow", "Action": [f"secretsmanager:{action}" for action in actions], "Resource": resource}


def start(command: list[str], log: Path, probe: str) -> Process:
    """Runs a server, and waits until `probe` answers 200."""
    process = Process(command, log)

    def is_ready() -> bool:
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return opener.open(probe, timeout=1).status == 200
        except OSError:
            return False

    try:
        process.wait_until(is_ready)
    except BaseException:
        process.stop()
        raise
    return process


def start_ministack(folder: Path, port: int) -> Process:
    settings = ["AUTH=true", "BIND_HOST=127.0.0.1", f"GATEWAY_PORT={port}", "MINISTACK_IMDS_V2_REQUIRED=1", "LOG_LEVEL=WARNING"]
    # env runs the program in its own place, so the process that is stopped is the server.
    return start(["env", *settings, str(Path(sys.executable).parent / "ministack")], folder / "ministack.log",
                 f"http://127.0.0.1:{port}/_ministack/health")


class AWS(Backend):
    name = "aws"
    folder_of_tests = "AWS"

    def __init__(self) -> None:
        self.processes: list[Process] = []

    def start(self, folder: Path) -> dict[str, str]:
        port, moto_port = free_ports(2)
        self.endpoint, self.moto = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{moto_port}"
        self.processes.append(start_ministack(folder, port))
        self.processes.append(start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(moto_port)],
                                    folder / "moto.log", f"{self.moto}/moto-api/data.json"))
        self.users = {
            "app": self._user("app", [
                allow(ACTIONS, RESOURCE), allow(["ListSecrets", "BatchGetSecretValue"], "*")]),
            "nobatch": self._user("nobatch", [allow(ACTIONS, RESOURCE)]),
            "reader": self._user("reader", [allow(["GetSecretValue"], RESOURCE)]),
            "nobody": self._user("nobody", []),
        }
        vectors = folder / "vectors.jsonl"
        vectors.write_text("".join(line + "\n" for line in botocore_vectors.lines(200)))
        token = folder / "token"
        token.write_text(self._identity())
        variables = {
            "ENDPOINT": self.endpoint, "MOTO": self.moto, "REGION": REGION, "VECTORS": str(vectors),
            "ROLE": self._role(), "TOKEN_FILE": str(token),
        }
        for name, (key, secret) in self.users.items():
            variables |= {f"{name.upper()}_KEY": key, f"{name.upper()}_SECRET": secret}
        return {f"COFFER_LIVE_AWS_{name}": value for name, value in variables.items()}

    def before(self) -> None:
        boto_interop.write(client("secretsmanager", self.endpoint, self.users["app"]))

    def after(self) -> None:
        boto_interop.check(client("secretsmanager", self.endpoint, self.users["app"]))

    def stop(self) -> None:
        for process in self.processes:
            process.stop()

    def _user(self, name: str, statements: list[dict]) -> tuple[str, str]:
        iam = client("iam", self.endpoint, ROOT)
        iam.create_user(UserName=name)
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_user_policy(UserName=name, PolicyName="coffer", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def _role(self) -> str:
        """A role that the web identity of `_identity`, and the user app, may take."""
        iam = client("iam", self.endpoint, ROOT)
        provider = iam.create_open_id_connect_provider(
            Url="https://issuer.example", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40])
        user = iam.get_user(UserName="app")["User"]["Arn"]
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Federated": provider["OpenIDConnectProviderArn"]},
             "Action": "sts:AssumeRoleWithWebIdentity"},
            {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}]}
        role = iam.create_role(RoleName="coffer", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        statements = [allow(ACTIONS, RESOURCE), allow(["ListSecrets", "BatchGetSecretValue"], "*")]
        iam.put_role_policy(
            RoleName="coffer", PolicyName="coffer",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
        iam.put_user_policy(UserName="app", PolicyName="assume", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}]}))
        return role

    @staticmethod
    def _identity() -> str:
        """A token in the form of a JWT; MiniStack reads its claims and does not verify its signature."""
        def part(value: dict) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

        claims = {"iss": "https://issuer.example", "aud": "sts.amazonaws.com", "sub": "system:serviceaccount:live:coffer",
                  "exp": 4102444800, "iat": 1700000000}
        return ".".join([part({"alg": "RS256", "kid": "1"}), part(claims), "c2lnbmF0dXJl"])
