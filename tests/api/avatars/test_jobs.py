"""Jobs in the database while somebody else changes the same rows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from api.avatars import jobs
from api.database import SYSTEM, Actor, Database, fetch_one
from api.privacy.store import delete_avatar
from shared.jobs import Stage

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def database(api_dsn: str) -> AsyncIterator[Database]:
    database = Database(api_dsn, max_size=3)
    await database.open()
    yield database
    await database.close()


async def until_somebody_waits(owner_dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(owner_dsn, autocommit=True) as connection:
        async with asyncio.timeout(30):
            waiting = None
            while waiting is None:
                cursor = await connection.execute(
                    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
                )
                waiting = await cursor.fetchone()


async def test_progress_and_a_deletion_at_once_wait_for_each_other_in_turn(database: Database, owner_dsn: str) -> None:
    user, avatar, job_id = uuid4(), uuid4(), uuid4()
    with psycopg.connect(owner_dsn) as owner:
        owner.execute("insert into users (id) values (%s)", [user])
        owner.execute(
            "insert into avatars (id, user_id, height_cm, status) values (%s, %s, 170, 'processing')", [avatar, user]
        )
        owner.execute(
            "insert into avatar_jobs (id, avatar_id, token_hash, attempts) values (%s, %s, %s, 1)",
            [job_id, avatar, bytes(32)],
        )
    now = datetime.now(UTC)

    async def delete(avatar_id: UUID) -> None:
        async with database.transaction(Actor("shopper", user_id=user)) as connection:
            await delete_avatar(connection, avatar_id, now=now)

    async with database.transaction(SYSTEM) as connection:
        job = await jobs.lock_job(connection, job_id)
        assert job is not None
        deleting = asyncio.create_task(delete(avatar))
        await until_somebody_waits(owner_dsn)
        await jobs.mark_progress(
            connection, job, stage=Stage.MEASURE, percent=70, sequence=1, runpod_id="run-1", now=now
        )
    await deleting
    async with database.transaction(SYSTEM) as connection:
        assert await fetch_one(connection, "select from public.avatar_jobs", {}) is None
