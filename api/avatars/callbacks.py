"""What a worker and RunPod may tell us, each opened by the unguessable token of one attempt of one job."""

from collections.abc import Callable
from dataclasses import dataclass

from api.authentication import digest
from api.avatars import jobs
from api.avatars.states import JobState
from api.clock import Clock
from api.database import SYSTEM, Database
from api.object_storage import ObjectStorage, avatar_object
from api.problems import NotFound
from shared.jobs import OutputFile, ProgressAnswer, ProgressReport, Verdict

RESULT_URL_TTL_S = 600
ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED})


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Both methods raise `NotFound` for a forged or superseded token, and then change nothing."""

    database: Database
    storage: ObjectStorage
    clock: Clock
    wake_reconciler: Callable[[], None]

    async def run_ended(self, token: str) -> None:
        """RunPod says that a run has ended. That is a hint: the reconciler asks RunPod itself, now."""
        async with self.database.transaction(SYSTEM) as connection:
            job = await jobs.lock_job_by_token(connection, digest(token))
            if job is None:
                raise NotFound("There is nothing at this address.")
            await jobs.check_at(connection, job, self.clock())
        self.wake_reconciler()

    async def progressed(self, token: str, report: ProgressReport) -> ProgressAnswer:
        """The worker says how far it is, and is told whether to go on."""
        async with self.database.transaction(SYSTEM) as connection:
            job = await jobs.lock_job_by_token(connection, digest(token))
            if job is None:
                raise NotFound("There is nothing at this address.")
            if report.attempt != job.attempts:
                return ProgressAnswer(verdict=Verdict.STOP)
            if report.sequence > job.progress_sequence and job.state not in ENDED:
                await jobs.mark_progress(
                    connection,
                    job,
                    stage=report.stage,
                    percent=report.percent,
                    sequence=report.sequence,
                    runpod_id=report.queue_job_id,
                    now=self.clock(),
                )
        # Only a worker that begins can find that another run of the job was there before it.
        if report.sequence > 1 and job.state not in ENDED:
            return ProgressAnswer(verdict=Verdict.CONTINUE)
        result = avatar_object(job.avatar_id, OutputFile.RESULT)
        result_url = await self.storage.sign_download(result, ttl_s=RESULT_URL_TTL_S)
        if result_url is not None:
            return ProgressAnswer.model_validate({"verdict": Verdict.FINISHED, "result_url": result_url})
        return ProgressAnswer(verdict=Verdict.STOP if job.state in ENDED else Verdict.CONTINUE)
