"""The stand-in for Google Secret Manager, and drongo, set up as the live tests of GoogleVault expect them.

Called so, as `google` is a package of Google's own.
"""

import json
import subprocess
import sys
from pathlib import Path

import google_interop
import secret_manager
from aws import start
from servers import Backend, CannotStart, Process, free_ports

HERE = Path(__file__).resolve().parent


def openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, timeout=60)
    if done.returncode != 0:
        raise CannotStart(f"openssl {arguments[0]} failed: {done.stderr.decode(errors='replace')}")


def lay_out(folder: Path, endpoint: str) -> None:
    """The files with credentials, closed to others: a key for each role, federation by file and address, a login."""
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(folder / "private.pem"))
    openssl("pkey", "-in", str(folder / "private.pem"), "-pubout", "-out", str(folder / "key.pem"))
    # Google's own client takes a line end for a part of the token.
    (folder / "subject").write_text("a.subject.token")

    def put(name: str, content: dict) -> None:
        (folder / name).write_text(json.dumps(content))

    for role in secret_manager.ROLES:
        put(f"{role}.json", {
            "type": "service_account", "project_id": secret_manager.PROJECT, "private_key_id": "live",
            "private_key": (folder / "private.pem").read_text(), "client_email": f"{role}@coffer.iam.gserviceaccount.com",
            "client_id": "1", "token_uri": f"{endpoint}/token"})
    federation = {
        "type": "external_account", "audience": secret_manager.AUDIENCE, "token_url": f"{endpoint}/v1/token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "service_account_impersonation_url":
            f"{endpoint}/v1/projects/-/serviceAccounts/app@coffer.iam.gserviceaccount.com:generateAccessToken"}
    put("federation.json", federation | {"credential_source": {"file": str(folder / "subject")}})
    put("federation-url.json", federation | {"credential_source": {
        "url": f"{endpoint}/subject", "headers": {"X-Live": "yes"}, "format": {"type": "json", "subject_token_field_name": "id"}}})
    put("user.json", {"type": "authorized_user", "client_id": "live", "client_secret": "live-secret",
                      "refresh_token": "live-refresh", "token_uri": f"{endpoint}/token"})
    for path in folder.iterdir():
        path.chmod(0o600)


class Google(Backend):
    name = "gcp"
    folder_of_tests = "Google"

    def __init__(self) -> None:
        self.processes: list[Process] = []

    def start(self, folder: Path) -> dict[str, str]:
        port, drongo_port = free_ports(2)
        self.folder, self.endpoint = folder, f"http://127.0.0.1:{port}"
        drongo = f"http://127.0.0.1:{drongo_port}"
        lay_out(folder, self.endpoint)
        self.processes.append(start(
            [sys.executable, str(HERE / "secret_manager.py"), str(port), str(folder)], folder / "stand-in.log",
            f"{self.endpoint}/_control/ready"))
        self.processes.append(start(
            [str(Path(sys.executable).parent / "drongo"), "server", "--host", "127.0.0.1", "--port", str(drongo_port)],
            folder / "drongo.log", f"{drongo}/drongo/health"))
        variables = {"ENDPOINT": self.endpoint, "DRONGO": drongo, "PROJECT": secret_manager.PROJECT, "FOLDER": str(folder),
                     "REQUESTS": str(folder / "requests.json"), "CASES": str(google_interop.CASES)}
        return {f"COFFER_LIVE_GOOGLE_{name}": value for name, value in variables.items()}

    def before(self) -> None:
        (self.folder / "requests.json").write_text(json.dumps(google_interop.sent(self.endpoint, self.folder)))
        count = google_interop.check_cases(self.endpoint, self.folder)
        google_interop.write(self.endpoint, self.folder)
        print(f"Google's own client passes {count} cases")

    def after(self) -> None:
        google_interop.check(self.endpoint, self.folder)

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
