"""Deletions, their tombstones, and everything held of a shopper, in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from api.database import Connection, Row, execute, fetch_all, fetch_one

Subject = Literal["avatar", "shopper", "photos", "measurements"]
Requester = Literal["shopper", "merchant", "operator", "retention", "completion"]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion whose rows are gone and whose objects and runs may not be."""

    id: UUID
    subject: Subject
    objects_left: tuple[str, ...]
    runpod_ids_left: tuple[str, ...]
    attempts: int


async def insert_deletion(
    connection: Connection,
    *,
    subject: Subject,
    subject_digest: bytes,
    brand_id: UUID | None,
    requested_by: Requester,
    objects: Sequence[str],
    runpod_ids: Sequence[str],
    now: datetime,
    next_attempt_at: datetime,
    completed_at: datetime | None = None,
) -> Deletion:
    """A tombstone with what is still to be removed; the sweeper leaves it alone until `next_attempt_at`."""
    deletion = Deletion(uuid4(), subject, tuple(objects), tuple(runpod_ids), 0)
    await execute(
        connection,
        """
        insert into public.deletions
          (id, subject, subject_digest, brand_id, requested_by, objects_left, runpod_ids_left, requested_at,
           next_attempt_at, completed_at)
        values
          (%(id)s, %(subject)s, %(subject_digest)s, %(brand_id)s, %(requested_by)s, %(objects)s, %(runpod_ids)s,
           %(now)s, %(next_attempt_at)s, %(completed_at)s)
        """,
        {
            "id": deletion.id,
            "subject": subject,
            "subject_digest": subject_digest,
            "brand_id": brand_id,
            "requested_by": requested_by,
            "objects": list(objects),
            "runpod_ids": list(runpod_ids),
            "now": now,
            "next_attempt_at": next_attempt_at,
            "completed_at": completed_at,
        },
    )
    return deletion


async def claim_due_deletions(
    connection: Connection, *, now: datetime, next_attempt_at: datetime, limit: int
) -> list[Deletion]:
    """Unfinished deletions that are due; other replicas leave them alone until `next_attempt_at`."""
    rows = await fetch_all(
        connection,
        """
        with due as (
          select id from public.deletions where completed_at is null and next_attempt_at <= %(now)s
          order by next_attempt_at limit %(limit)s for update skip locked
        )
        update public.deletions set next_attempt_at = %(next_attempt_at)s
        from due where deletions.id = due.id
        returning deletions.id, subject, objects_left, runpod_ids_left, attempts
        """,
        {"now": now, "next_attempt_at": next_attempt_at, "limit": limit},
    )
    return [
        Deletion(row["id"], row["subject"], tuple(row["objects_left"]), tuple(row["runpod_ids_left"]), row["attempts"])
        for row in rows
    ]


async def complete_deletion(connection: Connection, deletion_id: UUID, *, now: datetime) -> None:
    """Nothing is left."""
    await execute(
        connection,
        """
        update public.deletions set objects_left = '{}', runpod_ids_left = '{}', attempts = least(attempts + 1, 32767),
          completed_at = coalesce(completed_at, %(now)s)
        where id = %(id)s
        """,
        {"id": deletion_id, "now": now},
    )


async def postpone_deletion(connection: Connection, deletion_id: UUID, *, next_attempt_at: datetime) -> None:
    """Something is left; try again later."""
    await execute(
        connection,
        """
        update public.deletions set attempts = least(attempts + 1, 32767), next_attempt_at = %(next_attempt_at)s
        where id = %(id)s and completed_at is null
        """,
        {"id": deletion_id, "next_attempt_at": next_attempt_at},
    )


async def mark_photos_deleted(connection: Connection, avatar_ids: Sequence[UUID], *, now: datetime) -> None:
    """The photos of these avatars are gone from storage."""
    await execute(
        connection,
        """
        update public.avatars set photos_deleted_at = %(now)s
        where id = any(%(ids)s) and photos_deleted_at is null and photos <> '{}'
        """,
        {"ids": list(avatar_ids), "now": now},
    )


async def delete_avatar(connection: Connection, avatar_id: UUID, *, now: datetime) -> Row | None:
    """Delete the row and its job; gives `brand_id` and the `runpod_id` of a live job, or None without a row."""
    await execute(
        connection,
        "update public.consents set withdrawn_at = %(now)s where avatar_id = %(id)s and withdrawn_at is null",
        {"id": avatar_id, "now": now},
    )
    # So that a request made again with its key is not answered with an avatar that is gone.
    await execute(
        connection,
        """
        delete from public.idempotency_keys
        where resource_id = %(id)s and user_id = (select user_id from public.avatars where id = %(id)s)
        """,
        {"id": avatar_id},
    )
    run = await fetch_one(
        connection,
        "select runpod_id from public.avatar_jobs where avatar_id = %(id)s and finished_at is null",
        {"id": avatar_id},
    )
    row = await fetch_one(
        connection, "delete from public.avatars where id = %(id)s returning brand_id", {"id": avatar_id}
    )
    return None if row is None else {**row, "runpod_id": run and run["runpod_id"]}


async def avatar_ids_of(connection: Connection, user_id: UUID) -> list[UUID]:
    """Every avatar of a shopper."""
    rows = await fetch_all(connection, "select id from public.avatars where user_id = %(id)s", {"id": user_id})
    return [row["id"] for row in rows]


async def delete_shopper(connection: Connection, user_id: UUID) -> bool:
    """Whether there was such a shopper; consents, sessions and idempotency keys go with the row."""
    return await execute(connection, "delete from public.users where id = %(id)s", {"id": user_id}) == 1


async def live_photo_folders(
    connection: Connection, avatar_ids: Sequence[UUID], *, younger_than: datetime
) -> set[UUID]:
    """Which of these avatars still need their photos."""
    rows = await fetch_all(
        connection,
        """
        select id from public.avatars
        where id = any(%(ids)s) and status in ('pending', 'processing') and created_at > %(younger_than)s
        """,
        {"ids": list(avatar_ids), "younger_than": younger_than},
    )
    return {row["id"] for row in rows}


async def abandoned_avatars(connection: Connection, *, older_than: datetime, limit: int) -> list[UUID]:
    """Avatars that were never started."""
    rows = await fetch_all(
        connection,
        """
        select id from public.avatars where status = 'pending' and created_at <= %(older_than)s
        order by created_at limit %(limit)s
        """,
        {"older_than": older_than, "limit": limit},
    )
    return [row["id"] for row in rows]


async def forget_idempotency_keys(connection: Connection, *, older_than: datetime) -> None:
    """Let old keys be used again."""
    await execute(
        connection, "delete from public.idempotency_keys where created_at <= %(older_than)s", {"older_than": older_than}
    )


EXPORTED: dict[str, str] = {
    "avatars": """
        select id, brand_id, status, height_cm, weight_kg, sex, age_years, photos, measurements, warnings,
          failure_reason, failure_advice, photos_deleted_at, created_at, finished_at, last_used_at
        from public.avatars where user_id = %(user_id)s and (%(avatar_id)s::uuid is null or id = %(avatar_id)s)
        order by created_at
    """,
    "jobs": """
        select avatar_jobs.avatar_id, avatar_jobs.state, avatar_jobs.attempts, avatar_jobs.created_at,
          avatar_jobs.finished_at
        from public.avatar_jobs join public.avatars on avatars.id = avatar_jobs.avatar_id
        where avatars.user_id = %(user_id)s and (%(avatar_id)s::uuid is null or avatars.id = %(avatar_id)s)
        order by avatar_jobs.created_at
    """,
    "consents": """
        select avatar_id, text_version, purposes, photo_retention_hours, measurement_retention_months, given_at,
          withdrawn_at
        from public.consents where user_id = %(user_id)s and (%(avatar_id)s::uuid is null or avatar_id = %(avatar_id)s)
        order by given_at
    """,
    "tryon_sessions": """
        select id, brand_id, avatar_id, garment_id, selected_size, fit_result, created_at
        from public.tryon_sessions
        where user_id = %(user_id)s and (%(avatar_id)s::uuid is null or avatar_id = %(avatar_id)s)
        order by created_at
    """,
}
"""What an export holds beside the files; a null `avatar_id` stands for all of a shopper's."""

EXPORTED_OF_SHOPPER: dict[str, str] = {
    "shopper": "select id, email, brand_id, created_at, last_seen_at from public.users where id = %(user_id)s",
    "events": """
        select id, brand_id, session_id, event_type, metadata, created_at from public.events
        where user_id = %(user_id)s order by created_at
    """,
    "idempotency_keys": """
        select operation, key, resource_id, created_at from public.idempotency_keys
        where user_id = %(user_id)s order by created_at
    """,
}
"""What an export of the whole shopper holds besides."""


async def export_rows(connection: Connection, *, user_id: UUID, avatar_id: UUID | None) -> dict[str, list[Row]]:
    """Every row held of the shopper, or of one of their avatars, by table."""
    queries = EXPORTED if avatar_id else {**EXPORTED_OF_SHOPPER, **EXPORTED}
    parameters = {"user_id": user_id, "avatar_id": avatar_id}
    return {name: await fetch_all(connection, query, parameters) for name, query in queries.items()}
