"""The API's way to PostgreSQL: one pool, and every transaction says first for whom it acts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Row = dict[str, Any]
Connection = AsyncConnection[DictRow]


@dataclass(frozen=True, slots=True)
class Actor:
    """For whom a transaction acts; row-level security lets it see and change no more than that actor may."""

    kind: Literal["system", "operator", "merchant", "storefront", "shopper"]
    brand_id: UUID | None = None
    user_id: UUID | None = None


# Row-level security binds this role. Where a pooler lets only the project's own roles sign in, the connection string
# names one of those, and it must not lend us its rights.
BEGIN_AS = b"select set_config('role', 'tryon_api', true), private.act_as(%s, %s, %s)"

SYSTEM = Actor("system")
OPERATOR = Actor("operator")


class Database:
    """Connections of the API's own role, safe behind a transaction pooler: nothing outlives a transaction."""

    def __init__(self, conninfo: str, *, max_size: int, timeout_s: float = 5.0) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            min_size=1,
            max_size=max_size,
            timeout=timeout_s,
            max_waiting=1000,
            open=False,
            connection_class=AsyncConnection[DictRow],
            # Behind a transaction pooler the next transaction may run where a prepared statement is unknown.
            kwargs={"row_factory": dict_row, "prepare_threshold": None, "autocommit": True, "connect_timeout": 5},
        )

    async def open(self) -> None:
        """Connect; a database that does not answer yet is tried again in the background."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give back every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, actor: Actor) -> AsyncIterator[Connection]:
        """One transaction on behalf of `actor`: committed at the end, rolled back when the block raises.

        Raises `psycopg.OperationalError` or `psycopg_pool.PoolTimeout` when the database does not answer.
        """
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(BEGIN_AS, (actor.kind, actor.brand_id, actor.user_id))
            yield connection


async def fetch_one(connection: Connection, query: str, parameters: dict[str, Any]) -> Row | None:
    """The only row of the answer, or None. `query` is always a constant of the calling store."""
    cursor = await connection.execute(query.encode(), parameters)
    return await cursor.fetchone()


async def fetch_all(connection: Connection, query: str, parameters: dict[str, Any]) -> list[Row]:
    """Every row of the answer. `query` is always a constant of the calling store."""
    cursor = await connection.execute(query.encode(), parameters)
    return await cursor.fetchall()


async def execute(connection: Connection, query: str, parameters: dict[str, Any]) -> int:
    """How many rows the statement changed. `query` is always a constant of the calling store."""
    cursor = await connection.execute(query.encode(), parameters)
    return cursor.rowcount
