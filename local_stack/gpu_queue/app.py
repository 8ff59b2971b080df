"""A queue with the HTTP of RunPod's serverless API on one side and that of its workers on the other, under /v2."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from local_stack.gpu_queue.background import (
    WEBHOOK_TIMEOUT_S,
    Bell,
    call_webhooks_for_ever,
    end_with,
    tick_for_ever,
)
from local_stack.gpu_queue.jobs import Job, JobFile
from local_stack.gpu_queue.queue import (
    DEFAULT_EXECUTION_TIMEOUT_S,
    DEFAULT_TTL_S,
    Patience,
    Queue,
)

MOST_RUN_BYTES = 10 * 1024 * 1024
MOST_RESULT_BYTES = 20 * 1024 * 1024
# How long a worker's request for a job, or for jobs to stop, is held open.
LONG_POLL_S = 20.0
# How often a held request looks whether its caller has gone or the server wants to stop.
LOOK_UP_S = 0.25


def create_gpu_queue_app(
    *, file: Path, key: str, clock: Callable[[], float] | None = None, patience: Patience | None = None
) -> Starlette:
    """Return the ASGI application; jobs are kept in `file` and `key` is asked of clients and of workers."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        jobs = JobFile(file)
        queue = Queue(jobs, patience=patience) if clock is None else Queue(jobs, clock=clock, patience=patience)
        bell = Bell()
        app.state.queue, app.state.key, app.state.bell = queue, key, bell
        async with httpx.AsyncClient(timeout=WEBHOOK_TIMEOUT_S) as client:
            loops = [
                asyncio.create_task(tick_for_ever(queue, bell)),
                asyncio.create_task(call_webhooks_for_ever(queue, bell, client)),
            ]
            for task in loops:
                task.add_done_callback(end_with)
            try:
                yield
            finally:
                for task in loops:
                    task.cancel()
                await asyncio.gather(*loops, return_exceptions=True)
                jobs.close()

    routes = [
        Route("/run", run, methods=["POST"]),
        Route("/status/{job_id}", status, methods=["GET"]),
        Route("/cancel/{job_id}", cancel, methods=["POST"]),
        Route("/health", health, methods=["GET"]),
        Route("/purge-queue", purge_queue, methods=["POST"]),
        Route("/job-take/{worker}", take_job, methods=["GET"]),
        Route("/job-take-batch/{worker}", take_jobs, methods=["GET"]),
        Route("/job-stop/{worker}", stop_jobs, methods=["GET"]),
        Route("/job-done/{worker}/{job_id}", finish_job, methods=["POST"]),
        Route("/ping/{worker}", ping, methods=["GET"]),
    ]
    app = Starlette(routes=[Mount("/v2/{endpoint}", routes=routes)], lifespan=lifespan)
    # Whoever runs the server may say here that it is about to stop.
    app.state.is_closing = lambda: False
    return app


async def run(request: Request) -> Response:
    """Queue a job."""
    _check_key(request)
    body = await _body(request, MOST_RUN_BYTES)
    if not isinstance(body.get("input"), dict):
        _refuse(400, "input is missing or no object")
    policy = body.get("policy") or {}
    job = _queue(request).submit(
        request.path_params["endpoint"],
        json.dumps(body["input"]),
        webhook=body.get("webhook"),
        execution_timeout_s=_seconds(policy, "executionTimeout", DEFAULT_EXECUTION_TIMEOUT_S, least_s=5.0),
        ttl_s=_seconds(policy, "ttl", DEFAULT_TTL_S, least_s=10.0),
        low_priority=bool(policy.get("lowPriority", False)),
    )
    _bell(request).ring()
    return JSONResponse({"id": job.id, "status": job.status.value})


async def status(request: Request) -> Response:
    """What became of a job; 404 half an hour after its end."""
    _check_key(request)
    job = _queue(request).find(request.path_params["endpoint"], request.path_params["job_id"])
    return JSONResponse(job.describe()) if job else _unknown_job()


async def cancel(request: Request) -> Response:
    """End a job that has not ended."""
    _check_key(request)
    job = _queue(request).cancel(request.path_params["endpoint"], request.path_params["job_id"])
    _bell(request).ring()
    return JSONResponse({"id": job.id, "status": job.status.value}) if job else _unknown_job()


async def health(request: Request) -> Response:
    """How many jobs and workers there are, by state."""
    _check_key(request)
    return JSONResponse(_queue(request).health(request.path_params["endpoint"]))


async def purge_queue(request: Request) -> Response:
    """Forget the jobs that wait."""
    _check_key(request)
    return JSONResponse({"removed": _queue(request).purge(request.path_params["endpoint"]), "status": "completed"})


async def take_job(request: Request) -> Response:
    """The next job for a worker, or 204 when none came in a while."""
    job = await _wait_for_job(request)
    return Response(status_code=204) if job is None else _job_answer(job)


async def take_jobs(request: Request) -> Response:
    """Up to `batch_size` jobs for a worker."""
    first = await _wait_for_job(request)
    if first is None:
        return Response(status_code=204)
    jobs = [first]
    endpoint, worker = request.path_params["endpoint"], request.path_params["worker"]
    wanted = request.query_params.get("batch_size", "1")
    while len(jobs) < (int(wanted) if wanted.isdigit() else 1) and (job := _queue(request).take(endpoint, worker)):
        jobs.append(job)
    return JSONResponse([{"id": job.id, "input": json.loads(job.input)} for job in jobs])


async def stop_jobs(request: Request) -> Response:
    """The jobs that a worker is to stop, or 204 when there was none in a while."""
    _check_key(request)
    endpoint, worker = request.path_params["endpoint"], request.path_params["worker"]
    deadline = asyncio.get_running_loop().time() + LONG_POLL_S
    while not (stops := _queue(request).stops_for(endpoint, worker)):
        if _is_over(request, deadline) or await request.is_disconnected():
            return Response(status_code=204)
        await _bell(request).wait(LOOK_UP_S)
    return JSONResponse({"jobsToStop": stops})


async def finish_job(request: Request) -> Response:
    """A worker's result, or its progress on the way there. The body is JSON, whatever its content type says."""
    _check_key(request)
    endpoint, worker, job_id = (request.path_params[name] for name in ("endpoint", "worker", "job_id"))
    body = await _body(request, MOST_RESULT_BYTES)
    queue = _queue(request)
    queue.hear_from(endpoint, worker)
    output_json = json.dumps(body["output"]) if "output" in body else None
    if body.get("status") == "IN_PROGRESS":
        queue.progress(endpoint, job_id, output_json or "null")
    else:
        error = body.get("error")
        queue.finish(endpoint, job_id, output_json, None if error is None else str(error))
        _bell(request).ring()
    return JSONResponse({})


async def ping(request: Request) -> Response:
    """A worker's sign of life, with the jobs it works on."""
    _check_key(request)
    listed = [job_id for job_id in request.query_params.get("job_id", "").split(",") if job_id]
    _queue(request).hear_from(request.path_params["endpoint"], request.path_params["worker"], listed)
    return JSONResponse({})


async def _wait_for_job(request: Request) -> Job | None:
    _check_key(request)
    endpoint, worker = request.path_params["endpoint"], request.path_params["worker"]
    queue = _queue(request)
    deadline = asyncio.get_running_loop().time() + LONG_POLL_S
    while True:
        queue.hear_from(endpoint, worker)
        # A worker that hung up while it waited must not be given a job.
        if _is_over(request, deadline) or await request.is_disconnected():
            return None
        if (job := queue.take(endpoint, worker)) is not None:
            return job
        await _bell(request).wait(LOOK_UP_S)


def _queue(request: Request) -> Queue:
    queue = request.app.state.queue
    assert isinstance(queue, Queue)
    return queue


def _bell(request: Request) -> Bell:
    bell = request.app.state.bell
    assert isinstance(bell, Bell)
    return bell


def _check_key(request: Request) -> None:
    # A client sends a bearer token, the SDK's worker loop the bare key.
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not secrets.compare_digest(given.encode(), request.app.state.key.encode()):
        _refuse(401, "unauthorized")


def _is_over(request: Request, deadline: float) -> bool:
    """Whether a held request is to be answered now: its time is up, or the server wants to stop."""
    return asyncio.get_running_loop().time() >= deadline or request.app.state.is_closing()


def _job_answer(job: Job) -> Response:
    return JSONResponse({"id": job.id, "input": json.loads(job.input)})


def _unknown_job() -> Response:
    return JSONResponse({"error": "request does not exist"}, status_code=404)


def _refuse(status_code: int, message: str) -> NoReturn:
    raise HTTPException(status_code, message)


def _seconds(policy: dict[str, Any], name: str, default_s: float, *, least_s: float) -> float:
    value = policy.get(name)
    if value is None:
        return default_s
    if not isinstance(value, int | float) or value < least_s * 1000:
        _refuse(400, f"policy.{name} must be at least {least_s * 1000:.0f} milliseconds")
    return float(value) / 1000


async def _body(request: Request, most_bytes: int) -> dict[str, Any]:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > most_bytes:
            _refuse(413, "payload too large")
    try:
        body = json.loads(received, parse_constant=_no_such_number)
    except ValueError:
        _refuse(400, "body is not valid JSON")
    if not isinstance(body, dict):
        _refuse(400, "body is no object")
    return body


def _no_such_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
