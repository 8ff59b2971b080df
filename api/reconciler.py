"""Brings every job to an end: dispatches it, believes RunPod's status and storage alone, and tries again when lost."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import JsonValue, TypeAdapter, ValidationError

from api.authentication import digest
from api.avatars import jobs
from api.avatars.dispatch import PhotosGone, worker_input
from api.avatars.jobs import Job
from api.avatars.states import JobEvent, JobState
from api.clock import Clock
from api.database import SYSTEM, Connection, Database
from api.gpu_queue import GpuQueue, QueueRefused, QueueUnavailable, Run, RunState
from api.metrics import Metrics
from api.object_storage import ObjectStorage, StorageUnavailable, avatar_object
from api.privacy.service import Privacy
from shared.jobs import AvatarReady, AvatarRefused, AvatarResult, OutputFile

BATCH = 20
LEASE = timedelta(seconds=60)
"""How long a replica that took a job in hand keeps the others away from it; longer than any one look takes."""
UNANSWERED_DISPATCH_GRACE = timedelta(seconds=30)
"""How long a dispatch without an answer may still turn out to run, before it is made again."""
INTERNAL_REASON = "internal"
INTERNAL_ADVICE = "Something went wrong on our side and we kept nothing. Please try again in a few minutes."

RESULT: TypeAdapter[AvatarReady | AvatarRefused] = TypeAdapter(AvatarResult)

logger = logging.getLogger(__name__)


class _DispatchUnanswered(Exception):
    """RunPod was asked to run a job and gave no usable answer."""


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """How long a job may take and how often it is tried."""

    public_url: str
    max_attempts: int
    execution_timeout_s: int
    ttl_s: int
    stall_timeout: timedelta
    interval: timedelta
    max_age: timedelta


class Reconciler:
    """One runs in each replica; a job is looked at by one of them at a time."""

    def __init__(
        self,
        *,
        database: Database,
        storage: ObjectStorage,
        queue: GpuQueue,
        privacy: Privacy,
        metrics: Metrics,
        clock: Clock,
        policy: JobPolicy,
    ) -> None:
        self._database = database
        self._storage = storage
        self._queue = queue
        self._privacy = privacy
        self._metrics = metrics
        self._clock = clock
        self._policy = policy
        # Reports sent while nobody was there to hear them are no silence of the worker's.
        self._listening_since = clock()

    async def reconcile_due(self) -> None:
        """Look at every job that is due, once."""
        while await self._reconcile_batch() == BATCH:
            pass

    async def _reconcile_batch(self) -> int:
        now = self._clock()
        async with self._database.transaction(SYSTEM) as connection:
            due = await jobs.claim_due(connection, now=now, next_check_at=now + LEASE, limit=BATCH)
        await asyncio.gather(*(self._look_at_safely(job) for job in due))
        return len(due)

    async def _look_at_safely(self, job: Job) -> None:
        # One job that cannot be handled must not keep the others waiting; its lease ends and it is tried again.
        try:
            await self.look_at(job)
        except (QueueUnavailable, StorageUnavailable) as error:
            fields = {"job": job.id, "error": f"{type(error).__name__}: {error}"}
            logger.warning("job waits for a service that does not answer", extra={"fields": fields})
            await self._check_again(job)
        except _DispatchUnanswered as error:
            # Counting the attempt has set when to look again: after the grace period.
            logger.warning("dispatch unanswered", extra={"fields": {"job": job.id, "error": str(error)}})
        except Exception:
            self._metrics.reconciler_failures.inc()
            logger.exception("job could not be looked at", extra={"fields": {"job": job.id}})

    async def look_at(self, job: Job) -> None:
        """Take a live job one step on.

        Raises `QueueUnavailable` or `StorageUnavailable` when that cannot be known now, and `_DispatchUnanswered`.
        """
        if job.runpod_id is None:
            # Never dispatched, or RunPod's answer was lost and no worker has reported since.
            await self._adopt_or_retry(job, cause="dispatch unanswered")
            return
        run = await self._queue.status(job.runpod_id)
        match run:
            case None:
                await self._adopt_or_retry(job, cause="unknown to RunPod")
            case Run(state=RunState.COMPLETED):
                await self._believe(job, run.output)
            case Run(state=RunState.FAILED | RunState.CANCELLED | RunState.TIMED_OUT):
                await self._adopt_or_retry(job, cause=run.state.lower())
            case Run(state=RunState.IN_QUEUE) if not self._is_overdue(job):
                await self._check_again(job)
            case _ if self._is_silent(job) or self._is_overdue(job):
                await self._queue.cancel(job.runpod_id)
                await self._adopt_or_retry(job, cause="worker silent")
            case _:
                await self._check_again(job)

    def _is_silent(self, job: Job) -> bool:
        # A run can be in progress while its worker still loads models: silence counts from the first report.
        if job.state is not JobState.RUNNING or job.heartbeat_at is None:
            return False
        return self._clock() - max(job.heartbeat_at, self._listening_since) > self._policy.stall_timeout

    def _is_overdue(self, job: Job) -> bool:
        return job.deadline_at is not None and self._clock() > job.deadline_at

    async def _believe(self, job: Job, output: JsonValue) -> None:
        """End the job by what RunPod says the worker answered, or by what lies in storage."""
        try:
            result = RESULT.validate_python(output)
        except ValidationError:
            await self._adopt_or_retry(job, cause="unreadable answer")
            return
        if result.job_id != job.id:
            await self._adopt_or_retry(job, cause="answer to another job")
            return
        await self._end(job, result)

    async def _adopt_or_retry(self, job: Job, *, cause: str) -> None:
        """End the job by the result in storage; without one, dispatch it again while attempts are left."""
        stored = await self._storage.read(avatar_object(job.avatar_id, OutputFile.RESULT))
        if stored is not None:
            try:
                result = RESULT.validate_json(stored)
            except ValidationError:
                logger.error("result in storage is unreadable", extra={"fields": {"job": job.id}})
            else:
                if result.job_id == job.id:
                    await self._end(job, result)
                    return
        if job.attempts > 0:
            self._metrics.jobs_lost.labels(cause).inc()
            fields = {"job": job.id, "attempt": job.attempts, "cause": cause}
            logger.warning("a run ended without a result", extra={"fields": fields})
        # A dispatch that nobody speaks of says nothing against the job: RunPod being away must not use up its attempts.
        attempts = job.attempts - 1 if job.is_unanswered else job.attempts
        if attempts >= self._policy.max_attempts or self._clock() - job.created_at > self._policy.max_age:
            await self._give_up(job, cause=cause)
            return
        async with self._database.transaction(SYSTEM) as connection:
            current = await jobs.lock_job(connection, job.id)
            if current is None or not current.is_live:
                return
            if current.runpod_id != job.runpod_id or current.attempts != job.attempts:
                return
            if job.is_unanswered:
                await jobs.uncount_attempt(connection, current, next_check_at=self._clock())
            elif job.attempts > 0:
                await jobs.mark_lost(connection, current, error_detail=cause, now=self._clock())
        await self._dispatch(replace(job, attempts=attempts))

    async def _dispatch(self, job: Job) -> None:
        token = secrets.token_urlsafe(32)
        callback_url = f"{self._policy.public_url}/v1/callbacks/runpod/{token}"
        try:
            payload = await worker_input(job, self._storage, callback_url=callback_url)
        except PhotosGone:
            await self._give_up(job, cause="photos gone")
            return
        if not await self._count_attempt(job, token):
            return
        try:
            runpod_id = await self._queue.run(
                payload.model_dump(mode="json"),
                webhook_url=callback_url,
                execution_timeout_s=self._policy.execution_timeout_s,
                ttl_s=self._policy.ttl_s,
            )
        except QueueRefused as error:
            self._metrics.dispatches.labels("refused").inc()
            logger.warning("dispatch refused", extra={"fields": {"job": job.id, "error": str(error)}})
            await self._forget_attempt(job)
            return
        except QueueUnavailable as error:
            # It may have been taken all the same: the worker's first report, or the grace period, will tell.
            self._metrics.dispatches.labels("unanswered").inc()
            raise _DispatchUnanswered(str(error)) from error
        self._metrics.dispatches.labels("taken").inc()
        await self._note_taken(job, runpod_id)

    async def _count_attempt(self, job: Job, token: str) -> bool:
        """Whether the attempt is ours to make; its token is in force before RunPod can call back with it."""
        now = self._clock()
        async with self._database.transaction(SYSTEM) as connection:
            current = await jobs.lock_job(connection, job.id)
            if current is None or current.state is not JobState.QUEUED or current.attempts != job.attempts:
                return False
            await jobs.count_attempt(
                connection,
                current,
                token_hash=digest(token),
                now=now,
                deadline_at=now + timedelta(seconds=self._policy.ttl_s),
                next_check_at=now + UNANSWERED_DISPATCH_GRACE,
            )
        return True

    async def _forget_attempt(self, job: Job) -> None:
        async with self._database.transaction(SYSTEM) as connection:
            current = await jobs.lock_job(connection, job.id)
            if current is not None and current.state is JobState.QUEUED:
                await jobs.uncount_attempt(connection, current, next_check_at=self._clock() + self._policy.interval)

    async def _note_taken(self, job: Job, runpod_id: str) -> None:
        now = self._clock()
        async with self._database.transaction(SYSTEM) as connection:
            current = await jobs.lock_job(connection, job.id)
            if current is not None:
                await jobs.mark_taken(connection, current, runpod_id=runpod_id, now=now)
                await jobs.check_at(connection, current, now + self._policy.interval)
        if current is None:
            # The avatar was deleted between the attempt and RunPod's answer; nobody else knows this run.
            await self._queue.cancel(runpod_id)

    async def _end(self, job: Job, result: AvatarReady | AvatarRefused) -> None:
        if isinstance(result, AvatarRefused):
            await self._fail(job, JobEvent.REFUSED, reason=result.reason, advice=result.advice)
            return
        if await self._storage.size_bytes(avatar_object(job.avatar_id, OutputFile.GLB)) is None:
            await self._give_up(job, cause="result without a GLB")
            return
        await self._settle(
            job,
            JobEvent.READY,
            lambda connection, current: jobs.mark_ready(connection, current, result, now=self._clock()),
        )

    async def _give_up(self, job: Job, *, cause: str) -> None:
        logger.error("job given up", extra={"fields": {"job": job.id, "cause": cause}})
        await self._fail(job, JobEvent.GIVEN_UP, reason=INTERNAL_REASON, advice=INTERNAL_ADVICE, error_detail=cause)

    async def _fail(
        self, job: Job, event: JobEvent, *, reason: str, advice: str, error_detail: str | None = None
    ) -> None:
        def end(connection: Connection, current: Job) -> Awaitable[bool]:
            return jobs.mark_failed(
                connection,
                current,
                event,
                reason=reason,
                advice=advice,
                error_detail=error_detail,
                now=self._clock(),
            )

        await self._settle(job, event, end)

    async def _settle(self, job: Job, event: JobEvent, end: Callable[[Connection, Job], Awaitable[bool]]) -> None:
        """Make the avatar terminal, once.

        The photos go first, so that whoever sees the end sees them gone. Stopped between the two, the job is still
        live and ends the same way at the next look, by RunPod's status or by the result in storage.
        """
        removed = await self._privacy.remove_photos(job)
        async with self._database.transaction(SYSTEM) as connection:
            current = await jobs.lock_job(connection, job.id)
            if current is None or not await end(connection, current):
                return
            await self._privacy.record_photo_deletion(connection, current, removed=removed)
            if event is JobEvent.GIVEN_UP:
                await self._privacy.record_output_deletion(connection, current)
        self._metrics.jobs_ended.labels(event).inc()

    async def _check_again(self, job: Job) -> None:
        moment: datetime = self._clock() + self._policy.interval
        async with self._database.transaction(SYSTEM) as connection:
            await jobs.check_at(connection, job, moment)
