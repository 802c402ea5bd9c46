"""The stand-in for Cloudflare's API, set up as the live tests of its vaults expect it."""

import sys
import urllib.request
from pathlib import Path

import cloudflare_sdk
import fake_cloudflare
from servers import Backend, Process, free_ports

HERE = Path(__file__).parent


def start(folder: Path) -> tuple[Process, str]:
    """The stand-in as a process of its own, and its address without a path."""
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    process = Process([sys.executable, str(HERE / "fake_cloudflare.py"), str(port)], folder / "cloudflare.log")

    def is_ready() -> bool:
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            return opener.open(f"{endpoint}/_fake/", timeout=1).status == 200
        except OSError:
            return False

    try:
        process.wait_until(is_ready)
    except BaseException:
        process.stop()
        raise
    return process, endpoint


class Cloudflare(Backend):
    name = "cloudflare"
    folder_of_tests = "Cloudflare"
    process: Process | None = None

    def start(self, folder: Path) -> dict[str, str]:
        self.process, self.endpoint = start(folder)
        self.fake = cloudflare_sdk.Fake(self.endpoint, fake_cloudflare.ACCOUNT)
        self.namespace, self.account = self.fake.namespace("compared"), cloudflare_sdk.account_of("compared")
        store = self.fake.client().secrets_store.stores.create(account_id=self.account, name="default")
        variables = {
            "ENDPOINT": self.endpoint, "ACCOUNT": fake_cloudflare.ACCOUNT, "CASES": str(HERE / "cloudflare_cases.json"),
            "COMPARED_NAMESPACE": self.namespace, "COMPARED_ACCOUNT": self.account, "COMPARED_STORE": store.id}
        return {f"COFFER_LIVE_CLOUDFLARE_{name}": value for name, value in variables.items()}

    def before(self) -> None:
        count = cloudflare_sdk.run_cases(self.fake)
        print(f"cloudflare: the official SDK passes {count} cases on the stand-in")

    def after(self) -> None:
        count = cloudflare_sdk.compare_requests(self.fake, self.namespace, self.account)
        print(f"cloudflare: {count} operations send what the official SDK sends, but for the differences that are argued")

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
