"""Brands, keys and shopper tokens over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.dependencies import BrandActor, OperatorOnly, OriginHeader, ServicesDependency, ShopperTokenRequest
from api.merchants.schemas import (
    BrandView,
    CreateBrand,
    CreateKey,
    KeyView,
    NewBrand,
    NewKey,
    RotateKey,
    ShopperTokenView,
    UpdateBrand,
)
from api.problems import NotAllowed, NotAuthenticated, NotFound, ShopDomainTaken, documented
from api.schemas import Page, PageQuery

router = APIRouter(prefix="/v1", tags=["merchants"])


@router.post(
    "/brands",
    status_code=201,
    summary="Create a brand",
    dependencies=[OperatorOnly],
    responses=documented(NotAuthenticated, ShopDomainTaken),
)
async def create_brand(request: CreateBrand, app: ServicesDependency) -> NewBrand:
    """The keys in the answer are shown this once."""
    return NewBrand(**await app.merchants.create_brand(request))


@router.get("/brands", summary="List brands", dependencies=[OperatorOnly], responses=documented(NotAuthenticated))
async def list_brands(app: ServicesDependency, page: Annotated[PageQuery, Query()]) -> Page[BrandView]:
    """Newest first."""
    rows, next_cursor = await app.merchants.list_brands(page)
    return Page(items=[BrandView(**row) for row in rows], next_cursor=next_cursor)


@router.get("/brands/{brand_id}", summary="Read a brand", responses=documented(NotAuthenticated, NotAllowed, NotFound))
async def get_brand(brand_id: UUID, actor: BrandActor, app: ServicesDependency) -> BrandView:
    """With the operator's key or the brand's own secret key."""
    return BrandView(**await app.merchants.get_brand(actor, brand_id))


@router.patch(
    "/brands/{brand_id}", summary="Change a brand", responses=documented(NotAuthenticated, NotAllowed, NotFound)
)
async def update_brand(brand_id: UUID, request: UpdateBrand, actor: BrandActor, app: ServicesDependency) -> BrandView:
    """`allowed_origins` replaces the whole list."""
    return BrandView(**await app.merchants.update_brand(actor, brand_id, request))


@router.get(
    "/brands/{brand_id}/keys", summary="List keys", responses=documented(NotAuthenticated, NotAllowed, NotFound)
)
async def list_keys(
    brand_id: UUID, actor: BrandActor, app: ServicesDependency, page: Annotated[PageQuery, Query()]
) -> Page[KeyView]:
    """Newest first, without the keys themselves, which nobody has but the merchant."""
    rows, next_cursor = await app.merchants.list_keys(actor, brand_id, page)
    return Page(items=[KeyView(**row) for row in rows], next_cursor=next_cursor)


@router.post(
    "/brands/{brand_id}/keys",
    status_code=201,
    summary="Create a further key",
    responses=documented(NotAuthenticated, NotAllowed, NotFound),
)
async def create_key(brand_id: UUID, request: CreateKey, actor: BrandActor, app: ServicesDependency) -> NewKey:
    """The key is shown this once."""
    return NewKey(**await app.merchants.create_key(actor, brand_id, request.kind))


@router.post(
    "/brands/{brand_id}/keys/{key_id}/rotate",
    status_code=201,
    summary="Replace a key",
    responses=documented(NotAuthenticated, NotAllowed, NotFound),
)
async def rotate_key(
    brand_id: UUID, key_id: UUID, request: RotateKey, actor: BrandActor, app: ServicesDependency
) -> NewKey:
    """A new key of the same kind; the old one goes on working for `overlap_s` seconds."""
    return NewKey(**await app.merchants.rotate_key(actor, brand_id, key_id, overlap_s=request.overlap_s))


@router.delete(
    "/brands/{brand_id}/keys/{key_id}",
    status_code=204,
    summary="Revoke a key",
    responses=documented(NotAuthenticated, NotAllowed, NotFound),
)
async def revoke_key(brand_id: UUID, key_id: UUID, actor: BrandActor, app: ServicesDependency) -> Response:
    """It is refused from now on."""
    await app.merchants.revoke_key(actor, brand_id, key_id)
    return Response(status_code=204)


@router.post(
    "/shopper-tokens",
    status_code=201,
    tags=["shoppers"],
    summary="Get or renew a shopper token",
    responses=documented(NotAuthenticated, NotAllowed),
)
async def create_shopper_token(
    shown: ShopperTokenRequest, app: ServicesDependency, origin: OriginHeader = None
) -> ShopperTokenView:
    """For a new anonymous shopper: the publishable key as Authorization, from an origin the brand allows.

    For the same shopper again: their unexpired token as Authorization. For a user of Supabase Auth: their access token
    as Authorization and the publishable key as X-Publishable-Key.
    """
    if shown.shopper is not None and shown.shopper.brand_id is not None:
        token = await app.merchants.renew(shown.shopper)
    elif shown.key is not None:
        token = await app.merchants.admit_shopper(shown.key, origin, shown.shopper)
    else:
        raise NotAuthenticated("Send the brand's publishable key.")
    return ShopperTokenView(token=token.token, expires_at=token.expires_at)
