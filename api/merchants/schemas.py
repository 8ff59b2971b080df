"""Brands, their keys and shopper tokens on the wire."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from api.authentication import KeyKind
from api.schemas import AnswerModel, RequestModel


def normal_origin(text: str) -> str:
    """The Origin header a browser would send. Raises ValueError unless it is https://host[:port], or http and local."""
    parts = urlsplit(text.lower().rstrip("/"))
    is_local = parts.hostname in ("localhost", "127.0.0.1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise ValueError("must begin with https:// (http:// for localhost only)")
    if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be a scheme, a host and perhaps a port, as in https://shop.example")
    if "*" in parts.netloc:
        raise ValueError("must not hold a wildcard; name each origin")
    default_port = {"https": 443, "http": 80}[parts.scheme]
    port = "" if parts.port in (None, default_port) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


Origin = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(normal_origin)]
ShopDomain = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9][a-z0-9.-]*$", examples=["example.myshopify.com"])]
BrandName = Annotated[str, Field(min_length=1, max_length=200)]
Origins = Annotated[list[Origin], Field(max_length=50)]


class CreateBrand(RequestModel):
    """A new merchant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Example Knitwear",
                    "shopify_shop_domain": "example.myshopify.com",
                    "allowed_origins": ["https://shop.example"],
                }
            ]
        }
    )

    name: BrandName
    shopify_shop_domain: ShopDomain | None = None
    allowed_origins: Origins = Field(default=[])


class UpdateBrand(RequestModel):
    """What of a brand is to change; what is left out stays."""

    name: BrandName | None = None
    allowed_origins: Origins | None = None


class BrandView(AnswerModel):
    """A merchant."""

    id: UUID
    name: str
    shopify_shop_domain: str | None
    allowed_origins: list[str]
    created_at: datetime


class NewBrand(BrandView):
    """A merchant just created, with both keys: they are shown this once."""

    publishable_key: str
    secret_key: str


class KeyView(AnswerModel):
    """A key, by its first characters."""

    id: UUID
    kind: KeyKind
    key_prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class CreateKey(RequestModel):
    """A further key."""

    kind: KeyKind


class RotateKey(RequestModel):
    """A new key in place of an old one."""

    overlap_s: Annotated[int, Field(ge=0, le=30 * 86_400, description="Seconds for which the old key still works.")] = (
        86_400
    )


class NewKey(KeyView):
    """A key just created: it is shown this once."""

    key: str


class ShopperTokenView(AnswerModel):
    """A token for one shopper, to be sent as `Authorization: Bearer`."""

    token: str
    expires_at: datetime
