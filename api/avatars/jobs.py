"""The jobs behind avatars in the database: every change of state goes through here, by the table in states."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from api.avatars.states import AvatarStatus, JobEvent, JobState, after
from api.database import Connection, Row, execute, fetch_all, fetch_one
from shared.jobs import AvatarReady, BodyFacts, OutputFile, PhotoView, Stage
from shared.rejections import WARNING_ADVICE

LIVE_STATES = [JobState.QUEUED, JobState.DISPATCHED, JobState.RUNNING]

JOB_COLUMNS = """
    avatar_jobs.id, avatar_jobs.avatar_id, avatar_jobs.state, avatar_jobs.attempts, avatar_jobs.runpod_id,
    avatar_jobs.progress_sequence, avatar_jobs.heartbeat_at, avatar_jobs.deadline_at, avatar_jobs.created_at,
    avatar_jobs.dispatched_at,
    avatars.brand_id, avatars.height_cm, avatars.weight_kg, avatars.sex, avatars.age_years, avatars.photos
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was when its row was read."""

    id: UUID
    avatar_id: UUID
    brand_id: UUID | None
    state: JobState
    attempts: int
    runpod_id: str | None
    progress_sequence: int
    heartbeat_at: datetime | None
    deadline_at: datetime | None
    created_at: datetime
    dispatched_at: datetime | None
    facts: BodyFacts
    photos: tuple[PhotoView, ...]

    @classmethod
    def from_row(cls, row: Row) -> "Job":
        """From the columns in JOB_COLUMNS."""
        return cls(
            id=row["id"],
            avatar_id=row["avatar_id"],
            brand_id=row["brand_id"],
            state=JobState(row["state"]),
            attempts=row["attempts"],
            runpod_id=row["runpod_id"],
            progress_sequence=row["progress_sequence"],
            heartbeat_at=row["heartbeat_at"],
            deadline_at=row["deadline_at"],
            created_at=row["created_at"],
            dispatched_at=row["dispatched_at"],
            facts=BodyFacts.model_validate({name: row[name] for name in BodyFacts.model_fields}),
            photos=tuple(PhotoView(view) for view in row["photos"]),
        )

    @property
    def is_live(self) -> bool:
        """Whether the job has not ended."""
        return self.state in LIVE_STATES

    @property
    def is_unanswered(self) -> bool:
        """Whether its latest attempt was sent to RunPod and neither RunPod nor a worker has said a word of it."""
        return self.state is JobState.QUEUED and self.dispatched_at is not None


async def claim_due(connection: Connection, *, now: datetime, next_check_at: datetime, limit: int) -> list[Job]:
    """Live jobs that are due; other replicas leave them alone until `next_check_at`."""
    rows = await fetch_all(
        connection,
        f"""
        with due as (
          select id from public.avatar_jobs
          where state = any(%(live)s) and next_check_at <= %(now)s
          order by next_check_at limit %(limit)s for update skip locked
        )
        update public.avatar_jobs set next_check_at = %(next_check_at)s
        from due, public.avatars
        where avatar_jobs.id = due.id and avatars.id = avatar_jobs.avatar_id
        returning {JOB_COLUMNS}
        """,
        {"live": LIVE_STATES, "now": now, "next_check_at": next_check_at, "limit": limit},
    )
    return [Job.from_row(row) for row in rows]


async def lock_job(connection: Connection, job_id: UUID) -> Job | None:
    """The job, which nobody else changes until the transaction ends; None when its avatar was deleted."""
    return await _lock(connection, "avatar_jobs.id = %(id)s", {"id": job_id})


async def lock_job_by_token(connection: Connection, token_hash: bytes) -> Job | None:
    """The job whose callback token has this hash; None for a forged or superseded token."""
    return await _lock(connection, "avatar_jobs.token_hash = %(token_hash)s", {"token_hash": token_hash})


async def _lock(connection: Connection, condition: str, parameters: dict[str, Any]) -> Job | None:
    # The avatar first: a deletion locks it and then, by the foreign key, the job. The other way round each could wait
    # for the other.
    await fetch_one(
        connection,
        f"""
        select from public.avatars where id = (select avatar_id from public.avatar_jobs where {condition})
        for no key update
        """,
        parameters,
    )
    row = await fetch_one(
        connection,
        f"""
        select {JOB_COLUMNS} from public.avatar_jobs join public.avatars on avatars.id = avatar_jobs.avatar_id
        where {condition} for update of avatar_jobs
        """,
        parameters,
    )
    return Job.from_row(row) if row else None


async def check_at(connection: Connection, job: Job, moment: datetime) -> None:
    """Have the reconciler look at a live job at this moment."""
    await execute(
        connection,
        "update public.avatar_jobs set next_check_at = %(moment)s where id = %(id)s and state = any(%(live)s)",
        {"id": job.id, "moment": moment, "live": LIVE_STATES},
    )


async def count_attempt(
    connection: Connection,
    job: Job,
    *,
    token_hash: bytes,
    now: datetime,
    deadline_at: datetime,
    next_check_at: datetime,
) -> None:
    """Begin another attempt, before RunPod hears of it; the token of the one before is void."""
    await execute(
        connection,
        """
        update public.avatar_jobs
        set attempts = attempts + 1, token_hash = %(token_hash)s, runpod_id = null, dispatched_at = %(now)s,
          heartbeat_at = %(now)s, deadline_at = %(deadline_at)s, next_check_at = %(next_check_at)s,
          progress_stage = null, progress_percent = 0, progress_sequence = 0
        where id = %(id)s
        """,
        {
            "id": job.id,
            "token_hash": token_hash,
            "now": now,
            "deadline_at": deadline_at,
            "next_check_at": next_check_at,
        },
    )


async def uncount_attempt(connection: Connection, job: Job, *, next_check_at: datetime) -> None:
    """Nothing is known to run of the latest dispatch, so the attempt does not count."""
    await execute(
        connection,
        """
        update public.avatar_jobs
        set attempts = attempts - 1, dispatched_at = null, next_check_at = %(next_check_at)s
        where id = %(id)s
        """,
        {"id": job.id, "next_check_at": next_check_at},
    )


async def mark_taken(connection: Connection, job: Job, *, runpod_id: str, now: datetime) -> None:
    """RunPod has the job; nothing when the worker reported first."""
    transition = after(job.state, JobEvent.TAKEN)
    if transition is None:
        return
    await execute(
        connection,
        """
        update public.avatar_jobs set state = %(state)s, runpod_id = %(runpod_id)s, heartbeat_at = %(now)s
        where id = %(id)s
        """,
        {"id": job.id, "state": transition.job, "runpod_id": runpod_id, "now": now},
    )


async def mark_progress(
    connection: Connection, job: Job, *, stage: Stage, percent: int, sequence: int, runpod_id: str, now: datetime
) -> None:
    """The worker is alive and this far; nothing when the job has ended."""
    transition = after(job.state, JobEvent.PROGRESSED)
    if transition is None:
        return
    await execute(
        connection,
        """
        update public.avatar_jobs
        set state = %(state)s, progress_stage = %(stage)s, progress_percent = greatest(progress_percent, %(percent)s),
          progress_sequence = %(sequence)s, runpod_id = coalesce(runpod_id, %(runpod_id)s), heartbeat_at = %(now)s
        where id = %(id)s
        """,
        {
            "id": job.id,
            "state": transition.job,
            "stage": stage,
            "percent": percent,
            "sequence": sequence,
            "runpod_id": runpod_id,
            "now": now,
        },
    )


async def mark_lost(connection: Connection, job: Job, *, error_detail: str, now: datetime) -> None:
    """Queue the job for another attempt."""
    transition = after(job.state, JobEvent.LOST)
    state = transition.job if transition else job.state
    await execute(
        connection,
        """
        update public.avatar_jobs
        set state = %(state)s, runpod_id = null, dispatched_at = null, error_detail = %(error_detail)s,
          next_check_at = %(now)s
        where id = %(id)s
        """,
        {"id": job.id, "state": state, "error_detail": error_detail, "now": now},
    )


async def mark_ready(connection: Connection, job: Job, result: AvatarReady, *, now: datetime) -> bool:
    """Whether the avatar is ready by this result; False when it had ended before."""
    if not await _end_job(connection, job, JobEvent.READY, percent=100, error_detail=None, now=now):
        return False
    await execute(
        connection,
        """
        update public.avatars
        set status = %(status)s, glb_url = %(glb_url)s, smpl_params_url = %(smpl_params_url)s,
          preview_url = %(preview_url)s, measurements = %(measurements)s, warnings = %(warnings)s,
          finished_at = %(now)s, last_used_at = %(now)s
        where id = %(id)s
        """,
        {
            "id": job.avatar_id,
            "status": AvatarStatus.READY,
            "glb_url": _object_key(job, result, OutputFile.GLB),
            "smpl_params_url": _object_key(job, result, OutputFile.BODY),
            "preview_url": _object_key(job, result, OutputFile.PREVIEW),
            "measurements": Jsonb({key: each.model_dump() for key, each in result.measurements.items()}),
            "warnings": Jsonb([{"reason": reason, "advice": WARNING_ADVICE[reason]} for reason in result.warnings]),
            "now": now,
        },
    )
    return True


async def mark_failed(
    connection: Connection,
    job: Job,
    event: JobEvent,
    *,
    reason: str,
    advice: str,
    error_detail: str | None,
    now: datetime,
) -> bool:
    """Whether the avatar has failed by this; False when it had ended before."""
    if not await _end_job(connection, job, event, percent=0, error_detail=error_detail, now=now):
        return False
    await execute(
        connection,
        """
        update public.avatars
        set status = %(status)s, failure_reason = %(reason)s, failure_advice = %(advice)s, finished_at = %(now)s
        where id = %(id)s
        """,
        {"id": job.avatar_id, "status": AvatarStatus.FAILED, "reason": reason, "advice": advice, "now": now},
    )
    return True


async def _end_job(
    connection: Connection, job: Job, event: JobEvent, *, percent: int, error_detail: str | None, now: datetime
) -> bool:
    transition = after(job.state, event)
    if transition is None:
        return False
    await execute(
        connection,
        """
        update public.avatar_jobs
        set state = %(state)s, progress_percent = greatest(progress_percent, %(percent)s),
          error_detail = coalesce(%(error_detail)s, error_detail), finished_at = %(now)s
        where id = %(id)s
        """,
        {"id": job.id, "state": transition.job, "percent": percent, "error_detail": error_detail, "now": now},
    )
    return True


def _object_key(job: Job, result: AvatarReady, file: OutputFile) -> str | None:
    return f"{job.avatar_id}/{file}" if file in result.files else None
