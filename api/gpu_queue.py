"""The one place that speaks to RunPod's serverless API (or to anything that has its shapes)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, JsonValue, ValidationError


class QueueUnavailable(Exception):
    """RunPod did not give a usable answer; whether it did what was asked is unknown."""


class QueueRefused(Exception):
    """RunPod understood the request and refused it; nothing was queued."""


class RunState(StrEnum):
    """The states RunPod documents for a run."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True, slots=True)
class Run:
    """What RunPod says of one run. `output` is whatever the worker answered, not yet validated."""

    state: RunState
    output: JsonValue


class _Queued(BaseModel):
    id: str


class _Status(BaseModel):
    status: RunState
    output: JsonValue = None


Answer = TypeVar("Answer", bound=BaseModel)


class GpuQueue:
    """A client of one endpoint. Every method raises `QueueUnavailable` when there is no usable answer."""

    def __init__(self, client: httpx.AsyncClient, *, base_url: str, endpoint: str, key: str) -> None:
        self._client = client
        self._base_url = f"{base_url.rstrip('/')}/{endpoint}"
        self._headers = {"Authorization": f"Bearer {key}"}

    async def run(self, job: JsonValue, *, webhook_url: str, execution_timeout_s: int, ttl_s: int) -> str:
        """Queue a job; gives RunPod's id of the run. Raises `QueueRefused` when it was certainly not queued."""
        body: JsonValue = {
            "input": job,
            "webhook": webhook_url,
            "policy": {"executionTimeout": execution_timeout_s * 1000, "ttl": ttl_s * 1000},
        }
        response = await self._request("POST", "run", json=body)
        if 400 <= response.status_code < 500:
            raise QueueRefused(f"run answered {response.status_code}")
        return _parse(_Queued, response).id

    async def status(self, run_id: str) -> Run | None:
        """What became of a run; None when RunPod does not know it (any more)."""
        response = await self._request("GET", f"status/{run_id}")
        if response.status_code == 404:
            return None
        status = _parse(_Status, response)
        return Run(status.status, status.output)

    async def cancel(self, run_id: str) -> None:
        """Stop a run. One that has ended or is unknown is no fault."""
        response = await self._request("POST", f"cancel/{run_id}")
        if response.status_code not in (200, 400, 404):
            raise QueueUnavailable(f"cancel answered {response.status_code}")

    async def health(self) -> None:
        """Raises `QueueUnavailable` unless the endpoint answers."""
        response = await self._request("GET", "health")
        if response.status_code != 200:
            raise QueueUnavailable(f"health answered {response.status_code}")

    async def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return await self._client.request(
                method, f"{self._base_url}/{path}", headers=self._headers, follow_redirects=False, **arguments
            )
        except httpx.HTTPError as error:
            raise QueueUnavailable(type(error).__name__) from error


def _parse(model: type[Answer], response: httpx.Response) -> Answer:
    if response.status_code != 200:
        raise QueueUnavailable(f"RunPod answered {response.status_code}")
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise QueueUnavailable("RunPod's answer has an unknown shape") from error
