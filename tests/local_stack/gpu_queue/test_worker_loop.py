"""The local queue between RunPod's HTTP API and the real worker loop of the `runpod` SDK, in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local_stack.gpu_queue.app import create_gpu_queue_app
from local_stack.gpu_queue.queue import Patience
from local_stack.gpu_queue.worker import worker_environment
from tests.serving import served
from tests.waiting import eventually

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

KEY = "rpa_test_key"
HANDLER = Path(__file__).with_name("tiny_handler.py")


@pytest.fixture
def queue_file(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite"


@pytest.fixture
def url(queue_file: Path) -> Iterator[str]:
    patience = Patience(silent_worker_s=2.5, unlisted_job_s=2.5)
    with served(create_gpu_queue_app(file=queue_file, key=KEY, patience=patience)) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/v2/avatar", headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client


@contextmanager
def worker(url: str) -> Iterator[None]:
    environment = {**os.environ, **worker_environment(base_url=url, endpoint="avatar", key=KEY, home=HANDLER.parent)}
    process = subprocess.Popen(
        [sys.executable, str(HANDLER)],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def submit(client: httpx.Client, job_input: dict[str, Any], **more: Any) -> str:
    answer = client.post("/run", json={"input": job_input, **more}).raise_for_status().json()
    assert answer["status"] == "IN_QUEUE"
    job_id: str = answer["id"]
    return job_id


def outcome(client: httpx.Client, job_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        shown: dict[str, Any] = client.get(f"/status/{job_id}").raise_for_status().json()
        return None if shown["status"] in ("IN_QUEUE", "IN_PROGRESS") else shown

    shown: dict[str, Any] = eventually(ended)
    return shown


def test_the_worker_loop_takes_jobs_and_answers(url: str, client: httpx.Client) -> None:
    jobs = [submit(client, {"do": "answer", "value": number}) for number in range(3)]
    refused, raised = submit(client, {"do": "refuse"}), submit(client, {"do": "raise"})
    assert client.get("/health").json()["jobs"]["inQueue"] == 5
    with worker(url):
        for number, job_id in enumerate(jobs):
            shown = outcome(client, job_id)
            assert shown["status"] == "COMPLETED"
            assert shown["output"] == {"value": number, "job_id": job_id}
            assert shown["delayTime"] >= 0
            assert shown["executionTime"] >= 0
        assert outcome(client, refused)["error"] == "refused"
        assert outcome(client, refused)["output"] == {"detail": 7}
        shown = outcome(client, raised)
        assert shown["status"] == "FAILED"
        assert "broken" in shown["error"]
        health = client.get("/health").json()
    assert health["jobs"] == {"completed": 3, "failed": 2, "inProgress": 0, "inQueue": 0, "retried": 0}
    assert health["workers"]["idle"] == 1


def test_a_job_whose_worker_dies_is_given_to_the_next(url: str, client: httpx.Client, tmp_path: Path) -> None:
    marker = tmp_path / "died"
    job_id = submit(client, {"do": "die once", "marker": str(marker)})
    with worker(url):
        eventually(marker.exists)
    with worker(url):
        shown = outcome(client, job_id)
    assert shown["output"] == {"value": "second life"}
    assert client.get("/health").json()["jobs"]["retried"] == 1


def test_a_cancel_reaches_the_handler_and_the_worker_goes_on(url: str, client: httpx.Client, tmp_path: Path) -> None:
    started, stopped = tmp_path / "started", tmp_path / "stopped"
    job_id = submit(client, {"do": "work until stopped", "started": str(started), "stopped": str(stopped)})
    with worker(url):
        eventually(started.exists)
        assert client.post(f"/cancel/{job_id}").json() == {"id": job_id, "status": "CANCELLED"}
        eventually(stopped.exists)
        assert outcome(client, job_id)["status"] == "CANCELLED"
        assert outcome(client, submit(client, {"do": "answer", "value": 1}))["status"] == "COMPLETED"


def test_a_queue_that_restarts_has_lost_nothing(queue_file: Path, tmp_path: Path) -> None:
    started, stopped = tmp_path / "started", tmp_path / "stopped"
    headers = {"authorization": f"Bearer {KEY}"}

    def start(patience: Patience | None = None) -> AbstractContextManager[str]:
        return served(create_gpu_queue_app(file=queue_file, key=KEY, patience=patience))

    def connect(url: str) -> httpx.Client:
        return httpx.Client(base_url=f"{url}/v2/avatar", headers=headers)

    with start() as url, worker(url), connect(url) as client:
        done = submit(client, {"do": "answer", "value": 1})
        outcome(client, done)
        running = submit(client, {"do": "work until stopped", "started": str(started), "stopped": str(stopped)})
        waiting = submit(client, {"do": "answer", "value": 2})
        eventually(started.exists)
    started.unlink()
    with start(Patience(silent_worker_s=2.5)) as url, worker(url), connect(url) as client:
        assert outcome(client, done)["output"]["value"] == 1
        # Its worker went down with the queue, so another starts it again, before or after the one that waited.
        eventually(started.exists)
        assert client.get(f"/status/{running}").json()["status"] == "IN_PROGRESS"
        client.post(f"/cancel/{running}").raise_for_status()
        assert outcome(client, waiting)["output"]["value"] == 2


def test_the_webhook_brings_the_outcome_and_echoes_the_input(url: str, client: httpx.Client) -> None:
    received: list[dict[str, Any]] = []

    async def receive(request: Request) -> Response:
        received.append(await request.json())
        return Response()

    with served(Starlette(routes=[Route("/hook", receive, methods=["POST"])])) as hook, worker(url):
        job_id = submit(client, {"do": "answer", "value": 3}, webhook=f"{hook}/hook")
        eventually(lambda: received)
    assert received[0]["id"] == job_id
    assert received[0]["status"] == "COMPLETED"
    assert received[0]["output"]["value"] == 3
    assert received[0]["input"] == {"do": "answer", "value": 3}
    assert len(received) == 1
