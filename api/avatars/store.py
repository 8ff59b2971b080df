"""Avatars and consents in the database."""

from datetime import datetime
from typing import Any
from uuid import UUID

from api.avatars.states import AvatarStatus
from api.database import Connection, Row, execute, fetch_all, fetch_one
from api.pagination import Cursor
from shared.jobs import BodyFacts, PhotoView

AVATAR_WITH_PROGRESS = """
    select avatars.id, avatars.status, avatars.photos, avatars.glb_url, avatars.preview_url, avatars.measurements,
      avatars.warnings, avatars.failure_reason, avatars.failure_advice, avatars.photos_deleted_at, avatars.revision,
      avatars.created_at, avatars.last_used_at, avatar_jobs.progress_stage, avatar_jobs.progress_percent
    from public.avatars left join public.avatar_jobs on avatar_jobs.avatar_id = avatars.id
"""


async def claim_idempotency_key(
    connection: Connection, *, user_id: UUID, operation: str, key: str, digest: bytes, resource_id: UUID, now: datetime
) -> Row | None:
    """None when this request is the first with its key; else the `request_digest` and `resource_id` of the first."""
    parameters: dict[str, Any] = {
        "user_id": user_id,
        "operation": operation,
        "key": key,
        "digest": digest,
        "resource_id": resource_id,
        "now": now,
    }
    inserted = await execute(
        connection,
        """
        insert into public.idempotency_keys (user_id, operation, key, request_digest, resource_id, created_at)
        values (%(user_id)s, %(operation)s, %(key)s, %(digest)s, %(resource_id)s, %(now)s)
        on conflict (user_id, operation, key) do nothing
        """,
        parameters,
    )
    if inserted:
        return None
    return await fetch_one(
        connection,
        """
        select request_digest, resource_id from public.idempotency_keys
        where user_id = %(user_id)s and operation = %(operation)s and key = %(key)s
        """,
        parameters,
    )


async def shopper_exists(connection: Connection, user_id: UUID) -> bool:
    """Whether the shopper has a row; a token outlives a shopper who had everything deleted."""
    row = await fetch_one(connection, "select from public.users where id = %(id)s", {"id": user_id})
    return row is not None


async def insert_avatar(
    connection: Connection,
    *,
    avatar_id: UUID,
    user_id: UUID,
    brand_id: UUID | None,
    facts: BodyFacts,
    photos: list[PhotoView],
    now: datetime,
) -> None:
    """A pending avatar."""
    await execute(
        connection,
        """
        insert into public.avatars
          (id, user_id, brand_id, height_cm, weight_kg, sex, age_years, photos, created_at, last_used_at)
        values
          (%(id)s, %(user_id)s, %(brand_id)s, %(height_cm)s, %(weight_kg)s, %(sex)s, %(age_years)s, %(photos)s,
           %(now)s, %(now)s)
        """,
        {
            "id": avatar_id,
            "user_id": user_id,
            "brand_id": brand_id,
            "photos": [str(photo) for photo in photos],
            "now": now,
            **facts.model_dump(mode="json"),
        },
    )


async def insert_consent(
    connection: Connection,
    *,
    user_id: UUID,
    avatar_id: UUID,
    text_version: str,
    purposes: list[str],
    now: datetime,
) -> None:
    """What the shopper agreed to."""
    await execute(
        connection,
        """
        insert into public.consents (user_id, avatar_id, text_version, purposes, given_at)
        values (%(user_id)s, %(avatar_id)s, %(text_version)s, %(purposes)s, %(now)s)
        """,
        {
            "user_id": user_id,
            "avatar_id": avatar_id,
            "text_version": text_version,
            "purposes": purposes,
            "now": now,
        },
    )


async def get_avatar(connection: Connection, avatar_id: UUID) -> Row | None:
    """One avatar with the progress of its job, if this actor may see it."""
    return await fetch_one(connection, f"{AVATAR_WITH_PROGRESS} where avatars.id = %(id)s", {"id": avatar_id})


async def list_avatars(connection: Connection, user_id: UUID, *, after: Cursor | None, limit: int) -> list[Row]:
    """Avatars of a shopper newest first, one more than `limit` when there are more."""
    return await fetch_all(
        connection,
        f"""
        {AVATAR_WITH_PROGRESS}
        where avatars.user_id = %(user_id)s
          and (%(id)s::uuid is null or (avatars.created_at, avatars.id) < (%(created_at)s, %(id)s))
        order by avatars.created_at desc, avatars.id desc limit %(limit)s
        """,
        {
            "user_id": user_id,
            "id": after and after.id,
            "created_at": after and after.created_at,
            "limit": limit + 1,
        },
    )


async def touch_avatar(connection: Connection, avatar_id: UUID, *, now: datetime) -> None:
    """Note that the avatar is in use; measurements expire by this."""
    await execute(
        connection, "update public.avatars set last_used_at = %(now)s where id = %(id)s", {"id": avatar_id, "now": now}
    )


async def start_job(
    connection: Connection, avatar_id: UUID, *, contract_version: int, token_hash: bytes, now: datetime
) -> bool:
    """Whether the avatar was pending; if so it is processing now and has a job for the reconciler to dispatch."""
    started = await execute(
        connection,
        "update public.avatars set status = %(processing)s where id = %(id)s and status = %(pending)s",
        {"id": avatar_id, "processing": AvatarStatus.PROCESSING, "pending": AvatarStatus.PENDING},
    )
    if not started:
        return False
    await execute(
        connection,
        """
        insert into public.avatar_jobs (avatar_id, contract_version, token_hash, next_check_at, created_at)
        values (%(avatar_id)s, %(contract_version)s, %(token_hash)s, %(now)s, %(now)s)
        """,
        {"avatar_id": avatar_id, "contract_version": contract_version, "token_hash": token_hash, "now": now},
    )
    return True
