"""What the local queue answers to requests that are wrong."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local_stack.gpu_queue.app import MOST_RUN_BYTES, create_gpu_queue_app
from tests.serving import served

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

KEY = "rpa_test_key"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        served(create_gpu_queue_app(file=tmp_path / "queue.sqlite", key=KEY)) as url,
        httpx.Client(base_url=f"{url}/v2/avatar", headers={"authorization": f"Bearer {KEY}"}) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/run"),
        ("GET", "/status/x"),
        ("POST", "/cancel/x"),
        ("GET", "/health"),
        ("POST", "/purge-queue"),
        ("GET", "/job-take/w"),
        ("GET", "/job-stop/w"),
        ("POST", "/job-done/w/x"),
        ("GET", "/ping/w"),
    ],
)
def test_nothing_answers_without_the_key(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, path, headers={"authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"input": 1}', b'{"input": {"x": NaN}}', b'{"input": {}, "policy": {"ttl": 1}}'],
)
def test_a_malformed_job_is_refused(client: httpx.Client, body: bytes) -> None:
    assert client.post("/run", content=body).status_code == 400
    assert client.get("/health").json()["jobs"]["inQueue"] == 0


def test_a_job_larger_than_runpod_takes_is_refused(client: httpx.Client) -> None:
    assert client.post("/run", json={"input": {"photo": "x" * MOST_RUN_BYTES}}).status_code == 413


def test_an_unknown_job_is_not_found(client: httpx.Client) -> None:
    assert client.get("/status/none").status_code == 404
    assert client.post("/cancel/none").status_code == 404


def test_a_batch_hands_out_as_many_jobs_as_were_asked_for(client: httpx.Client) -> None:
    jobs = [client.post("/run", json={"input": {"n": number}}).json()["id"] for number in range(3)]
    taken = client.get("/job-take-batch/w", params={"batch_size": 2}).json()
    assert [job["id"] for job in taken] == jobs[:2]
    assert taken[0]["input"] == {"n": 0}
