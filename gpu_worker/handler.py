"""RunPod's entry to the worker: one job in, files by signed URLs out, a small answer back."""

import asyncio
import logging
import threading
from typing import Any, Protocol

import httpx
from pydantic import ValidationError

from gpu_worker.delivery import Delivery, DeliveryFailed
from gpu_worker.pipeline import AvatarFiles, AvatarPipeline, AvatarRequest, Progress
from gpu_worker.progress import ProgressReporter
from gpu_worker.rejections import PhotoRejected
from gpu_worker.settings import WorkerSettings
from shared.jobs import (
    AvatarJob,
    AvatarReady,
    AvatarRefused,
    Measurement,
    OutputFile,
    PhotoView,
    Stage,
    Verdict,
)

# Fetching and storing take a little; the pipeline's own share of the work is spread between.
PIPELINE_START_PERCENT, UPLOAD_START_PERCENT = 5, 95

UNKNOWN_INPUT = "the input is not a job this worker understands"
STOPPED = "the job was stopped"
FAILED = "the avatar could not be made"

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """Nobody waits for this run any more."""


class Pipeline(Protocol):
    """What makes an avatar of a request, in one long call that reports each stage it enters."""

    def run(self, request: AvatarRequest, *, progress: Progress) -> AvatarFiles:
        """Raises `PhotoRejected`."""


class AvatarHandler:
    """Handles jobs with one loaded pipeline, one at a time."""

    def __init__(self, pipeline: Pipeline, settings: WorkerSettings) -> None:
        self._pipeline = pipeline
        self._settings = settings
        # A cancelled job's thread runs on until its stage ends; the next job waits for it.
        self._pipeline_is_free = threading.Lock()

    async def handle(self, queue_job: dict[str, Any]) -> dict[str, Any]:
        """Answer one job of RunPod's queue with an AvatarResult, or with an `error` that quotes nothing.

        A second run of a job whose result is in storage answers that result and does no work.
        """
        try:
            job = AvatarJob.model_validate(queue_job["input"])
        except ValidationError as error:
            logger.error("refused an input with %d faults", error.error_count())
            return {"error": UNKNOWN_INPUT}
        try:
            async with httpx.AsyncClient(timeout=self._settings.request_timeout_s) as client:
                result = await self._run(job, Delivery(client), queue_job_id=str(queue_job["id"]))
        except Stopped:
            return {"error": STOPPED}
        except DeliveryFailed as error:
            logger.error("job %s: %s", job.job_id, error)
            return {"error": FAILED}
        except Exception:
            # The SDK would send the traceback and this machine's name to whoever asks for the job's status.
            logger.exception("job %s failed", job.job_id)
            return {"error": FAILED}
        answer: dict[str, Any] = result.model_dump(mode="json")
        return answer

    async def _run(self, job: AvatarJob, delivery: Delivery, *, queue_job_id: str) -> AvatarReady | AvatarRefused:
        reporter = ProgressReporter(
            delivery,
            job,
            queue_job_id=queue_job_id,
            heartbeat_interval_s=self._settings.heartbeat_interval_s,
        )
        first = await reporter.report()
        if first.verdict is Verdict.FINISHED and first.result_url is not None:
            return await delivery.fetch_result(first.result_url)
        if first.verdict is Verdict.STOP:
            raise Stopped
        work = asyncio.create_task(self._work(job, delivery, reporter))
        reporting = asyncio.create_task(reporter.report_until_stopped())
        try:
            await asyncio.wait({work, reporting}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return await work
            raise Stopped
        finally:
            work.cancel()
            reporting.cancel()
            await asyncio.gather(work, reporting, return_exceptions=True)

    async def _work(
        self, job: AvatarJob, delivery: Delivery, reporter: ProgressReporter
    ) -> AvatarReady | AvatarRefused:
        try:
            photos = {view: await delivery.fetch_photo(url) for view, url in job.photos.items()}
            made = await self._make_avatar(job, photos, reporter)
        except PhotoRejected as refusal:
            refused = AvatarRefused(job_id=job.job_id, reason=refusal.reason, advice=refusal.advice)
            await _store_result(refused, job, delivery)
            return refused
        reporter.note(Stage.UPLOAD, UPLOAD_START_PERCENT)
        files = [file for file in OutputFile if file in made.files]
        await asyncio.gather(*(delivery.store(file, made.files[file], job.uploads[file]) for file in files))
        ready = AvatarReady(
            job_id=job.job_id,
            files=files,
            measurements={
                key: Measurement(value=round(each.value, 1), error_p90=round(each.error_p90, 1))
                for key, each in made.measurements.items()
            },
            warnings=list(made.warnings),
        )
        # Last, because its presence says that everything else is there.
        await _store_result(ready, job, delivery)
        return ready

    async def _make_avatar(
        self, job: AvatarJob, photos: dict[PhotoView, bytes], reporter: ProgressReporter
    ) -> AvatarFiles:
        loop = asyncio.get_running_loop()
        stop = threading.Event()

        def on_progress(stage: Stage, share_done: float) -> None:
            if stop.is_set():
                raise Stopped
            loop.call_soon_threadsafe(reporter.note, stage, _overall_percent(share_done))

        try:
            return await asyncio.to_thread(self._run_pipeline, job, photos, on_progress)
        finally:
            stop.set()

    def _run_pipeline(self, job: AvatarJob, photos: dict[PhotoView, bytes], on_progress: Progress) -> AvatarFiles:
        request = AvatarRequest(
            height_cm=job.facts.height_cm,
            front=photos.get(PhotoView.FRONT),
            side=photos.get(PhotoView.SIDE),
            weight_kg=job.facts.weight_kg,
            sex=job.facts.sex,
            age_years=job.facts.age_years,
        )
        with self._pipeline_is_free:
            return self._pipeline.run(request, progress=on_progress)


def _overall_percent(share_done: float) -> int:
    return int(PIPELINE_START_PERCENT + share_done * (UPLOAD_START_PERCENT - PIPELINE_START_PERCENT))


async def _store_result(result: AvatarReady | AvatarRefused, job: AvatarJob, delivery: Delivery) -> None:
    content = result.model_dump_json().encode()
    await delivery.store(OutputFile.RESULT, content, job.uploads[OutputFile.RESULT])


def serve(pipeline: Pipeline, settings: WorkerSettings) -> None:
    """Take jobs from RunPod until it ends the process."""
    # The SDK reads its environment when it is imported.
    import runpod

    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # httpx logs whole URLs, signatures included.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    runpod.serverless.start({"handler": AvatarHandler(pipeline, settings).handle})


def main() -> None:
    """Load the models, then take jobs: a worker that says it is ready is ready."""
    settings = WorkerSettings()
    serve(AvatarPipeline.load(), settings)


if __name__ == "__main__":
    main()
