"""Who is calling: the operator, a brand's key, a shopper's token or a user of Supabase Auth."""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import jwt

from api.clock import Clock
from api.database import Actor
from api.problems import NotAllowed, NotAuthenticated, ServiceUnavailable

TOKEN_ISSUER = "tryon"
TOKEN_AUDIENCE = "tryon-shopper"
KEY_PREFIXES: dict[Literal["publishable", "secret"], str] = {"publishable": "pk_", "secret": "sk_"}
SHOWN_KEY_CHARACTERS = 10

KeyKind = Literal["publishable", "secret"]


@dataclass(frozen=True, slots=True)
class BrandKey:
    """A key that was presented and is in force."""

    key_id: UUID
    brand_id: UUID
    kind: KeyKind
    allowed_origins: tuple[str, ...]

    @property
    def actor(self) -> Actor:
        """For whom the database acts: a secret key is the merchant, a publishable one only their shop front."""
        return Actor("merchant" if self.kind == "secret" else "storefront", brand_id=self.brand_id)


@dataclass(frozen=True, slots=True)
class Shopper:
    """A shopper: anonymous in one brand's shop, or signed in through Supabase Auth (then with or without a brand)."""

    user_id: UUID
    brand_id: UUID | None
    origin: str | None = None
    email: str | None = None

    @property
    def actor(self) -> Actor:
        """For whom the database acts."""
        return Actor("shopper", brand_id=self.brand_id, user_id=self.user_id)


def new_key(kind: KeyKind) -> str:
    """A key with 256 random bits."""
    return KEY_PREFIXES[kind] + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a key or token. It holds 256 random bits, so neither salt nor stretching would add anything."""
    return hashlib.sha256(secret.encode()).digest()


def same_secret(given: str, expected: str) -> bool:
    """Compare without telling by the time taken how much was right."""
    return hmac.compare_digest(digest(given), digest(expected))


@dataclass(frozen=True, slots=True)
class ShopperToken:
    """A token as it is given to a browser."""

    token: str
    expires_at: datetime


class ShopperTokens:
    """Mints and reads the short-lived tokens of shoppers."""

    def __init__(self, secret: str, *, ttl_s: int, own_origin: str, clock: Clock) -> None:
        self._secret = secret
        self._ttl = timedelta(seconds=ttl_s)
        self._own_origin = own_origin
        self._clock = clock

    def mint(self, shopper: Shopper) -> ShopperToken:
        """A token for this shopper in this brand's shop at this origin."""
        now = self._clock()
        expires_at = (now + self._ttl).replace(microsecond=0)
        claims = {
            "iss": TOKEN_ISSUER,
            "aud": TOKEN_AUDIENCE,
            "sub": str(shopper.user_id),
            "brand": str(shopper.brand_id),
            "origin": shopper.origin,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return ShopperToken(jwt.encode(claims, self._secret, algorithm="HS256"), expires_at)

    def read(self, token: str, *, origin: str | None) -> Shopper:
        """The shopper of a token used from `origin` (the Origin header).

        Our own origin is always allowed, because the widget is a page of ours in a frame on the shop's page.
        Raises `NotAuthenticated` for a forged or expired token and `NotAllowed` for one used elsewhere.
        """
        claims = self._verified_claims(token)
        if origin not in (None, self._own_origin, claims["origin"]):
            raise NotAllowed("This token was made for another site.")
        return Shopper(UUID(claims["sub"]), UUID(claims["brand"]), claims["origin"])

    def _verified_claims(self, token: str) -> dict[str, str]:
        try:
            claims: dict[str, str] = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=TOKEN_AUDIENCE,
                issuer=TOKEN_ISSUER,
                # PyJWT would ask the machine's clock; the expiry is checked below by ours.
                options={"require": ["exp", "iat", "sub", "brand", "origin"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            raise NotAuthenticated("The token is not valid.") from None
        if self._clock().timestamp() >= float(claims["exp"]):
            raise NotAuthenticated("The token is not valid.")
        return claims


class SupabaseUsers:
    """Reads access tokens of Supabase Auth, verified with the project's published keys."""

    def __init__(self, supabase_url: str) -> None:
        self.issuer = f"{supabase_url.rstrip('/')}/auth/v1"
        self._keys = jwt.PyJWKClient(f"{self.issuer}/.well-known/jwks.json", lifespan=600, timeout=5)

    async def read(self, token: str) -> Shopper:
        """The user of an access token. Raises `NotAuthenticated` when it is not valid."""
        # PyJWKClient fetches the keys with blocking calls.
        return await asyncio.to_thread(self._read, token)

    def _read(self, token: str) -> Shopper:
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=["ES256", "RS256"],
                audience="authenticated",
                issuer=self.issuer,
                options={"require": ["exp", "sub"]},
            )
            return Shopper(UUID(claims["sub"]), None, email=claims.get("email") or None)
        except jwt.PyJWKClientConnectionError:
            raise ServiceUnavailable("The sign-in service does not answer. Please try again.") from None
        except (jwt.PyJWTError, ValueError):
            raise NotAuthenticated("The token is not valid.") from None


def issuer_of(token: str) -> str | None:
    """Who claims to have issued a JWT, unverified: only good for choosing who verifies it."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None
