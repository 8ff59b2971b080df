"""Brands and keys in the database."""

from datetime import datetime
from uuid import UUID

from api.authentication import KeyKind
from api.database import Connection, Row, execute, fetch_all, fetch_one
from api.pagination import Cursor

BRAND_COLUMNS = "id, name, shopify_shop_domain, allowed_origins, created_at"
KEY_COLUMNS = "id, kind, key_prefix, created_at, expires_at, revoked_at"


async def insert_brand(
    connection: Connection,
    *,
    brand_id: UUID,
    name: str,
    shopify_shop_domain: str | None,
    allowed_origins: list[str],
    now: datetime,
) -> Row | None:
    """The new brand; None when another one has the shop domain."""
    return await fetch_one(
        connection,
        f"""
        insert into public.brands (id, name, shopify_shop_domain, allowed_origins, created_at)
        values (%(id)s, %(name)s, %(shopify_shop_domain)s, %(allowed_origins)s, %(now)s)
        on conflict (shopify_shop_domain) do nothing
        returning {BRAND_COLUMNS}
        """,
        {
            "id": brand_id,
            "name": name,
            "shopify_shop_domain": shopify_shop_domain,
            "allowed_origins": allowed_origins,
            "now": now,
        },
    )


async def update_brand(
    connection: Connection, brand_id: UUID, *, name: str | None, allowed_origins: list[str] | None
) -> Row | None:
    """The brand after the change; None when there is no such brand for this actor."""
    return await fetch_one(
        connection,
        f"""
        update public.brands
        set name = coalesce(%(name)s, name), allowed_origins = coalesce(%(allowed_origins)s, allowed_origins)
        where id = %(id)s
        returning {BRAND_COLUMNS}
        """,
        {"id": brand_id, "name": name, "allowed_origins": allowed_origins},
    )


async def get_brand(connection: Connection, brand_id: UUID) -> Row | None:
    """One brand, if this actor may see it."""
    return await fetch_one(connection, f"select {BRAND_COLUMNS} from public.brands where id = %(id)s", {"id": brand_id})


async def list_brands(connection: Connection, *, after: Cursor | None, limit: int) -> list[Row]:
    """Brands newest first, one more than `limit` when there are more."""
    return await fetch_all(
        connection,
        f"""
        select {BRAND_COLUMNS} from public.brands
        where %(id)s::uuid is null or (created_at, id) < (%(created_at)s, %(id)s)
        order by created_at desc, id desc limit %(limit)s
        """,
        {"id": after and after.id, "created_at": after and after.created_at, "limit": limit + 1},
    )


async def insert_key(
    connection: Connection, *, brand_id: UUID, kind: KeyKind, key_hash: bytes, key_prefix: str, now: datetime
) -> Row:
    """A new key of a brand."""
    row = await fetch_one(
        connection,
        f"""
        insert into public.brand_keys (brand_id, kind, key_hash, key_prefix, created_at)
        values (%(brand_id)s, %(kind)s, %(key_hash)s, %(key_prefix)s, %(now)s)
        returning {KEY_COLUMNS}
        """,
        {"brand_id": brand_id, "kind": kind, "key_hash": key_hash, "key_prefix": key_prefix, "now": now},
    )
    assert row is not None
    return row


async def list_keys(connection: Connection, brand_id: UUID, *, after: Cursor | None, limit: int) -> list[Row]:
    """Keys of a brand newest first, one more than `limit` when there are more."""
    return await fetch_all(
        connection,
        f"""
        select {KEY_COLUMNS} from public.brand_keys
        where brand_id = %(brand_id)s and (%(id)s::uuid is null or (created_at, id) < (%(created_at)s, %(id)s))
        order by created_at desc, id desc limit %(limit)s
        """,
        {
            "brand_id": brand_id,
            "id": after and after.id,
            "created_at": after and after.created_at,
            "limit": limit + 1,
        },
    )


async def expire_key(
    connection: Connection, brand_id: UUID, key_id: UUID, *, expires_at: datetime, now: datetime
) -> Row | None:
    """The key, which now ends at `expires_at` unless it ended sooner; None when the brand has no such key in force."""
    return await fetch_one(
        connection,
        f"""
        update public.brand_keys set expires_at = least(expires_at, %(expires_at)s)
        where id = %(id)s and brand_id = %(brand_id)s and revoked_at is null
          and (expires_at is null or expires_at > %(now)s)
        returning {KEY_COLUMNS}
        """,
        {"id": key_id, "brand_id": brand_id, "expires_at": expires_at, "now": now},
    )


async def revoke_key(connection: Connection, brand_id: UUID, key_id: UUID, *, now: datetime) -> bool:
    """Whether the brand has such a key; from now on it is refused."""
    changed = await execute(
        connection,
        """
        update public.brand_keys set revoked_at = coalesce(revoked_at, %(now)s)
        where id = %(id)s and brand_id = %(brand_id)s
        """,
        {"id": key_id, "brand_id": brand_id, "now": now},
    )
    return changed == 1


async def find_key(connection: Connection, key_hash: bytes, *, now: datetime) -> Row | None:
    """The key with this hash and its brand's origins, if it is in force. For the system, before anyone is known."""
    return await fetch_one(
        connection,
        """
        select brand_keys.id, brand_keys.brand_id, brand_keys.kind, brands.allowed_origins
        from public.brand_keys join public.brands on brands.id = brand_keys.brand_id
        where key_hash = %(key_hash)s and revoked_at is null and (expires_at is null or expires_at > %(now)s)
        """,
        {"key_hash": key_hash, "now": now},
    )


async def insert_anonymous_shopper(connection: Connection, *, user_id: UUID, brand_id: UUID, now: datetime) -> None:
    """A shopper of whom nothing is known but the shop."""
    await execute(
        connection,
        """
        insert into public.users (id, brand_id, created_at, last_seen_at)
        values (%(id)s, %(brand_id)s, %(now)s, %(now)s)
        """,
        {"id": user_id, "brand_id": brand_id, "now": now},
    )


async def upsert_signed_in_shopper(connection: Connection, *, user_id: UUID, email: str | None, now: datetime) -> None:
    """A shopper known to Supabase Auth, with the address Auth knows today."""
    await execute(
        connection,
        """
        insert into public.users (id, email, created_at, last_seen_at) values (%(id)s, %(email)s, %(now)s, %(now)s)
        on conflict (id) do update set email = excluded.email, last_seen_at = excluded.last_seen_at
        """,
        {"id": user_id, "email": email, "now": now},
    )


async def touch_shopper(connection: Connection, user_id: UUID, *, now: datetime) -> bool:
    """Whether the shopper still exists; notes that they were here."""
    changed = await execute(
        connection, "update public.users set last_seen_at = %(now)s where id = %(id)s", {"id": user_id, "now": now}
    )
    return changed == 1
