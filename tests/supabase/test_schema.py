"""What the schema itself promises, whoever writes to it."""

import json
from hashlib import sha256
from uuid import UUID, uuid4

import psycopg
import pytest

from local_stack.migrations import MIGRATIONS_DIRECTORY

Connection = psycopg.Connection


@pytest.fixture
def avatar_id(connection: Connection) -> UUID:
    return new_avatar(connection)


def new_avatar(connection: Connection) -> UUID:
    user_id, avatar_id = uuid4(), uuid4()
    connection.execute("insert into users (id) values (%s)", [user_id])
    connection.execute("insert into avatars (id, user_id, height_cm) values (%s, %s, 170)", [avatar_id, user_id])
    return avatar_id


def new_job(connection: Connection, avatar_id: UUID) -> UUID:
    job_id = uuid4()
    connection.execute(
        "insert into avatar_jobs (id, avatar_id, token_hash) values (%s, %s, %s)",
        [job_id, avatar_id, sha256(job_id.bytes).digest()],
    )
    return job_id


def end_avatar(connection: Connection, avatar_id: UUID, status: str) -> None:
    connection.execute(
        "update avatars set status = %s, finished_at = now(), measurements = '{}',"
        " failure_reason = case when %s = 'failed' then 'no_person' end,"
        " failure_advice = case when %s = 'failed' then 'Step into view.' end where id = %s",
        [status, status, status, avatar_id],
    )


def revision_of(connection: Connection, avatar_id: UUID) -> int:
    row = connection.execute("select revision from avatars where id = %s", [avatar_id]).fetchone()
    assert row is not None
    revision: int = row[0]
    return revision


@pytest.mark.parametrize(
    ("end", "later"),
    [
        (end, later)
        for end in ("ready", "failed")
        for later in ("pending", "processing", "ready", "failed")
        if end != later
    ],
)
def test_a_terminal_avatar_stays_so(connection: Connection, avatar_id: UUID, end: str, later: str) -> None:
    end_avatar(connection, avatar_id, end)
    with pytest.raises(psycopg.errors.CheckViolation, match="stays so"):
        end_avatar(connection, avatar_id, later)


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_a_terminal_job_takes_no_change_at_all(connection: Connection, avatar_id: UUID, end: str) -> None:
    job_id = new_job(connection, avatar_id)
    connection.execute("update avatar_jobs set state = %s, finished_at = now() where id = %s", [end, job_id])
    with pytest.raises(psycopg.errors.CheckViolation, match="stays so"):
        connection.execute("update avatar_jobs set progress_percent = 50 where id = %s", [job_id])


def test_an_avatar_has_one_job(connection: Connection, avatar_id: UUID) -> None:
    new_job(connection, avatar_id)
    with pytest.raises(psycopg.errors.UniqueViolation):
        new_job(connection, avatar_id)


def test_every_visible_change_raises_the_revision(connection: Connection, avatar_id: UUID) -> None:
    job_id = new_job(connection, avatar_id)
    first = revision_of(connection, avatar_id)
    connection.execute("update avatars set status = 'processing' where id = %s", [avatar_id])
    connection.execute(
        "update avatar_jobs set progress_stage = 'body', progress_percent = 40, progress_sequence = 3 where id = %s",
        [job_id],
    )
    assert revision_of(connection, avatar_id) == first + 2
    connection.execute("update avatars set last_used_at = now() where id = %s", [avatar_id])
    connection.execute("update avatar_jobs set next_check_at = now() where id = %s", [job_id])
    assert revision_of(connection, avatar_id) == first + 2


def test_changes_are_announced_when_they_are_committed(owner_dsn: str) -> None:
    with (
        psycopg.connect(owner_dsn, autocommit=True) as listener,
        psycopg.connect(owner_dsn, autocommit=True) as writer,
    ):
        listener.execute("listen avatar_changed")
        with writer.transaction():
            avatar_id = new_avatar(writer)
            writer.execute("update avatars set status = 'processing' where id = %s", [avatar_id])
        with writer.transaction(force_rollback=True):
            end_avatar(writer, avatar_id, "ready")
        writer.execute("delete from avatars where id = %s", [avatar_id])
        heard = [json.loads(notice.payload) for notice in listener.notifies(timeout=10, stop_after=3)]
    assert heard == [
        {"avatar_id": str(avatar_id), "revision": 1, "status": "pending"},
        {"avatar_id": str(avatar_id), "revision": 2, "status": "processing"},
        {"avatar_id": str(avatar_id), "revision": 3, "status": "deleted"},
    ]


@pytest.mark.parametrize(
    "change",
    [
        "status = 'ready', finished_at = now()",
        "status = 'failed', finished_at = now()",
        "status = 'processing', finished_at = now()",
        "failure_reason = 'no_person'",
        "photos = '{back}'",
        "glb_url = 'https://elsewhere/avatar.glb'",
        "height_cm = 'NaN'",
        "height_cm = 'Infinity'",
        "measurements = '[]'",
    ],
)
def test_an_avatar_that_makes_no_sense_is_refused(connection: Connection, avatar_id: UUID, change: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(f"update avatars set {change} where id = %s".encode(), [avatar_id])


def test_a_session_cannot_have_another_brands_garment(connection: Connection) -> None:
    brands = [uuid4(), uuid4()]
    user_id, garment_id = uuid4(), uuid4()
    connection.execute("insert into brands (id, name) values (%s, 'A'), (%s, 'B')", brands)
    connection.execute("insert into users (id) values (%s)", [user_id])
    connection.execute("insert into garments (id, brand_id, name) values (%s, %s, 'Shirt')", [garment_id, brands[1]])
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute(
            "insert into tryon_sessions (user_id, brand_id, garment_id) values (%s, %s, %s)",
            [user_id, brands[0], garment_id],
        )


def test_deleting_a_shopper_leaves_their_id_nowhere(connection: Connection) -> None:
    brand_id, user_id, avatar_id, session_id = uuid4(), uuid4(), uuid4(), uuid4()
    connection.execute("insert into brands (id, name) values (%s, 'A')", [brand_id])
    connection.execute("insert into users (id, brand_id) values (%s, %s)", [user_id, brand_id])
    connection.execute("insert into avatars (id, user_id, height_cm) values (%s, %s, 170)", [avatar_id, user_id])
    new_job(connection, avatar_id)
    connection.execute(
        "insert into consents (user_id, avatar_id, text_version, purposes) values (%s, %s, '1', '{fit}')",
        [user_id, avatar_id],
    )
    connection.execute(
        "insert into idempotency_keys (user_id, operation, key, request_digest) values (%s, 'POST', 'k', %s)",
        [user_id, bytes(32)],
    )
    connection.execute(
        "insert into tryon_sessions (id, user_id, brand_id, avatar_id) values (%s, %s, %s, %s)",
        [session_id, user_id, brand_id, avatar_id],
    )
    connection.execute(
        "insert into events (brand_id, user_id, session_id, event_type) values (%s, %s, %s, 'opened')",
        [brand_id, user_id, session_id],
    )
    connection.execute("delete from users where id = %s", [user_id])
    tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    for (table,) in tables:
        rows = connection.execute(f"select t::text from public.{table} t".encode()).fetchall()
        assert not [row for (row,) in rows if str(user_id) in row or str(avatar_id) in row], table
    assert connection.execute("select count(*) from events").fetchone() == (1,)


def test_a_deletion_is_not_complete_while_something_is_left(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "insert into deletions (subject, subject_digest, requested_by, objects_left, completed_at)"
            " values ('avatar', %s, 'shopper', '{photos/x/front}', now())",
            [bytes(32)],
        )


def test_every_table_has_row_level_security_and_a_comment(connection: Connection) -> None:
    bare = connection.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        " and (not relrowsecurity or obj_description(oid) is null)"
    ).fetchall()
    assert bare == []


def test_every_policy_is_for_one_operation_and_named_roles(connection: Connection) -> None:
    broad = connection.execute(
        "select tablename, policyname from pg_policies where cmd = 'ALL' or roles = '{public}'"
    ).fetchall()
    assert broad == []


def test_every_foreign_key_leads_an_index(connection: Connection) -> None:
    bare = connection.execute(
        """
        select conrelid::regclass::text, conname from pg_constraint
        where contype = 'f' and connamespace = 'public'::regnamespace
          and not exists (
            select from pg_index
            where indrelid = conrelid and indpred is null and indkey[0] = any (conkey)
          )
        """
    ).fetchall()
    assert bare == []


def test_functions_cannot_be_led_astray_by_a_search_path(connection: Connection) -> None:
    loose = connection.execute(
        "select proname from pg_proc where pronamespace = 'private'::regnamespace"
        " and (proconfig is null or not 'search_path=\"\"' = any (proconfig))"
    ).fetchall()
    assert loose == []


def test_the_seed_can_be_sown_twice(connection: Connection) -> None:
    seed = (MIGRATIONS_DIRECTORY.parent / "seed.sql").read_bytes()
    connection.execute(seed)
    connection.execute(seed)
    assert connection.execute("select count(*) from garments").fetchone() == (1,)
