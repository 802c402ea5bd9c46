"""PostgreSQL: one server, and one with a standby that replicates it synchronously."""

import subprocess
from pathlib import Path

from entry import Cluster, Entry, Lack, Refusal, shows_writes, speaks_otherwise
from harness import Status, eventually
from postgres import PASSWORD, PROGRAMS, Folder, Server, as_postgres
from servers import CannotStart, certificates
from stage import secret_file

#: What a daemon's role needs where the tables are there.
READS = "GRANT USAGE ON SCHEMA coffer TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA coffer TO {0};"
WRITES = READS + "GRANT INSERT, UPDATE, DELETE ON coffer.credential TO {0};"
#: A request for TLS in PostgreSQL's protocol.
SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


class Postgres(Entry):
    name = "postgres"
    advice = {
        Status.UNAUTHENTICATED: "Check the role and the password, and that a line of pg_hba.conf",
        Status.PERMISSION_DENIED: "SELECT, INSERT, UPDATE and DELETE on its table",
    }
    protocol = "PostgreSQL"
    lacks = {
        "http": Lack("PostgreSQL's protocol has no statuses of HTTP", speaks_otherwise(SSL_REQUEST)),
        "lag": Lack("reads show the write before them", shows_writes),
    }

    def start(self, folder: Path) -> None:
        # Not in `folder`, which PostgreSQL's own user may not enter.
        self.folder = Folder()
        certificates(self.folder.path)
        self.server = Server(self.folder, "main", "server")
        self.server.set_up()
        self.port = self.server.port
        self.server.sql(f"CREATE ROLE late LOGIN PASSWORD '{PASSWORD}' VALID UNTIL '2020-01-01'; CREATE ROLE looker LOGIN PASSWORD '{PASSWORD}'")

    def stop(self) -> None:
        if hasattr(self, "server"):
            self.server.stop()
        if hasattr(self, "folder"):
            self.folder.remove()

    def section(self, port: int | None = None, role: str = "app", **changes: object) -> dict[str, object]:
        return {"type": "postgres", "url": f"postgresql://{role}@127.0.0.1:{port or self.port}/coffer",
                "password_file": self.password("password", PASSWORD), "ca_file": self.folder.path / "ca.pem"} | changes

    def password(self, name: str, password: str) -> Path:
        return secret_file(self.folder.path / name, password + "\n")

    def put(self, name: str, text: str) -> None:
        self.server.sql(
            f"INSERT INTO coffer.credential VALUES ('{name}', 'v', convert_to('{text}', 'UTF8'), 1, 1, 0) "
            "ON CONFLICT (name) DO UPDATE SET envelope = EXCLUDED.envelope", "coffer")

    def fetch(self, name: str) -> str | None:
        found = self.server.sql(f"SELECT convert_from(envelope, 'UTF8') FROM coffer.credential WHERE name = '{name}'", "coffer")
        return found or None

    def foreign(self, user: str) -> list[str]:
        return ["another/program", "ai2-connectors", f"ai2-connectors/{user}", f"ai2-connectors/{user}/c/deeper", f"ai2-connectors/{user}x/"]

    def refused(self, kind: str) -> Refusal:
        if kind == "wrong":
            file = self.password(kind, "not-the-password")
            return Refusal(self.section(password_file=file), Status.UNAUTHENTICATED, "28P01", lambda: self.password(kind, PASSWORD))
        if kind == "expired":
            # To a client it is a wrong password: the server's log alone says more.
            self.server.sql(WRITES.format("late"), "coffer")
            return Refusal(self.section(role="late", create_tables=False), Status.UNAUTHENTICATED, "28P01",
                           lambda: self.server.sql("ALTER ROLE late VALID UNTIL 'infinity'"))
        role = {"forbidden": "nobody", "reader": "looker"}[kind]
        if kind == "reader":
            self.server.sql(READS.format(role), "coffer")
        return Refusal(self.section(role=role, create_tables=False), Status.PERMISSION_DENIED, "42501",
                       lambda: self.server.sql(WRITES.format(role), "coffer"))

    def cluster(self, folder: Path) -> Cluster:
        return Pair(self.folder, self.section()["password_file"])


class Standby(Server):
    """Begins as a copy of another server, and follows it."""

    def __init__(self, folder: Folder, name: str, primary: Server) -> None:
        self.primary = primary
        super().__init__(folder, name, "server")

    def _initialize(self) -> None:
        super()._initialize()
        subprocess.run(as_postgres(["find", str(self.data), "-mindepth", "1", "-delete"]), check=True, timeout=60)
        done = subprocess.run(
            as_postgres([str(PROGRAMS / "pg_basebackup"), "-D", str(self.data), "-h", str(self.primary.path), "-p", str(self.primary.port),
                         "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync"]),
            capture_output=True, cwd=self.path, timeout=60)
        if done.returncode != 0:
            raise CannotStart(f"pg_basebackup: {done.stderr.decode(errors='replace')}")


class Pair(Cluster):
    def __init__(self, folder: Folder, password: Path) -> None:
        self.servers = [Server(folder, "primary", "server")]
        primary = self.servers[0]
        primary.set_up()
        with open(primary.data / "pg_hba.conf", "a") as file:
            file.write("local replication all trust\n")
        primary.sql("SELECT pg_reload_conf()")
        self.servers.append(Standby(folder, "standby", primary))
        # Now that there is one: what is acknowledged is at both.
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")
        eventually("the standby follows", 20, lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync")
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        self.section = {"type": "postgres", "url": f"postgresql://app@{hosts}/coffer", "password_file": password,
                        "ca_file": folder.path / "ca.pem"}

    def strike(self) -> None:
        """And whoever watches over them promotes the other."""
        primary, standby = self.servers
        primary.process.kill()
        standby.sql("SELECT pg_promote()")

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
