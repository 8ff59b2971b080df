"""The API's way to PostgreSQL: whoever the connection string names, a transaction may do what its actor may."""

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest

from api.database import OPERATOR, SYSTEM, Actor, Database, fetch_all, fetch_one

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["api_dsn", "owner_dsn"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    database = Database(request.getfixturevalue(request.param), max_size=2)
    await database.open()
    yield database
    await database.close()


async def test_a_transaction_has_the_apis_rights_whoever_signed_in(database: Database) -> None:
    async with database.transaction(SYSTEM) as connection:
        row = await fetch_one(connection, "select current_user::text as role, row_security_active('avatars')", {})
    assert row == {"role": "tryon_api", "row_security_active": True}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.transaction(SYSTEM) as connection:
            await fetch_all(connection, "drop table public.avatars", {})


async def test_nothing_of_an_actor_outlives_their_transaction(database: Database) -> None:
    brand_id = uuid4()
    async with database.transaction(OPERATOR) as connection:
        await connection.execute("insert into public.brands (id, name) values (%s, 'B')", (brand_id,))
    for actor, seen in ((Actor("merchant", brand_id=uuid4()), 0), (Actor("merchant", brand_id=brand_id), 1)):
        async with database.transaction(actor) as connection:
            assert len(await fetch_all(connection, "select id from public.brands", {})) == seen


async def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    async def insert_and_fail() -> None:
        async with database.transaction(OPERATOR) as connection:
            await connection.execute("insert into public.brands (name) values ('B')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await insert_and_fail()
    async with database.transaction(OPERATOR) as connection:
        assert await fetch_all(connection, "select id from public.brands", {}) == []
