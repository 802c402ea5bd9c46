"""Several vaults in the configuration, and what operators see of them: `coffer vaults`, `coffer doctor`."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import Canaries, Status, SystemTest
from harness.start import CONFIGURATION, StartupTest
from host import Answers, QuietServer

SECTION = """\
vaults:
  main:
    type: vault
    address: https://vault.example:8200
    auth: approle
    role_id: coffer
    format: json
  local: {type: embedded, queue: 9}
routes:
  - {user: "crm-*", vault: main}
  - {vault: local}
"""


class VaultsTable(SystemTest):
    def test_table_has_a_row_for_each_vault(self) -> None:
        ended = self.daemon().coffer("vaults")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        heading, row = ended.stdout.decode().splitlines()
        self.assertEqual(
            [heading[start:].split("  ")[0] for start in columns(heading)],
            ["NAME", "KIND", "FORMAT", "REACHABLE", "WRITES", "LATENCY", "BREAKER", "LAST GOOD CONTACT", "LAST FAILURE",
             "ROUTES"])
        cells = [row[start:].split("  ")[0] for start in columns(heading)]
        self.assertEqual(cells[:5], ["embedded", "embedded", "sealed", "yes", "work"])
        self.assertRegex(cells[5], r"^[0-9.]+m?s$")
        self.assertRegex(cells[7], r"^\d{4}-\d\d-\d\dT[0-9:]+Z$")
        self.assertEqual(cells[8:], ["none", "user=* connection=*"])

    def test_json_counts_what_was_done(self) -> None:
        daemon = self.daemon()
        daemon.coffer("store", "user", "c", stdin=b"value")
        (before,) = json.loads(daemon.coffer("vaults", "--json").stdout)
        daemon.coffer("store", "user", "d", stdin=b"value")
        (after,) = json.loads(daemon.coffer("vaults", "--json").stdout)
        # The store, and the check of the first call.
        self.assertEqual(after["calls"] - before["calls"], 2)
        self.assertEqual((after["failures"], after.get("lastFailure"), after["reachable"]), (0, None, True))
        self.assertGreaterEqual(after["lastGoodContactMs"], before["lastGoodContactMs"])

    def test_no_daemon_is_unavailable(self) -> None:
        daemon = self.daemon()
        daemon.terminate()
        self.assertEqual(daemon.coffer("vaults").returncode, Status.UNAVAILABLE)
        self.assertEqual(daemon.coffer("doctor").returncode, Status.UNAVAILABLE)


class EmptyEtcd(BaseHTTPRequestHandler):
    """An etcd that holds nothing, is so many milliseconds away, and counts the ranges of each transaction."""

    protocol_version = "HTTP/1.1"
    milliseconds = 20
    transactions: list[int] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"header": {"cluster_id": "1", "member_id": "2", "revision": "3", "raft_term": "4"}}
        if self.path == "/v3/kv/txn":
            self.transactions.append(len(asked["success"]))
            answer |= {"succeeded": True, "responses": [{"response_range": {"header": {"revision": "3"}}} for _ in asked["success"]]}
            time.sleep(self.milliseconds / 1_000)
        elif self.path != "/v3/kv/range":
            self.send_error(404)
            return
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class GetMany(StartupTest):
    def test_a_vault_that_takes_many_keys_in_a_request_is_asked_for_many(self) -> None:
        transactions: list[int] = []
        handler = type("Etcd", (EmptyEtcd,), {"transactions": transactions})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            daemon = self.running(env={"VAULT_TYPE": "etcd", "ETCDCTL_ENDPOINTS": f"http://127.0.0.1:{server.server_port}"})
            with daemon.client() as client:
                began = time.monotonic()
                results = client.get_many([("user", f"c{number}") for number in range(256)])
                took = time.monotonic() - began
            self.assertEqual(len(results), 256)
            self.assertEqual(daemon.terminate(), 0)
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)
        self.assertEqual(sum(transactions), 256, transactions)
        self.assertLessEqual(len(transactions), 4, f"{transactions}, {took:.3f} s")
        self.assertLessEqual(max(transactions), 64, "one call takes the room that others of its uid need")


class Doctor(SystemTest):
    def test_a_vault_that_works_is_said_to(self) -> None:
        for env in ({}, {"VAULT_TYPE": "memory"}):
            with self.subTest(env=env):
                daemon = self.daemon(env=env)
                ended = daemon.coffer("doctor")
                self.assertEqual(ended.returncode, 0, ended.stderr)
                name = env.get("VAULT_TYPE", "embedded")
                lines = [line.rsplit(", ", 1)[0] for line in ended.stdout.decode().splitlines()]
                self.assertEqual(lines[0], f"vault {name} ({name}): works")
                self.assertEqual(lines[1:], ["  ok: store", "  ok: get", "  ok: compare", "  ok: delete"])

    def test_nothing_is_left_and_nothing_is_cached(self) -> None:
        daemon = self.daemon()
        daemon.coffer("store", "user", "c", stdin=b"value")
        with daemon.client() as client:
            entries = client.stats()["cache_entries"]
            for _ in range(3):
                self.assertEqual(daemon.coffer("doctor").returncode, 0)
            self.assertEqual(client.stats()["cache_entries"], entries)
        self.assertEqual(len(daemon.coffer("list").stdout.splitlines()), 1)

    def test_one_vault_by_name(self) -> None:
        daemon = self.daemon()
        (found,) = json.loads(daemon.coffer("doctor", "--vault", "embedded", "--json").stdout)
        self.assertTrue(found["works"])
        self.assertEqual([step["action"] for step in found["steps"]], ["store", "get", "compare", "delete"])
        self.assertEqual({(step["outcome"], step["status"]) for step in found["steps"]}, {("done", "OK")})

    def test_a_name_that_no_vault_has(self) -> None:
        ended = self.daemon().coffer("doctor", "--vault", "embeded")
        self.assertEqual(ended.returncode, Status.NOT_FOUND)
        self.assertEqual(ended.stdout, b"")
        self.assertIn(b"configured: embedded", ended.stderr)
        self.assertEqual(self.daemon().coffer("doctor", "--vault", "").returncode, 64)


class Broken(Answers):
    """A vault that holds nothing and breaks whatever is written."""

    def do_POST(self) -> None:
        self.close_connection = True


class Writes(SystemTest):
    def test_an_outage_that_a_read_ended_leaves_them_unknown(self) -> None:
        server = QuietServer(("127.0.0.1", 0), Broken)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        daemon = self.daemon(env={
            "VAULT_TYPE": "vault", "VAULT_ADDR": f"http://127.0.0.1:{server.server_address[1]}", "VAULT_TOKEN": "s.token"})

        def said() -> tuple[str, str]:
            (row,) = daemon.coffer("vaults").stdout.decode().splitlines()[1:]
            return daemon.coffer("health").stdout.decode(), row

        for text in said():
            self.assertIn("not tried", text)
            self.assertNotIn("since", text)
        self.assertEqual(daemon.coffer("store", "u", "c", stdin=b"value").returncode, Status.UNAVAILABLE)
        self.assertEqual(daemon.coffer("get", "u", "c").returncode, Status.NOT_FOUND)
        for text in said():
            self.assertIn("not tried since the last failure", text)


class VaultsConfiguration(StartupTest):
    def test_check_prints_vaults_and_routes_that_read_back(self) -> None:
        canary = Canaries()
        env = {"VAULT_SECRET_ID": canary.new().decode(), "VAULT_TOKEN": canary.new().decode()}
        ended = self.start("--check", config=SECTION, env=env)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        printed = ended.stdout.decode()
        for expected in ('user: "crm-*"', "vault: main", "queue: 9", "format: json", "role_id: coffer", "mount: secret"):
            self.assertIn(expected, printed)
        again = self.start("--check", config=printed, env=env)
        self.assertEqual(again.stdout.decode(), printed, again.stderr)
        self.assertEqual(canary.find(ended.stdout + ended.stderr), [])

    def test_mistakes_in_vaults_have_their_places(self) -> None:
        ended = self.start(config=SECTION.replace("role_id", "rol_id").replace("vault: local", "vault: lokal"))
        message = ended.stderr.decode()
        self.assertEqual(ended.returncode, CONFIGURATION, message)
        self.assertIn("coffer.yaml:6:5: unknown setting vaults.main.rol_id; did you mean role_id?", message)
        self.assertIn("coffer.yaml:11:13: routes.vault:", message)
        self.assertIn("did you mean local?", message)

    def test_a_vault_without_its_variables(self) -> None:
        self.assert_refused(self.start(env={"VAULT_TYPE": "vault", "VAULT_TOKEN": "x"}), CONFIGURATION, "VAULT_ADDR")

    def test_a_named_embedded_vault_has_a_file_of_its_own(self) -> None:
        daemon = self.running(config="vaults: {mine: {type: embedded}}\n")
        with daemon.client() as client:
            client.store("u", "c", b"value")
            self.assertEqual([vault.name for vault in client.health().vaults], ["mine"])
        self.assertTrue((self.place.data / "vault-mine.db").exists())
        self.assertFalse((self.place.data / "vault.db").exists())
        self.assertEqual(daemon.coffer("doctor", "--vault", "mine").returncode, 0)

    def test_a_daemon_has_the_libraries_that_its_vaults_need_and_no_others(self) -> None:
        vaults = {
            "{type: embedded}": set(),
            "{type: postgres, tls: disable, url: 'postgresql://u@127.0.0.1:1/d'}": {"libpq"},
            "{type: etcd, endpoints: ['http://127.0.0.1:1']}": {"libcurl"},
        }
        for vault, expected in vaults.items():
            with self.subTest(vault=vault):
                daemon = self.running(config=f"vaults: {{main: {vault}}}\n")
                daemon.coffer("get", "u", "c")
                with open(f"/proc/{daemon.pid}/maps") as maps:
                    text = maps.read()
                self.assertEqual({name for name in ("libpq", "libcurl") if f"/{name}.so" in text}, expected)
                if not expected:
                    self.assertNotIn("gnutls", text, "a second TLS library")
                daemon.dispose()

    def test_a_libcurl_that_cannot_be_used_is_named_with_the_cause(self) -> None:
        etcd = "vaults: {main: {type: etcd, endpoints: ['http://127.0.0.1:1']}}\n"
        for cause, make, words in (
            ("empty", lambda path: path.write_bytes(b""), ["libcurl.so.4 cannot be loaded", "file too short"]),
            ("not a library", lambda path: path.write_bytes(b"x" * 4096), ["libcurl.so.4 cannot be loaded", "invalid ELF header"]),
            ("old", lambda path: make_curl(path, (7, 86, 0), "OpenSSL/3.0.0"), ["is version 7.86.0", "7.87"]),
            ("of GnuTLS", lambda path: make_curl(path, (8, 5, 0), "GnuTLS/3.8.3"), ["another TLS library, GnuTLS/3.8.3", "OpenSSL"]),
            ("incomplete", lambda path: make_curl(path, (8, 5, 0), "OpenSSL/3.0.0"), ["lacks curl_"]),
        ):
            with self.subTest(cause=cause):
                folder = Path(tempfile.mkdtemp(prefix="cf-curl"))
                self.addCleanup(shutil.rmtree, folder)
                make(folder / "libcurl.so.4")
                env = {"LD_LIBRARY_PATH": ":".join([str(folder), os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")}
                message = self.assert_refused(self.start("--check", config=etcd, env=env), CONFIGURATION, *words)
                self.assertNotIn("firewall", message)
                daemon = self.running(config="vaults: {main: {type: embedded}}\n", env=env)
                self.assertEqual(daemon.coffer("doctor").returncode, 0)
                daemon.dispose()

    def test_secrets_in_variables_are_gone_once_it_serves(self) -> None:
        canary = Canaries()
        names = ["CREDENTIAL_ENCRYPTION_KEY", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID"]
        daemon = self.running(env={name: canary.new().decode() for name in names})
        with open(f"/proc/{daemon.pid}/environ", "rb") as file:
            self.assertEqual(canary.find(file.read()), [])


def columns(heading: str) -> list[int]:
    """Where the columns begin: behind two spaces or more."""
    return [0] + [i for i in range(2, len(heading)) if heading[i] != " " and heading[i - 2:i] == "  "]


def make_curl(path: Path, version: tuple[int, int, int], tls: str) -> None:
    """A library in the place of libcurl, which says its version and can do nothing."""
    number = version[0] << 16 | version[1] << 8 | version[2]
    source = f"""
        #include <curl/curl.h>
        curl_version_info_data *curl_version_info(CURLversion age) {{
            static curl_version_info_data data = {{
                .age = CURLVERSION_FIRST, .version = "{".".join(map(str, version))}", .version_num = {number}, .ssl_version = "{tls}"}};
            return &data;
        }}
        CURLcode curl_global_init_mem(long flags, curl_malloc_callback m, curl_free_callback f, curl_realloc_callback r,
                                      curl_strdup_callback s, curl_calloc_callback c) {{ return CURLE_OK; }}
    """
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-x", "c", "-", "-o", path], input=source, text=True, check=True, timeout=60)
