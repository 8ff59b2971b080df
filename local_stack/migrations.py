"""Applies supabase/migrations to a database, keeping the same record of it as the Supabase CLI does."""

from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, cast

import psycopg

MIGRATIONS_DIRECTORY = Path(__file__).parents[1] / "supabase" / "migrations"
# Two runners at once take turns on this number, which means nothing else.
_LOCK_NUMBER = 7_302_114


@dataclass(frozen=True)
class Migration:
    """One file of supabase/migrations; `version` is the time in its name and orders them."""

    version: str
    name: str
    sql: str


def read_migrations(directory: Path = MIGRATIONS_DIRECTORY) -> list[Migration]:
    """Return the migrations of a directory, oldest first."""
    migrations = []
    for file in sorted(directory.glob("*.sql")):
        version, _, name = file.stem.partition("_")
        migrations.append(Migration(version, name, file.read_text(encoding="utf-8")))
    return migrations


def apply_migrations(connection: psycopg.Connection, migrations: list[Migration]) -> list[Migration]:
    """Apply what is not yet applied, each in a transaction of its own with its record, and return what was.

    Raises:
        psycopg.Error: a migration failed; those before it stay, nothing of it does.
    """
    connection.autocommit = True
    connection.execute("select pg_advisory_lock(%s)", [_LOCK_NUMBER])
    try:
        connection.execute("create schema if not exists supabase_migrations")
        connection.execute(
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text not null primary key, statements text[], name text)"
        )
        applied = {row[0] for row in connection.execute("select version from supabase_migrations.schema_migrations")}
        pending = [migration for migration in migrations if migration.version not in applied]
        for migration in pending:
            with connection.transaction():
                # The text comes from our own repository, which is what a literal string promises.
                connection.execute(cast(LiteralString, migration.sql), prepare=False)
                connection.execute(
                    "insert into supabase_migrations.schema_migrations (version, statements, name) values (%s, %s, %s)",
                    [migration.version, [migration.sql], migration.name],
                )
        return pending
    finally:
        connection.execute("select pg_advisory_unlock(%s)", [_LOCK_NUMBER])


def bootstrap(connection: psycopg.Connection, bootstrap_file: Path) -> None:
    """Give a plain PostgreSQL the roles and schemas that a Supabase project starts with."""
    with connection.transaction():
        connection.execute(cast(LiteralString, bootstrap_file.read_text(encoding="utf-8")), prepare=False)
