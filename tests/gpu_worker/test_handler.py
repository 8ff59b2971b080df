"""RunPod's entry: what it answers, what it stores and when it stops, against plain servers that speak the wire."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gpu_worker.handler import FAILED, STOPPED, UNKNOWN_INPUT, AvatarHandler
from gpu_worker.pipeline import AvatarFiles, AvatarPipeline, AvatarRequest, Progress
from gpu_worker.settings import WorkerSettings
from shared.jobs import MAX_PHOTO_BYTES, OutputFile, ProgressReport, Stage
from tests.serving import served
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Remote:
    """Storage and control plane as a worker meets them."""

    url: str = ""
    stored: dict[str, bytes] = field(default_factory=dict)
    reports: list[ProgressReport] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    progress_status: int = 200
    refusals_left: int = 0
    refusal_status: int = 503
    photo: bytes = b""

    async def put(self, request: Request) -> Response:
        content = await request.body()
        if self.refusals_left > 0:
            self.refusals_left -= 1
            return Response(status_code=self.refusal_status)
        self.stored[request.path_params["name"]] = content
        return JSONResponse({"Key": request.path_params["name"]})

    async def get(self, request: Request) -> Response:
        name = request.path_params["name"]
        return Response(self.photo if name == "front" else self.stored[name])

    async def progress(self, request: Request) -> Response:
        self.reports.append(ProgressReport.model_validate_json(await request.body()))
        verdict = self.verdicts.pop(0) if self.verdicts else {"verdict": "continue"}
        return JSONResponse(verdict, status_code=self.progress_status)

    def app(self) -> Starlette:
        routes = [
            Route("/object/{name}", self.put, methods=["PUT"]),
            Route("/object/{name}", self.get, methods=["GET"]),
            Route("/progress", self.progress, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def job(self, *, photos: bool = False, **changes: Any) -> dict[str, Any]:
        job = {
            "contract_version": 1,
            "kind": "avatar",
            "job_id": str(uuid4()),
            "attempt": 1,
            "facts": {"height_cm": 172, "weight_kg": 68, "sex": "male", "age_years": 40},
            "photos": {"front": f"{self.url}/object/front?token=secret"} if photos else {},
            "uploads": {file: {"url": f"{self.url}/object/{file}?token=secret"} for file in OutputFile},
            "progress": {"url": f"{self.url}/progress"},
            **changes,
        }
        return {"id": "run-1", "input": job}


@pytest.fixture
def remote() -> Iterator[Remote]:
    remote = Remote()
    with served(remote.app()) as remote.url:
        yield remote


@pytest.fixture
def handler(pipeline: AvatarPipeline) -> AvatarHandler:
    return AvatarHandler(pipeline, WorkerSettings())


async def test_a_job_stores_every_file_and_answers_small_and_plain(remote: Remote, handler: AvatarHandler) -> None:
    job = remote.job()
    answer = await handler.handle(job)
    assert answer["outcome"] == "ready"
    assert answer["job_id"] == job["input"]["job_id"]
    assert set(remote.stored) == {str(file) for file in OutputFile}
    assert remote.stored["avatar.glb"][:4] == b"glTF"
    assert json.loads(remote.stored["result.json"]) == answer
    assert list(remote.stored)[-1] == "result.json"
    assert len(json.dumps(answer, allow_nan=False)) < 10_000
    assert answer["measurements"]["height_cm"]["value"] == 172.0


async def test_reports_are_numbered_and_grow(remote: Remote, handler: AvatarHandler) -> None:
    await handler.handle(remote.job())
    assert [report.sequence for report in remote.reports] == list(range(1, len(remote.reports) + 1))
    percents = [report.percent for report in remote.reports]
    assert percents == sorted(percents)
    assert {report.queue_job_id for report in remote.reports} == {"run-1"}


async def test_a_second_run_of_a_finished_job_answers_the_same_and_does_no_work(
    remote: Remote, handler: AvatarHandler
) -> None:
    job = remote.job()
    first = await handler.handle(job)
    before = dict(remote.stored)
    remote.reports.clear()
    remote.verdicts = [{"verdict": "finished", "result_url": f"{remote.url}/object/result.json"}]
    assert await handler.handle(job) == first
    assert remote.stored == before
    assert len(remote.reports) == 1


async def test_a_run_nobody_waits_for_does_nothing(remote: Remote, handler: AvatarHandler) -> None:
    remote.verdicts = [{"verdict": "stop"}]
    assert await handler.handle(remote.job()) == {"error": STOPPED}
    assert remote.stored == {}


async def test_a_run_whose_token_is_void_does_nothing(remote: Remote, handler: AvatarHandler) -> None:
    remote.progress_status = 404
    assert await handler.handle(remote.job()) == {"error": STOPPED}
    assert remote.stored == {}


class HeldPipeline:
    """The real pipeline, held as it enters a stage until it is let go."""

    def __init__(self, pipeline: AvatarPipeline) -> None:
        self._pipeline = pipeline
        self.entered = threading.Event()
        self.may_go = threading.Event()
        self.ended = threading.Event()

    def run(self, request: AvatarRequest, *, progress: Progress) -> AvatarFiles:
        def on_progress(stage: Stage, share_done: float) -> None:
            if stage is Stage.FIT_BODY:
                self.entered.set()
                self.may_go.wait(30)
            progress(stage, share_done)

        try:
            return self._pipeline.run(request, progress=on_progress)
        finally:
            self.ended.set()


async def test_a_cancelled_job_stops_at_its_next_stage_and_leaves_the_worker_fit_for_more(
    remote: Remote, pipeline: AvatarPipeline
) -> None:
    held = HeldPipeline(pipeline)
    handler = AvatarHandler(held, WorkerSettings())
    task = asyncio.create_task(handler.handle(remote.job()))
    await asyncio.to_thread(held.entered.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.may_go.set()
    await asyncio.to_thread(held.ended.wait, 30)
    assert remote.stored == {}
    assert (await handler.handle(remote.job()))["outcome"] == "ready"


async def test_a_job_that_is_told_to_stop_on_the_way_stores_nothing(remote: Remote, pipeline: AvatarPipeline) -> None:
    held = HeldPipeline(pipeline)
    remote.verdicts = [{"verdict": "continue"}] * 2 + [{"verdict": "stop"}] * 50
    handler = AvatarHandler(held, WorkerSettings(heartbeat_interval_s=0.05))
    assert await handler.handle(remote.job()) == {"error": STOPPED}
    held.may_go.set()
    await asyncio.to_thread(held.ended.wait, 30)
    assert remote.stored == {}


async def test_a_long_stage_still_gives_signs_of_life(remote: Remote, pipeline: AvatarPipeline) -> None:
    held = HeldPipeline(pipeline)
    handler = AvatarHandler(held, WorkerSettings(heartbeat_interval_s=0.05))
    task = asyncio.create_task(handler.handle(remote.job()))
    await asyncio.to_thread(held.entered.wait, 30)
    heard = len(remote.reports)
    await asyncio.to_thread(eventually, lambda: len(remote.reports) >= heard + 5)
    held.may_go.set()
    assert (await task)["outcome"] == "ready"


async def test_a_control_plane_that_is_away_does_not_hold_a_job_up(remote: Remote, handler: AvatarHandler) -> None:
    away = remote.job(progress={"url": "http://127.0.0.1:9/progress"})
    assert (await handler.handle(away))["outcome"] == "ready"
    remote.progress_status, remote.verdicts = 502, [{"oops": True}] * 50
    assert (await handler.handle(remote.job()))["outcome"] == "ready"


async def test_storage_that_stumbles_is_tried_again(
    remote: Remote, handler: AvatarHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_worker.delivery.FIRST_PAUSE_S", 0.01)
    remote.refusals_left = 3
    assert (await handler.handle(remote.job()))["outcome"] == "ready"


async def test_storage_that_refuses_fails_the_job_without_naming_a_url(
    remote: Remote, handler: AvatarHandler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    remote.refusals_left, remote.refusal_status = 1000, 400
    assert await handler.handle(remote.job()) == {"error": FAILED}
    assert "token=secret" not in caplog.text
    assert "storage answered 400" in caplog.text


async def test_a_photo_that_cannot_be_used_is_refused_with_advice_and_recorded(
    remote: Remote, handler: AvatarHandler
) -> None:
    remote.photo = b"this is no photo"
    answer = await handler.handle(remote.job(photos=True))
    assert (answer["outcome"], answer["reason"]) == ("refused", "not_an_image")
    assert answer["advice"]
    assert json.loads(remote.stored["result.json"]) == answer
    assert set(remote.stored) == {"result.json"}


async def test_a_photo_over_the_limit_is_not_read_to_its_end(remote: Remote, handler: AvatarHandler) -> None:
    remote.photo = bytes(MAX_PHOTO_BYTES + 1)
    answer = await handler.handle(remote.job(photos=True))
    assert (answer["outcome"], answer["reason"]) == ("refused", "image_too_large")


@pytest.mark.parametrize(
    "change",
    [
        {"contract_version": 2},
        {"kind": "garment"},
        {"facts": {"height_cm": float("nan")}},
        {"facts": {"height_cm": 20}},
        {"uploads": {}},
        {"surprise": 1},
        {"job_id": "../../etc"},
    ],
)
async def test_an_input_outside_the_contract_is_refused_without_being_quoted(
    remote: Remote, handler: AvatarHandler, change: dict[str, Any]
) -> None:
    assert await handler.handle(remote.job(**change)) == {"error": UNKNOWN_INPUT}
    assert remote.reports == []


async def test_a_fault_of_ours_is_logged_here_and_answered_without_details(
    remote: Remote, pipeline: AvatarPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(HeldPipeline):
        def run(self, request: AvatarRequest, *, progress: Progress) -> AvatarFiles:
            raise ZeroDivisionError("on host gpu-17")

    answer = await AvatarHandler(Broken(pipeline), WorkerSettings()).handle(remote.job())
    assert answer == {"error": FAILED}
    assert "on host gpu-17" in caplog.text
