"""The stand-in for Azure Key Vault, set up as the live tests of AzureVault expect it.

Called so, as `azure` is a package of Microsoft's own.
"""

import json
import subprocess
import sys
from pathlib import Path

import azure_interop
import fake_azure
from aws import start
from servers import Backend, CannotStart, Process, certificates, free_ports

HERE = Path(__file__).resolve().parent


def lay_out(folder: Path) -> None:
    """The server's certificate, and what applications log in with, closed to others."""
    certificates(folder)
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "app.key", "-out", "app.pem", "-days", "7",
         "-subj", "/CN=live test app"], cwd=folder, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise CannotStart(f"openssl req failed: {done.stderr.decode(errors='replace')}")
    (folder / "app-key.pem").write_text((folder / "app.key").read_text() + (folder / "app.pem").read_text())
    # Microsoft's own client takes a line end for a part of the token.
    (folder / "subject").write_text("a.subject.token")
    (folder / "client-secret").write_text(fake_azure.SECRET + "\n")
    for path in folder.iterdir():
        path.chmod(0o600)


class Azure(Backend):
    name = "azure"
    folder_of_tests = "Azure"
    process: Process | None = None

    def start(self, folder: Path) -> dict[str, str]:
        secure, plain = free_ports(2)
        lay_out(folder)
        self.place = azure_interop.Place(f"https://127.0.0.1:{secure}", f"http://127.0.0.1:{plain}", folder)
        self.process = start(
            [sys.executable, str(HERE / "fake_azure.py"), str(secure), str(plain), str(folder)], folder / "stand-in.log",
            f"{self.place.plain}/_control/ready")
        variables = {"VAULT": self.place.address, "HOST": self.place.plain, "FOLDER": str(folder), "TENANT": fake_azure.TENANT,
                     "REQUESTS": str(folder / "requests.json"), "CASES": str(azure_interop.CASES)}
        return {f"COFFER_LIVE_AZURE_{name}": value for name, value in variables.items()}

    def before(self) -> None:
        (self.place.folder / "requests.json").write_text(json.dumps(azure_interop.sent(self.place)))
        count = azure_interop.check_cases(self.place)
        azure_interop.write(self.place)
        print(f"Microsoft's own client passes {count} cases")

    def after(self) -> None:
        azure_interop.check(self.place)
        count = azure_interop.compare(self.place)
        print(f"azure: {count} operations send what Microsoft's own client sends, but for the differences that are argued")

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
