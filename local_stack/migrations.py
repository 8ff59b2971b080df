"""Applies supabase/migrations to a database, keeping the same record of it as the Supabase CLI does."""

from dataclasses import dataclass
from pathlib import Path

import psycopg

MIGRATIONS_DIRECTORY = Path(__file__).parents[1] / "supabase" / "migrations"
BOOTSTRAP_FILE = Path(__file__).with_name("bootstrap.sql")
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


def apply_migrations(dsn: str, migrations: list[Migration]) -> list[Migration]:
    """Apply what is not yet applied, each in a transaction of its own with its record, and return what was.

    Raises:
        psycopg.Error: a migration failed; those before it stay, nothing of it does.
    """
    # Autocommit, so that `transaction()` below is a transaction; closing the session gives the lock back.
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK_NUMBER])
        connection.execute("create schema if not exists supabase_migrations")
        connection.execute(
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text not null primary key, statements text[], name text)"
        )
        applied = {row[0] for row in connection.execute("select version from supabase_migrations.schema_migrations")}
        pending = [migration for migration in migrations if migration.version not in applied]
        for migration in pending:
            with connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(
                    "insert into supabase_migrations.schema_migrations (version, statements, name) values (%s, %s, %s)",
                    [migration.version, [migration.sql], migration.name],
                )
        return pending


def bootstrap(dsn: str) -> None:
    """Give a plain PostgreSQL the roles and schemas that a Supabase project starts with; again, it changes nothing."""
    with psycopg.connect(dsn) as connection:
        connection.execute(BOOTSTRAP_FILE.read_bytes())


def let_api_sign_in(dsn: str) -> None:
    """Let the API's role sign in without a password, which only a server that nobody else can reach may allow."""
    with psycopg.connect(dsn) as connection:
        connection.execute("alter role tryon_api login")
