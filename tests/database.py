"""The real PostgreSQL for tests: one server a test process, migrated once; a test gets a transaction or a copy."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from local_stack.migrations import apply_migrations, bootstrap, let_api_sign_in, read_migrations
from local_stack.postgres import PostgresAddress, running_postgres
from local_stack.process_groups import process_groups

# Nothing here has to survive a power cut.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=32MB")
# PostgreSQL copies a database only while nobody is connected to it, so the copies and the transactions need two.
_TEMPLATE = "tryon_template"
_SHARED = "tryon_shared"


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A temporary directory that PostgreSQL's own user can reach when the tests run as root.

    Not one of pytest's: each session of pytest closes the folder of all of them to everybody else as it starts.
    """
    with tempfile.TemporaryDirectory(prefix="tryon-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresAddress]:
    """A server with two migrated databases: one to copy, one for tests that roll back."""
    with (
        reachable_directory() as directory,
        process_groups() as groups,
        running_postgres(groups, directory / "data", _FAST) as address,
    ):
        with psycopg.connect(address.dsn(role="postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(_TEMPLATE)))
        template = address.dsn(role="postgres", database=_TEMPLATE)
        bootstrap(template)
        apply_migrations(template, read_migrations())
        let_api_sign_in(template)
        _copy_template(address, _SHARED)
        yield address


@pytest.fixture
def connection(postgres: PostgresAddress) -> Iterator[psycopg.Connection]:
    """A superuser's connection to the migrated database, in one transaction that is rolled back after the test."""
    with psycopg.connect(postgres.dsn(role="postgres", database=_SHARED)) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def database_name(postgres: PostgresAddress) -> Iterator[str]:
    """A migrated database of the test's own, for code that commits or listens; dropped after the test."""
    name = f"test_{uuid4().hex}"
    _copy_template(postgres, name)
    yield name
    with psycopg.connect(postgres.dsn(role="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def api_dsn(postgres: PostgresAddress, database_name: str) -> str:
    """The test's own database as the API's role."""
    return postgres.dsn(role="tryon_api", database=database_name)


@pytest.fixture
def owner_dsn(postgres: PostgresAddress, database_name: str) -> str:
    """The test's own database as its owner, whom no policy binds: for arranging and for looking."""
    return postgres.dsn(role="postgres", database=database_name)


@pytest.fixture
def storage_dsn(postgres: PostgresAddress, database_name: str) -> str:
    """The test's own database as the storage server's role."""
    return postgres.dsn(role="supabase_storage_admin", database=database_name)


def _copy_template(postgres: PostgresAddress, name: str) -> None:
    with psycopg.connect(postgres.dsn(role="postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(_TEMPLATE)
            )
        )
