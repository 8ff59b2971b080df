"""Signs and reads the tokens of the local storage server: who calls, and what a signed URL opens."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import jwt

from local_stack.storage.errors import access_denied, invalid_jwt, invalid_signature

# Supabase signs upload URLs for this long and lets nobody choose.
UPLOAD_URL_TTL_S = 7200

Purpose = Literal["upload", "download"]


@dataclass(frozen=True)
class Caller:
    """As which database role a request runs, and with which claims its policies are read."""

    role: Literal["anon", "authenticated", "service_role"]
    claims_json: str


SERVICE = Caller("service_role", json.dumps({"role": "service_role"}))


@dataclass(frozen=True)
class Keys:
    """The project's keys. The first two are opaque; users' tokens are signed with `jwt_secret`."""

    secret_key: str
    publishable_key: str
    jwt_secret: str

    def identify(self, authorization: str | None, api_key: str | None) -> Caller:
        """Say who calls, from the Authorization and apikey headers.

        Raises:
            StorageError: 403 when the token is expired, forged or missing.
        """
        bearer = (authorization or "").removeprefix("Bearer ").strip() or (api_key or "")
        if not bearer:
            raise access_denied("Missing authorization")
        if secrets.compare_digest(bearer.encode(), self.secret_key.encode()):
            return SERVICE
        if bearer == self.publishable_key:
            return Caller("anon", json.dumps({"role": "anon"}))
        try:
            claims = jwt.decode(
                bearer,
                self.jwt_secret,
                algorithms=["HS256"],
                audience="authenticated",
                options={"require": ["exp", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            raise access_denied(str(error)) from error
        return Caller("authenticated", json.dumps(claims))

    def sign(self, purpose: Purpose, path: str, ttl_s: int, **claims: Any) -> str:
        """Return a token that opens `path` (`bucket/key`) for `purpose` alone, for `ttl_s` seconds."""
        now = datetime.now(UTC)
        payload = {"url": path, "purpose": purpose, "iat": now, "exp": now + timedelta(seconds=ttl_s), **claims}
        return jwt.encode(payload, self.jwt_secret, algorithm="HS256")

    def verify(self, token: str, purpose: Purpose, path: str) -> dict[str, Any]:
        """Return the claims of a signed URL's token.

        Raises:
            StorageError: InvalidJWT when expired or changed, InvalidSignature when made for something else.
        """
        try:
            claims = jwt.decode(
                token, self.jwt_secret, algorithms=["HS256"], options={"require": ["exp", "url", "purpose"]}
            )
        except jwt.InvalidTokenError as error:
            raise invalid_jwt(str(error)) from error
        if claims["url"] != path or claims["purpose"] != purpose:
            raise invalid_signature()
        return claims
