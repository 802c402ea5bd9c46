"""PostgreSQL and PgBouncer, set up as the live tests of PostgresVault expect them."""

import os
import pwd
import re
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading
from pathlib import Path

from servers import Backend, CannotStart, Process, certificates, free_ports

#: Of the newest version that is installed, where Debian puts them.
PROGRAMS = max(
    (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")), key=lambda path: int(path.parent.name),
    default=Path("/usr/lib/postgresql/bin"))
MANUAL = Path(__file__).resolve().parents[2] / "docs/postgresql.md"
PASSWORD = "live-password"
#: `app` makes its own schemas; `nobody` may connect and do nothing; `reader` is read-only by its own setting; `plain`
#: comes without TLS. `cofferd` has what the manual's page gives it, in the database `manual`.
ROLES = ("app", "nobody", "reader", "plain")
HBA = """
local all all trust
hostnossl all plain 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256
"""


def as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL and PgBouncer refuse to be root."""
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL", "--", *command]


class Folder:
    """A folder of PostgreSQL's own, for its user may not enter those of others."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="cfpg"))
        self.path.chmod(0o711)

    def give(self, path: Path) -> None:
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(path, user.pw_uid, user.pw_gid)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def foreign_certificate(folder: Path) -> None:
    """`foreign.pem` and `foreign.key`, of the same authority, for a host that none of the servers is."""
    (folder / "foreign.ext").write_text("subjectAltName=DNS:elsewhere.example\nbasicConstraints=CA:FALSE\n")
    for command in (
            ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "foreign.key",
             "-subj", "/CN=elsewhere.example", "-out", "foreign.csr"],
            ["x509", "-req", "-in", "foreign.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "7",
             "-sha256", "-extfile", "foreign.ext", "-out", "foreign.pem"]):
        subprocess.run(["openssl", *command], cwd=folder, capture_output=True, timeout=60, check=True)


class Server:
    """One PostgreSQL with TLS on 127.0.0.1 and a socket of its own."""

    def __init__(self, folder: Folder, name: str, certificate: str) -> None:
        self.folder, self.name, self.certificate = folder, name, certificate
        self.path = folder.path / name
        self.path.mkdir(mode=0o755)
        folder.give(self.path)
        [self.port] = free_ports(1)
        self.data = self.path / "data"
        self._initialize()
        self.process: Process | None = None
        self.start()

    def _initialize(self) -> None:
        done = subprocess.run(
            as_postgres([str(PROGRAMS / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                         "--locale=C.UTF-8", "--no-sync"]),
            capture_output=True, cwd=self.path, timeout=120)
        if done.returncode != 0:
            raise CannotStart(f"initdb: {done.stderr.decode(errors='replace')}")
        for kind in ("pem", "key"):
            copy = self.path / f"server.{kind}"
            shutil.copyfile(self.folder.path / f"{self.certificate}.{kind}", copy)
            copy.chmod(0o600)
            self.folder.give(copy)
        (self.data / "pg_hba.conf").write_text(HBA)

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1", "unix_socket_directories": self.path, "ssl": "on",
            "ssl_cert_file": self.path / "server.pem", "ssl_key_file": self.path / "server.key",
            "fsync": "off", "full_page_writes": "off", "max_connections": 1000, "shared_buffers": "128MB",
            "password_encryption": "scram-sha-256"}
        command = [str(PROGRAMS / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = Process(as_postgres(command), self.path / "log")
        self.process.wait_until(self._is_ready)

    def _is_ready(self) -> bool:
        return subprocess.run(
            [PROGRAMS / "pg_isready", "-q", "-h", self.path, "-p", str(self.port)], timeout=10).returncode == 0

    def stop(self) -> None:
        """The fast way: what is under way is rolled back."""
        if self.process:
            self.process.send(signal.SIGINT)
            self.process.stop(10)
            self.process = None

    def become(self, role: str) -> None:
        """`standby` or `primary`, at the next start."""
        mark = self.data / "standby.signal"
        if role == "standby":
            mark.touch()
            self.folder.give(mark)
        else:
            mark.unlink(missing_ok=True)

    def sql(self, script: str, database: str = "postgres") -> str:
        done = subprocess.run(
            [PROGRAMS / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.path, "-p", str(self.port), "-U", "postgres",
             "-d", database], input=script, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise CannotStart(f"psql: {done.stderr}")
        return done.stdout.strip()

    def set_up(self) -> None:
        self.sql("CREATE DATABASE coffer")
        for role in ROLES:
            self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        self.sql("GRANT CREATE ON DATABASE coffer TO app, plain")
        self.sql("ALTER ROLE reader SET default_transaction_read_only = on")
        self.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        self.sql("CREATE DATABASE unchecked ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        self.sql("CREATE DATABASE changes")
        self.sql("GRANT CREATE ON DATABASE latin, changes TO app")


def manual_sql() -> list[str]:
    """The blocks that the manual's page has for the operator."""
    return re.findall(r"```sql\n(.*?)```", MANUAL.read_text(), re.DOTALL)


class Control(socketserver.UnixStreamServer):
    """Stops and starts a server for the tests: each connection sends commands in one line and gets `ok`.

    All on one thread, which lasts: a child is killed when the thread ends that has started it.
    """

    def __init__(self, path: Path, server: Server) -> None:
        self.server = server
        super().__init__(str(path), _Command)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Command(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server.server
        for word in self.rfile.readline().decode().split():
            match word:
                case "stop": server.stop()
                case "start": server.start()
                case "standby" | "primary": server.become(word)
                case _: return
        self.wfile.write(b"ok")


class Pooler:
    """PgBouncer in front of a server, in one of its modes."""

    def __init__(self, folder: Folder, server: Server, mode: str) -> None:
        self.path = folder.path / mode
        self.path.mkdir(mode=0o755)
        folder.give(self.path)
        [self.port] = free_ports(1)
        users = self.path / "users.txt"
        users.write_text('"app" ""\n')
        config = self.path / "pgbouncer.ini"
        config.write_text(f"""
[databases]
coffer = host={server.path} port={server.port} user=app
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = 20
""")
        self.process = Process(as_postgres(["/usr/sbin/pgbouncer", str(config)]), self.path / "log")
        self.process.wait_until(lambda: subprocess.run(
            [PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], timeout=10).returncode == 0)


class Postgres(Backend):
    name = "postgres"
    folder_of_tests = "Postgres"

    def __init__(self) -> None:
        self._folder: Folder | None = None
        self._servers: list[Server] = []
        self._poolers: list[Pooler] = []
        self._control: Control | None = None

    def start(self, folder: Path) -> dict[str, str]:
        self._folder = Folder()
        certificates(self._folder.path)
        foreign_certificate(self._folder.path)
        for name, certificate in (("main", "server"), ("other", "foreign")):
            self._servers.append(Server(self._folder, name, certificate))
            self._servers[-1].set_up()
        main, other = self._servers
        main.sql("CREATE DATABASE manual")
        for block in manual_sql():
            main.sql(block.replace("'choose-one'", f"'{PASSWORD}'").replace("DATABASE credentials", "DATABASE manual"), "manual")
        for mode in ("transaction", "session"):
            self._poolers.append(Pooler(self._folder, main, mode))
        control = self._folder.path / "control"
        self._control = Control(control, other)
        [nobody] = free_ports(1)
        variables = {
            "PORT": main.port, "SOCKET": main.path, "OTHER_PORT": other.port, "OTHER_SOCKET": other.path,
            "NOBODY_PORT": nobody, "CA": self._folder.path / "ca.pem", "OTHER_CA": self._folder.path / "other-ca.pem",
            "PASSWORD": PASSWORD, "CONTROL": control, "TRANSACTION_PORT": self._poolers[0].port,
            "SESSION_PORT": self._poolers[1].port, "MANUAL": MANUAL}
        return {f"COFFER_LIVE_PG_{name}": str(value) for name, value in variables.items()}

    def after(self) -> None:
        """No call wrote what an operator would not want in the server's log."""
        for server in self._servers:
            log = (server.path / "log").read_text(errors="replace")
            assert PASSWORD not in log, "the password is in the server's log"

    def stop(self) -> None:
        if self._control:
            self._control.shutdown()
        for pooler in self._poolers:
            pooler.process.stop()
        for server in self._servers:
            server.stop()
        if self._folder:
            self._folder.remove()
