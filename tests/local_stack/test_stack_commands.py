"""`tryon up`, `status` and `down` as a user runs them: processes that are started, killed and counted."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.database import reachable_directory
from tests.waiting import eventually

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.slow, pytest.mark.xdist_group("stack")]

TRYON = [sys.executable, "-m", "local_stack.command_line"]
# A worker that needs no model and no time to load one.
TINY_WORKER = shlex.join([sys.executable, str(Path(__file__).parent / "gpu_queue" / "tiny_handler.py")])
SERVICES = {"postgres", "local_stack.storage", "local_stack.gpu_queue", "uvicorn", "tiny_handler.py", "reaper.py"}

Stack = tuple["subprocess.Popen[str]", dict[str, Any]]


@pytest.fixture
def data_directory() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory / "data"


@contextmanager
def starting(data_directory: Path) -> Iterator[Callable[[], Stack]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> Stack:
        command = [*TRYON, "up", "--port", "0", "--data-dir", str(data_directory), "--worker", TINY_WORKER, "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "it ended without a word"
        return process, json.loads(line)

    yield start
    for process in started:
        process.terminate()
        process.communicate()


@pytest.fixture
def up(data_directory: Path) -> Iterator[Callable[[], Stack]]:
    with starting(data_directory) as up:
        yield up


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """One stack for the tests that leave it running."""
    with reachable_directory() as directory, starting(directory / "data") as up:
        yield up()


def tryon(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([*TRYON, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def descendants(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def child(process: "subprocess.Popen[str]", name: str) -> psutil.Process | None:
    """The living child whose command names this."""
    for found in psutil.Process(process.pid).children():
        try:
            if any(name in word for word in found.cmdline()):
                return found
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return None


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_it_comes_up_well_says_so_in_one_line_and_goes_down_leaving_nothing(
    up: Callable[[], Stack], data_directory: Path
) -> None:
    process, printed = up()
    assert httpx.get(f"{printed['api']}/readyz").json() == {"database": "ok", "storage": "ok", "queue": "ok"}
    assert printed["operator_key"].startswith("op_")
    everything = descendants(process)
    assert {name for name in SERVICES if any(name in " ".join(found.cmdline()) for found in everything)} == SERVICES

    status, report = tryon("status", "--data-dir", str(data_directory), "--json")
    assert (status, report["running"], report["ready"], report["api"]) == (0, True, True, printed["api"])

    status, report = tryon("down", "--data-dir", str(data_directory), "--json")
    assert (status, report) == (0, {"stopped": True})
    assert process.wait() == 0
    assert all_gone(everything)
    assert process.stdout is not None
    assert process.stdout.read() == ""
    assert tryon("status", "--data-dir", str(data_directory), "--json") == (1, {"running": False})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_it_however_it_ends(up: Callable[[], Stack], number: signal.Signals) -> None:
    process, _ = up()
    everything = descendants(process)
    process.send_signal(number)
    assert process.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    eventually(lambda: all_gone(everything))


@pytest.mark.parametrize(
    "name", ["postgres", "local_stack.storage", "local_stack.gpu_queue", "uvicorn", "tiny_handler"]
)
def test_a_service_that_is_killed_is_started_again(running: Stack, name: str) -> None:
    process, printed = running
    killed = child(process, name)
    assert killed is not None
    with_it = [killed, *killed.children(recursive=True)]
    killed.kill()
    eventually(lambda: all_gone(with_it))

    def is_well() -> bool:
        try:
            return child(process, name) is not None and httpx.get(f"{printed['api']}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    eventually(is_well)


def test_data_and_keys_stay_between_runs(up: Callable[[], Stack]) -> None:
    process, first = up()
    headers = {"authorization": f"Bearer {first['operator_key']}"}
    brand: dict[str, Any] = {"name": "Kept", "shopify_shop_domain": None, "allowed_origins": []}
    made = httpx.post(f"{first['api']}/v1/brands", json=brand, headers=headers)
    assert made.status_code == 201
    process.terminate()
    process.wait()
    _, second = up()
    assert second["operator_key"] == first["operator_key"]
    assert (second["storage"], second["gpu_queue"]) == (first["storage"], first["gpu_queue"])
    with psycopg.connect(second["database"]) as connection:
        assert connection.execute("select name from brands").fetchall() == [("Kept",)]


def test_a_second_one_on_the_same_folder_is_refused(running: Stack) -> None:
    command = [*TRYON, "up", "--port", "0", "--data-dir", running[1]["data_dir"]]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "runs already" in second.stderr


def test_a_taken_port_is_refused_with_a_word_on_what_to_do(running: Stack, tmp_path: Path) -> None:
    port = running[1]["api"].rpartition(":")[2]
    command = [*TRYON, "up", "--port", port, "--data-dir", str(tmp_path / "other")]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "--port" in second.stderr


@pytest.mark.parametrize(
    "name", ["stack.json", "running.json", "gpu_queue.sqlite", "objects", "logs", "logs/worker.log", "postgres/data"]
)
def test_secrets_and_photos_are_readable_by_their_owner_only(running: Stack, name: str) -> None:
    assert (Path(running[1]["data_dir"]) / name).stat().st_mode & 0o077 == 0
