"""What an operator and a merchant can do with a brand, and how a shopper gets a token."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from api.authentication import (
    SHOWN_KEY_CHARACTERS,
    BrandKey,
    KeyKind,
    Shopper,
    ShopperToken,
    ShopperTokens,
    digest,
    new_key,
)
from api.clock import Clock
from api.database import OPERATOR, SYSTEM, Actor, Connection, Database, Row
from api.merchants import store
from api.merchants.schemas import CreateBrand, UpdateBrand, normal_origin
from api.problems import NotAllowed, NotAuthenticated, NotFound, ShopDomainTaken
from api.schemas import PageQuery, cut_page

NO_SUCH_BRAND = "There is no such brand."
NO_SUCH_KEY = "There is no such key in force."


@dataclass(frozen=True, slots=True)
class Merchants:
    """Brands and their keys."""

    database: Database
    clock: Clock
    tokens: ShopperTokens

    async def create_brand(self, request: CreateBrand) -> Row:
        """The brand with `publishable_key` and `secret_key`. Raises `ShopDomainTaken`."""
        keys: dict[KeyKind, str] = {"publishable": new_key("publishable"), "secret": new_key("secret")}
        async with self.database.transaction(OPERATOR) as connection:
            brand = await store.insert_brand(
                connection,
                brand_id=uuid4(),
                name=request.name,
                shopify_shop_domain=request.shopify_shop_domain,
                allowed_origins=request.allowed_origins,
                now=self.clock(),
            )
            if brand is None:
                raise ShopDomainTaken("Another brand has this shop domain.")
            for kind, key in keys.items():
                await self._insert_key(connection, brand["id"], kind, key)
        return {**brand, "publishable_key": keys["publishable"], "secret_key": keys["secret"]}

    async def get_brand(self, actor: Actor, brand_id: UUID) -> Row:
        """Raises `NotFound`."""
        async with self.database.transaction(actor) as connection:
            return _found(await store.get_brand(connection, brand_id), NO_SUCH_BRAND)

    async def list_brands(self, page: PageQuery) -> tuple[list[Row], str | None]:
        """One page of brands and the cursor of the next."""
        async with self.database.transaction(OPERATOR) as connection:
            rows = await store.list_brands(connection, after=page.after(), limit=page.limit)
        return cut_page(rows, page.limit)

    async def update_brand(self, actor: Actor, brand_id: UUID, request: UpdateBrand) -> Row:
        """The brand after the change. Raises `NotFound`."""
        async with self.database.transaction(actor) as connection:
            brand = await store.update_brand(
                connection, brand_id, name=request.name, allowed_origins=request.allowed_origins
            )
            return _found(brand, NO_SUCH_BRAND)

    async def list_keys(self, actor: Actor, brand_id: UUID, page: PageQuery) -> tuple[list[Row], str | None]:
        """One page of a brand's keys and the cursor of the next. Raises `NotFound`."""
        async with self.database.transaction(actor) as connection:
            _found(await store.get_brand(connection, brand_id), NO_SUCH_BRAND)
            rows = await store.list_keys(connection, brand_id, after=page.after(), limit=page.limit)
        return cut_page(rows, page.limit)

    async def create_key(self, actor: Actor, brand_id: UUID, kind: KeyKind) -> Row:
        """A further key, with `key`. Raises `NotFound`."""
        key = new_key(kind)
        async with self.database.transaction(actor) as connection:
            _found(await store.get_brand(connection, brand_id), NO_SUCH_BRAND)
            return {**await self._insert_key(connection, brand_id, kind, key), "key": key}

    async def rotate_key(self, actor: Actor, brand_id: UUID, key_id: UUID, *, overlap_s: int) -> Row:
        """A new key of the same kind, with `key`; the old one works for `overlap_s` more. Raises `NotFound`."""
        now = self.clock()
        async with self.database.transaction(actor) as connection:
            expires_at = now + timedelta(seconds=overlap_s)
            old = await store.expire_key(connection, brand_id, key_id, expires_at=expires_at, now=now)
            kind: KeyKind = _found(old, NO_SUCH_KEY)["kind"]
            key = new_key(kind)
            return {**await self._insert_key(connection, brand_id, kind, key), "key": key}

    async def revoke_key(self, actor: Actor, brand_id: UUID, key_id: UUID) -> None:
        """Refuse a key from now on. Raises `NotFound`."""
        async with self.database.transaction(actor) as connection:
            if not await store.revoke_key(connection, brand_id, key_id, now=self.clock()):
                raise NotFound(NO_SUCH_KEY)

    async def find_key(self, key: str) -> BrandKey:
        """Whose key this is. Raises `NotAuthenticated` when it is not in force."""
        async with self.database.transaction(SYSTEM) as connection:
            row = await store.find_key(connection, digest(key), now=self.clock())
        if row is None:
            raise NotAuthenticated("The key is not valid.")
        return BrandKey(row["id"], row["brand_id"], row["kind"], tuple(row["allowed_origins"]))

    async def admit_shopper(self, key: BrandKey, origin: str | None, signed_in: Shopper | None) -> ShopperToken:
        """A token for a signed-in shopper, or for a new anonymous one, in the brand's shop.

        Raises `NotAllowed` unless the key is publishable and the brand allows the origin.
        """
        if key.kind != "publishable":
            raise NotAllowed("A shopper token needs the publishable key.")
        if origin is None or not _is_allowed(origin, key.allowed_origins):
            raise NotAllowed("This key is not for this site.")
        if signed_in is not None:
            shopper = Shopper(signed_in.user_id, key.brand_id, normal_origin(origin))
            async with self.database.transaction(Actor("shopper", user_id=signed_in.user_id)) as connection:
                await store.upsert_signed_in_shopper(
                    connection, user_id=signed_in.user_id, email=signed_in.email, now=self.clock()
                )
        else:
            shopper = Shopper(uuid4(), key.brand_id, normal_origin(origin))
            async with self.database.transaction(key.actor) as connection:
                await store.insert_anonymous_shopper(
                    connection, user_id=shopper.user_id, brand_id=key.brand_id, now=self.clock()
                )
        return self.tokens.mint(shopper)

    async def renew(self, shopper: Shopper) -> ShopperToken:
        """A fresh token for the same shopper. Raises `NotAuthenticated` when they have been deleted."""
        async with self.database.transaction(shopper.actor) as connection:
            if not await store.touch_shopper(connection, shopper.user_id, now=self.clock()):
                raise NotAuthenticated("The token is not valid.")
        return self.tokens.mint(shopper)

    async def _insert_key(self, connection: Connection, brand_id: UUID, kind: KeyKind, key: str) -> Row:
        return await store.insert_key(
            connection,
            brand_id=brand_id,
            kind=kind,
            key_hash=digest(key),
            key_prefix=key[:SHOWN_KEY_CHARACTERS],
            now=self.clock(),
        )


def _found(row: Row | None, detail: str) -> Row:
    if row is None:
        raise NotFound(detail)
    return row


def _is_allowed(origin: str, allowed: tuple[str, ...]) -> bool:
    try:
        return normal_origin(origin) in allowed
    except ValueError:
        return False
