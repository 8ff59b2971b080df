"""Starts the whole system on one machine, starts again what dies, and stops all of it, leaving no process."""

import contextlib
import fcntl
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from local_stack.migrations import apply_migrations, bootstrap, let_api_sign_in, read_migrations
from local_stack.postgres import (
    log_file,
    prepare_data_directory,
    socket_address,
    start_postgres,
    stop_leftover,
    stop_postgres,
    wait_until_it_answers,
)
from local_stack.process_groups import Process, ProcessGroups, process_groups
from local_stack.services import Service, stack_services
from local_stack.stack_settings import StackSettings

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 6.0
LOCK_TIMEOUT_S = 0.5
CHECK_PAUSE_S = 0.2
# A child that dies is started again after a pause that doubles, until it has lived for a while.
FIRST_RESTART_PAUSE_S, LONGEST_RESTART_PAUSE_S, SETTLED_AFTER_S = 0.2, 5.0, 30.0
# Before everything is well for the first time, a child that dies this often is not going to live.
MOST_DEATHS_AT_START = 3
LARGEST_LOG_BYTES = 10_000_000


class StackFailed(RuntimeError):
    """The stack cannot run; the message says why and is fit to be shown."""


class StackBusy(StackFailed):
    """Another supervisor runs on the same folder."""


@dataclass
class _Child:
    """A process that is to run, and how that goes."""

    name: str
    start: Callable[[], Process]
    log: Path
    process: Process
    started_at: float = field(default_factory=time.monotonic)
    deaths: int = 0
    start_again_at: float | None = None


class Supervisor:
    """The running stack."""

    def __init__(self, stack: StackSettings, groups: ProcessGroups) -> None:
        self._stack = stack
        self._groups = groups
        self._children: list[_Child] = []
        self._stopping = threading.Event()
        self.database_url = ""

    def request_stop(self, *_signal: int | FrameType | None) -> None:
        """Make `watch`, or a start under way, come to its end; fit to be a signal handler."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start everything and wait until all of it is well, or until asked to stop.

        Raises:
            StackFailed: something would not start; everything is stopped again by `stop`.
        """
        server = prepare_data_directory(self._stack.postgres_directory)
        stop_leftover(server)
        address = socket_address(server)
        postgres = self._add("postgres", lambda: start_postgres(self._groups, server, address), log_file(server))
        wait_until_it_answers(postgres, server, address)
        # As the database's owner, whom no policy binds.
        self.database_url = address.dsn(role="postgres")
        bootstrap(self.database_url)
        apply_migrations(self.database_url, read_migrations())
        let_api_sign_in(self.database_url)
        services = stack_services(self._stack, address)
        for service in services:
            self._add_service(service)
        self._wait_until_well(services)

    def watch(self) -> None:
        """Start again whatever dies, until asked to stop."""
        while not self._stopping.wait(CHECK_PAUSE_S):
            self._start_the_dead_again()

    def stop(self) -> None:
        """Stop everything: PostgreSQL last, since the others still write to it."""
        others = [child for child in self._children if child.name != "postgres"]
        for child in others:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in others:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
        for child in others:
            self._groups.end(child.process, timeout_s=0.1)
        for child in self._children:
            if child.name == "postgres":
                stop_postgres(self._groups, child.process)
        self._children.clear()

    def _add(self, name: str, start: Callable[[], Process], log: Path) -> Process:
        if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
            log.replace(log.with_suffix(".old"))
        process = start()
        self._children.append(_Child(name, start, log, process))
        return process

    def _add_service(self, service: Service) -> None:
        log = self._stack.log_directory / f"{service.name}.log"
        self._add(
            service.name,
            lambda: self._groups.start(service.command, log_file=log, environment=service.environment()),
            log,
        )

    def _wait_until_well(self, services: list[Service]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        waiting = list(services)
        while waiting and not self._stopping.wait(CHECK_PAUSE_S / 2):
            self._start_the_dead_again()
            hopeless = next((child for child in self._children if child.deaths >= MOST_DEATHS_AT_START), None)
            if hopeless is not None or time.monotonic() > deadline:
                name = hopeless.name if hopeless else waiting[0].name
                raise StackFailed(f"{name} does not start; see {self._log_of(name)}:\n{self._end_of_log(name)}")
            waiting = [service for service in waiting if not service.is_well()]

    def _start_the_dead_again(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.start_again_at is None and child.process.poll() is not None:
                # What it started goes with it: a worker's heartbeat would vouch for a worker that is gone.
                self._groups.forget(child.process)
                child.deaths = 1 if now - child.started_at > SETTLED_AFTER_S else child.deaths + 1
                pause_s = min(FIRST_RESTART_PAUSE_S * 2 ** (child.deaths - 1), LONGEST_RESTART_PAUSE_S)
                child.start_again_at = now + pause_s
            elif child.start_again_at is not None and now >= child.start_again_at:
                child.process = child.start()
                child.started_at, child.start_again_at = now, None

    def _log_of(self, name: str) -> Path:
        return next(child.log for child in self._children if child.name == name)

    def _end_of_log(self, name: str) -> str:
        return self._log_of(name).read_text(encoding="utf-8", errors="replace")[-1500:]


@contextlib.contextmanager
def running_stack(stack: StackSettings) -> Iterator[Supervisor]:
    """Start the stack and give it once it is well; SIGINT and SIGTERM ask it to stop; at the end all of it is stopped.

    Raises:
        StackBusy: a stack of this folder runs already.
        StackFailed: something would not start.
    """
    with sole_supervisor(stack.data_directory), process_groups() as groups:
        supervisor = Supervisor(stack, groups)
        previous = {
            number: signal.signal(number, supervisor.request_stop) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            supervisor.start()
            yield supervisor
        finally:
            supervisor.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def sole_supervisor(data_directory: Path) -> Iterator[None]:
    """Hold the folder's lock, which says by whom it is held; the kernel lets go of it when the process dies.

    Raises:
        StackBusy: another process holds it.
    """
    with (data_directory / "supervisor.lock").open("a+") as file:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while not _try_lock(file.fileno()):
            # `tryon status` holds it for a moment too, to see whether anybody does.
            if time.monotonic() > deadline:
                raise StackBusy(f"a stack runs already in {data_directory}; `tryon down` stops it")
            time.sleep(0.05)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def record_running(data_directory: Path, description: dict[str, object]) -> None:
    """Write down what runs, for `tryon status` and `tryon down`."""
    file = data_directory / "running.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(description), encoding="utf-8")


def read_running(data_directory: Path) -> dict[str, object] | None:
    """Return what runs in a folder, or None when nothing does, whatever was once written down."""
    file = data_directory / "running.json"
    if not file.exists():
        return None
    try:
        with sole_supervisor(data_directory):
            return None
    except StackBusy:
        description: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
        return description
