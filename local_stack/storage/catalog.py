"""The rows of storage.buckets and storage.objects, read and written as the role of whoever calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from local_stack.storage.errors import access_denied, bucket_already_exists, key_already_exists, no_such_bucket
from local_stack.storage.tokens import Caller

Row = dict[str, Any]
Pool = AsyncConnectionPool[AsyncConnection[DictRow]]

_COLUMNS = (
    "id, name, bucket_id, owner, owner_id, version, metadata, user_metadata, created_at, updated_at, last_accessed_at"
)


@dataclass(frozen=True)
class NewObject:
    """What is recorded of an upload."""

    bucket: str
    key: str
    version: str
    metadata: Row
    owner: str | None = None


class Catalog:
    """The rows behind the objects. Every method may raise `StorageError` 403 when a policy forbids the write."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsn: str) -> AsyncIterator["Catalog"]:
        """A catalog over connections as `supabase_storage_admin`, closed at the end of the block."""
        pool = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=10,
            timeout=10,
            open=False,
            connection_class=AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row},
            check=AsyncConnectionPool.check_connection,
        )
        async with pool:
            yield cls(pool)

    @asynccontextmanager
    async def _as(self, caller: Caller) -> AsyncIterator[AsyncConnection[DictRow]]:
        async with self._pool.connection() as connection:
            await connection.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true),"
                " set_config('storage.allow_delete_query', 'true', true)",
                [caller.role, caller.claims_json],
            )
            try:
                yield connection
            except psycopg.errors.InsufficientPrivilege as error:
                raise access_denied("new row violates row-level security policy") from error

    async def ping(self) -> None:
        """Ask the database for anything at all."""
        async with self._pool.connection() as connection:
            await connection.execute("select 1")

    async def versions(self) -> set[str]:
        """Return the version of every object."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute("select version from storage.objects")).fetchall()
        return {row["version"] for row in rows}

    async def buckets(self, caller: Caller) -> list[Row]:
        """Return the buckets that the caller may see."""
        async with self._as(caller) as connection:
            return await (await connection.execute("select * from storage.buckets order by name")).fetchall()

    async def bucket(self, bucket: str, caller: Caller) -> Row:
        """Return one bucket.

        Raises:
            StorageError: 404 when there is none that the caller may see.
        """
        async with self._as(caller) as connection:
            cursor = await connection.execute("select * from storage.buckets where id = %s", [bucket])
            row = await cursor.fetchone()
        if row is None:
            raise no_such_bucket()
        return row

    async def add_bucket(self, bucket: Row, caller: Caller) -> None:
        """Add a bucket of `id`, `name`, `public`, `file_size_limit` and `allowed_mime_types`.

        Raises:
            StorageError: 409 when there is one already.
        """
        async with self._as(caller) as connection:
            try:
                await connection.execute(
                    "insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)"
                    " values (%(id)s, %(name)s, %(public)s, %(file_size_limit)s, %(allowed_mime_types)s)",
                    bucket,
                )
            except psycopg.errors.UniqueViolation as error:
                raise bucket_already_exists() from error

    async def find(self, bucket: str, key: str, caller: Caller) -> Row | None:
        """Return the row of an object, or None when there is none that the caller may see."""
        async with self._as(caller) as connection:
            cursor = await connection.execute(
                f"select {_COLUMNS} from storage.objects where bucket_id = %s and name = %s", [bucket, key]
            )
            return await cursor.fetchone()

    async def put(self, new: NewObject, *, overwrite: bool, caller: Caller) -> tuple[Row, str | None]:
        """Record an upload; return its row and the version it replaced, if any.

        Raises:
            StorageError: 409 when the object exists and may not be overwritten.
        """
        async with self._as(caller) as connection:
            cursor = await connection.execute(
                "insert into storage.objects (bucket_id, name, version, metadata, owner_id)"
                " values (%(bucket)s, %(key)s, %(version)s, %(metadata)s, %(owner)s)"
                " on conflict (bucket_id, name) do "
                + (
                    "update set version = excluded.version, metadata = excluded.metadata, updated_at = now()"
                    if overwrite
                    else "nothing"
                )
                + " returning new.*, old.version as replaced_version",
                {**vars(new), "metadata": Jsonb(new.metadata)},
            )
            row = await cursor.fetchone()
        if row is None:
            raise key_already_exists()
        return row, row.pop("replaced_version")

    async def move(self, bucket: str, source: str, target: str, caller: Caller) -> Row | None:
        """Give an object another key; return its row, or None when there is none.

        Raises:
            StorageError: 409 when the other key is taken.
        """
        async with self._as(caller) as connection:
            try:
                cursor = await connection.execute(
                    "update storage.objects set name = %s, updated_at = now()"
                    f" where bucket_id = %s and name = %s returning {_COLUMNS}",
                    [target, bucket, source],
                )
            except psycopg.errors.UniqueViolation as error:
                raise key_already_exists() from error
            return await cursor.fetchone()

    async def delete(self, bucket: str, keys: list[str], caller: Caller) -> list[Row]:
        """Delete the rows of those objects that the caller may delete, and return them."""
        async with self._as(caller) as connection:
            cursor = await connection.execute(
                f"delete from storage.objects where bucket_id = %s and name = any(%s) returning {_COLUMNS}",
                [bucket, keys],
            )
            return await cursor.fetchall()

    async def under(self, bucket: str, prefix: str, caller: Caller) -> list[Row]:
        """Return the rows of every object whose key starts with `prefix`, in the order of their keys."""
        async with self._as(caller) as connection:
            cursor = await connection.execute(
                f"select {_COLUMNS} from storage.objects where bucket_id = %s and starts_with(name, %s) order by name",
                [bucket, prefix],
            )
            return await cursor.fetchall()
