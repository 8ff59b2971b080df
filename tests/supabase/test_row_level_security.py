"""Who may do what to whose rows: every table, every role and actor, every verb, from one table."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID, uuid4, uuid5

import psycopg
import pytest

Connection = psycopg.Connection

SIDES = ("a", "b")
_NAMESPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def known(side: str, name: str) -> UUID:
    """The id of a row made before the test: side a is Alice in brand A, side b is Bob in brand B."""
    return uuid5(_NAMESPACE, f"{side}/{name}")


# How a row of a table is inserted for one side. `new` is its id; the other names are ids of rows that exist already.
INSERTS = {
    "brands": "insert into brands (id, name) values (%(new)s, 'Brand')",
    "brand_keys": "insert into brand_keys (id, brand_id, kind, key_hash, key_prefix)"
    " values (%(new)s, %(brand)s, 'secret', %(hash)s, 'sk_12345')",
    "garments": "insert into garments (id, brand_id, name) values (%(new)s, %(brand)s, 'Shirt')",
    "users": "insert into users (id, brand_id) values (%(new)s, %(brand)s)",
    "idempotency_keys": "insert into idempotency_keys (user_id, operation, key, request_digest)"
    " values (%(user)s, 'POST /v1/avatars', %(new)s, %(hash)s)",
    "avatars": "insert into avatars (id, user_id, brand_id, height_cm) values (%(new)s, %(user)s, %(brand)s, 170)",
    "avatar_jobs": "insert into avatar_jobs (id, avatar_id, token_hash) values (%(new)s, %(free_avatar)s, %(hash)s)",
    "consents": "insert into consents (id, user_id, text_version, purposes) values (%(new)s, %(user)s, '1', '{fit}')",
    "tryon_sessions": "insert into tryon_sessions (id, user_id, brand_id, avatar_id, garment_id)"
    " values (%(new)s, %(user)s, %(brand)s, %(avatar)s, %(garment)s)",
    "events": "insert into events (id, brand_id, user_id, event_type) values (%(new)s, %(brand)s, %(user)s, 'opened')",
    "deletions": "insert into deletions (id, subject, subject_digest, brand_id, requested_by)"
    " values (%(new)s, 'avatar', %(hash)s, %(brand)s, %(requester)s)",
}
KEY_COLUMN = {table: "key" if table == "idempotency_keys" else "id" for table in INSERTS}
HARMLESS_UPDATE = {
    **dict.fromkeys(INSERTS, "created_at"),
    "consents": "given_at",
    "deletions": "requested_at",
}


@dataclass(frozen=True)
class Actor:
    """Somebody at the database: a role, and for whom it acts."""

    role: str
    act_as: tuple[str, str | None, str | None] | None = None
    signed_in: str | None = None
    requester: str = "shopper"

    def begin(self, connection: Connection) -> None:
        """Become this actor until the transaction or savepoint ends."""
        if self.signed_in is not None:
            claims = f'{{"sub": "{known(self.signed_in, "user")}", "role": "authenticated"}}'
            connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        connection.execute("select set_config('role', %s, true)", [self.role])
        if self.act_as is not None:
            kind, brand, user = self.act_as
            brand_id = known(brand, "brand") if brand else None
            connection.execute(
                "select private.act_as(%s, %s, %s)", [kind, brand_id, known(user, "user") if user else None]
            )


ACTORS = {
    "anon": Actor("anon"),
    "signed-in a": Actor("authenticated", signed_in="a"),
    "signed-in b": Actor("authenticated", signed_in="b"),
    "service": Actor("service_role"),
    "api": Actor("tryon_api"),
    "system": Actor("tryon_api", ("system", None, None), requester="retention"),
    "operator": Actor("tryon_api", ("operator", None, None), requester="operator"),
    "merchant a": Actor("tryon_api", ("merchant", "a", None), requester="merchant"),
    "storefront a": Actor("tryon_api", ("storefront", "a", None)),
    "shopper a": Actor("tryon_api", ("shopper", "a", "a")),
    "shopper b": Actor("tryon_api", ("shopper", "b", "b")),
}

# Columns: select, insert, update, delete. A letter: that side's row can be; `-`: none can; `x`: not granted at all.
NOTHING = "x x x x"
EXPECTED = {
    "brands": {
        "api": "- - - -",
        "system": "ab - - -",
        "operator": "ab ab ab ab",
        "merchant a": "a - a -",
        "storefront a": "a - - -",
        "shopper a": "a - - -",
        "shopper b": "b - - -",
    },
    "brand_keys": {
        "api": "- - - -",
        "system": "ab - ab -",
        "operator": "ab ab ab ab",
        "merchant a": "a a a -",
        "storefront a": "- - - -",
        "shopper a": "- - - -",
        "shopper b": "- - - -",
    },
    "garments": {
        "api": "- - - -",
        "system": "ab - - -",
        "operator": "- - - -",
        "merchant a": "a a a a",
        "storefront a": "a - - -",
        "shopper a": "a - - -",
        "shopper b": "b - - -",
    },
    "users": {
        "signed-in a": "a x x x",
        "signed-in b": "b x x x",
        "api": "- - - -",
        "system": "ab - ab ab",
        "operator": "- - - -",
        "merchant a": "- - - -",
        "storefront a": "- a - -",
        "shopper a": "a - a a",
        "shopper b": "b - b b",
    },
    "idempotency_keys": {
        "api": "- - - -",
        "system": "ab - - ab",
        "operator": "- - - -",
        "merchant a": "- - - -",
        "storefront a": "- - - -",
        "shopper a": "a a a a",
        "shopper b": "b b b b",
    },
    "avatars": {
        "signed-in a": "a x x x",
        "signed-in b": "b x x x",
        "api": "- - - -",
        "system": "ab - ab ab",
        "operator": "- - - -",
        "merchant a": "a - - a",
        "storefront a": "- - - -",
        "shopper a": "a a a a",
        "shopper b": "b b b b",
    },
    "avatar_jobs": {
        "api": "- - - x",
        "system": "ab - ab x",
        "operator": "- - - x",
        "merchant a": "a - - x",
        "storefront a": "- - - x",
        "shopper a": "a a - x",
        "shopper b": "b b - x",
    },
    "consents": {
        "signed-in a": "a x x x",
        "signed-in b": "b x x x",
        "api": "- - - -",
        "system": "ab - - ab",
        "operator": "- - - -",
        "merchant a": "- - - -",
        "storefront a": "- - - -",
        "shopper a": "a a a a",
        "shopper b": "b b b b",
    },
    "tryon_sessions": {
        "signed-in a": "a x x x",
        "signed-in b": "b x x x",
        "api": "- - - -",
        "system": "ab - - ab",
        "operator": "- - - -",
        "merchant a": "a - - -",
        "storefront a": "- - - -",
        "shopper a": "a a a a",
        "shopper b": "b b b b",
    },
    "events": {
        "signed-in a": "a x x x",
        "signed-in b": "b x x x",
        "api": "- - x -",
        "system": "ab ab x ab",
        "operator": "- - x -",
        "merchant a": "a a x -",
        "storefront a": "- - x -",
        "shopper a": "a a x a",
        "shopper b": "b b x b",
    },
    "deletions": {
        "api": "- - - x",
        "system": "ab ab ab x",
        "operator": "- - - x",
        "merchant a": "- a - x",
        "storefront a": "- - - x",
        # A tombstone says nothing of whose it is, so a shopper may write one for either brand and read none.
        "shopper a": "- ab - x",
        "shopper b": "- ab - x",
    },
}


def insert(connection: Connection, table: str, side: str, new: UUID, requester: str = "shopper") -> None:
    ids = {name: known(side, name) for name in ("brand", "user", "avatar", "free_avatar", "garment")}
    hashed = sha256(f"{table}/{side}/{new}".encode()).digest()
    values = {**ids, "new": new, "hash": hashed, "requester": requester}
    connection.execute(INSERTS[table].encode(), values)


@pytest.fixture
def two_sides(connection: Connection) -> Connection:
    """One row of each table for Alice in brand A and for Bob in brand B; an avatar more, which has no job."""
    names = {"brands": "brand", "users": "user", "avatars": "avatar", "garments": "garment"}
    for side in SIDES:
        for table in ("brands", "users", "avatars"):
            insert(connection, table, side, known(side, names[table]))
        insert(connection, "avatars", side, known(side, "free_avatar"))
        insert(connection, "garments", side, known(side, "garment"))
        connection.execute(
            "insert into avatar_jobs (id, avatar_id, token_hash) values (%s, %s, %s)",
            [known(side, "avatar_jobs"), known(side, "avatar"), sha256(side.encode()).digest()],
        )
        for table in INSERTS.keys() - names.keys() - {"avatar_jobs"}:
            insert(connection, table, side, known(side, table))
    return connection


def row_keys(table: str, side: str) -> list[str]:
    names = {"brands": ["brand"], "users": ["user"], "avatars": ["avatar", "free_avatar"], "garments": ["garment"]}
    return [str(known(side, name)) for name in names.get(table, [table])]


def outcome(attempt: Callable[[str], bool]) -> str:
    """The sides for which an attempt succeeds, `-` when for none, `x` when the role may not try at all."""
    try:
        return "".join(side for side in SIDES if attempt(side)) or "-"
    except psycopg.errors.InsufficientPrivilege as error:
        if "permission denied" in str(error):
            return "x"
        raise


@pytest.mark.parametrize("verb", ["select", "insert", "update", "delete"])
@pytest.mark.parametrize("actor_name", ACTORS)
@pytest.mark.parametrize("table", INSERTS)
def test_each_reaches_its_own_rows_only(two_sides: Connection, table: str, actor_name: str, verb: str) -> None:
    actor = ACTORS[actor_name]
    column = KEY_COLUMN[table]

    def attempt(side: str) -> bool:
        with two_sides.transaction(force_rollback=True):
            actor.begin(two_sides)
            if verb == "insert":
                try:
                    with two_sides.transaction():
                        insert(two_sides, table, side, uuid4(), actor.requester)
                except psycopg.errors.InsufficientPrivilege as error:
                    if "row-level security" in str(error):
                        return False
                    raise
                return True
            statement = {
                "select": f"select {column} from {table} where {column}::text = any(%s)",
                "update": f"update {table} set {HARMLESS_UPDATE[table]} = now() where {column}::text = any(%s)",
                "delete": f"delete from {table} where {column}::text = any(%s)",
            }[verb]
            return two_sides.execute(statement.encode(), [row_keys(table, side)]).rowcount > 0

    expected = EXPECTED[table].get(actor_name, NOTHING).split()
    assert outcome(attempt) == expected[("select", "insert", "update", "delete").index(verb)]


def test_every_table_has_its_entry(connection: Connection) -> None:
    tables = connection.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')"
    ).fetchall()
    assert {name for (name,) in tables} == EXPECTED.keys()


def test_the_apis_role_is_an_ordinary_one(connection: Connection) -> None:
    row = connection.execute(
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication from pg_roles"
        " where rolname = 'tryon_api'"
    ).fetchone()
    assert row == (False, False, False, False, False)
    owned = connection.execute("select 1 from pg_class where relowner = 'tryon_api'::regrole").fetchall()
    assert owned == []


def test_for_whom_it_acts_ends_with_the_transaction(api_dsn: str) -> None:
    with psycopg.connect(api_dsn, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("select private.act_as('operator')")
            assert connection.execute("select private.is_operator()").fetchone() == (True,)
        assert connection.execute("select private.is_operator()").fetchone() == (False,)


@pytest.mark.parametrize(
    "arguments",
    [("nobody", None, None), ("merchant", None, None), ("storefront", None, None), ("shopper", None, None)],
)
def test_nobody_acts_for_nobody(connection: Connection, arguments: tuple[str, None, None]) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        connection.execute("select private.act_as(%s, %s, %s)", arguments)


def test_a_shopper_cannot_try_on_with_anothers_avatar(two_sides: Connection) -> None:
    ACTORS["shopper a"].begin(two_sides)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        two_sides.execute(
            "insert into tryon_sessions (user_id, brand_id, avatar_id) values (%s, %s, %s)",
            [known("a", "user"), known("a", "brand"), known("b", "avatar")],
        )


def test_a_shopper_cannot_give_an_avatar_to_another(two_sides: Connection) -> None:
    ACTORS["shopper a"].begin(two_sides)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        two_sides.execute("update avatars set user_id = %s where id = %s", [known("b", "user"), known("a", "avatar")])
