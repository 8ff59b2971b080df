"""What routes ask for: the services of the app, and who is calling."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from api.authentication import BrandKey, Shopper, ShopperTokens, SupabaseUsers, issuer_of, same_secret
from api.avatars.callbacks import Callbacks
from api.avatars.service import Avatars
from api.clock import Clock
from api.database import OPERATOR, Actor, Database
from api.events import AvatarEvents
from api.gpu_queue import GpuQueue
from api.merchants.service import Merchants
from api.metrics import Metrics
from api.object_storage import ObjectStorage
from api.privacy.service import Privacy
from api.problems import NotAllowed, NotAuthenticated, NotFound
from api.settings import ApiSettings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that lives as long as the app."""

    settings: ApiSettings
    clock: Clock
    metrics: Metrics
    database: Database
    storage: ObjectStorage
    queue: GpuQueue
    events: AvatarEvents
    tokens: ShopperTokens
    supabase_users: SupabaseUsers
    merchants: Merchants
    avatars: Avatars
    callbacks: Callbacks
    privacy: Privacy


def services(request: Request) -> Services:
    """The services of the app that answers this request."""
    found: Services = request.app.state.services
    return found


ServicesDependency = Annotated[Services, Depends(services)]
OriginHeader = Annotated[str | None, Header(alias="Origin", max_length=300, include_in_schema=False)]

operator_scheme = HTTPBearer(scheme_name="operatorKey", description="The operator's key.", auto_error=False)
brand_scheme = HTTPBearer(scheme_name="secretKey", description="A brand's secret key (sk_…).", auto_error=False)
shopper_scheme = HTTPBearer(
    scheme_name="shopperToken", description="A shopper token, or an access token of Supabase Auth.", auto_error=False
)
storefront_scheme = HTTPBearer(
    scheme_name="publishableKey",
    description="A brand's publishable key (pk_…), or the token that is to be exchanged.",
    auto_error=False,
)
publishable_key_header = APIKeyHeader(
    name="X-Publishable-Key",
    scheme_name="publishableKeyHeader",
    description="A brand's publishable key, when Authorization holds a Supabase Auth token.",
    auto_error=False,
)


def _secret(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise NotAuthenticated("Send a key or token as `Authorization: Bearer …`.")
    return credentials.credentials


def operator(
    app: ServicesDependency, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(operator_scheme)]
) -> None:
    """Refuse everyone but the operator."""
    if not same_secret(_secret(credentials), app.settings.operator_key.get_secret_value()):
        raise NotAuthenticated("The operator's key is needed.")


OperatorOnly = Depends(operator)


async def brand_actor(
    brand_id: UUID,
    app: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(brand_scheme)],
) -> Actor:
    """The operator, or the merchant of the brand in the path."""
    secret = _secret(credentials)
    if same_secret(secret, app.settings.operator_key.get_secret_value()):
        return OPERATOR
    key = await app.merchants.find_key(secret)
    if key.kind != "secret":
        raise NotAllowed("The secret key is needed.")
    if key.brand_id != brand_id:
        raise NotFound("There is no such brand.")
    return key.actor


BrandActor = Annotated[Actor, Depends(brand_actor)]


async def current_shopper(
    app: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(shopper_scheme)],
    origin: OriginHeader = None,
) -> Shopper:
    """The shopper whose token this is."""
    return await read_shopper(app, _secret(credentials), origin)


CurrentShopper = Annotated[Shopper, Depends(current_shopper)]


async def read_shopper(app: Services, token: str, origin: str | None) -> Shopper:
    """The shopper of one of our tokens or of an access token of Supabase Auth."""
    if issuer_of(token) == app.supabase_users.issuer:
        return await app.supabase_users.read(token)
    return app.tokens.read(token, origin=origin)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What somebody who asks for a shopper token has shown: a publishable key, a token, or both."""

    key: BrandKey | None
    shopper: Shopper | None


async def token_request(
    app: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(storefront_scheme)],
    key_header: Annotated[str | None, Depends(publishable_key_header)],
    origin: OriginHeader = None,
) -> TokenRequest:
    """Read both headers; a publishable key may stand in either."""
    bearer = credentials.credentials if credentials else None
    if bearer and bearer.count(".") != 2:
        return TokenRequest(await app.merchants.find_key(bearer), None)
    key = await app.merchants.find_key(key_header) if key_header else None
    return TokenRequest(key, await read_shopper(app, bearer, origin) if bearer else None)


ShopperTokenRequest = Annotated[TokenRequest, Depends(token_request)]
