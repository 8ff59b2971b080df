"""A shopper's right to have everything, and to have it gone, over HTTP."""

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from api.dependencies import CurrentShopper, ServicesDependency
from api.downloads import zip_download
from api.problems import NotAllowed, NotAuthenticated, NotFound, documented

router = APIRouter(prefix="/v1/shoppers", tags=["shoppers"])


@router.get(
    "/me/export",
    summary="Export everything of a shopper",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A zip of every row and every file.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(NotAuthenticated, NotAllowed, NotFound),
    },
)
async def export_shopper(shopper: CurrentShopper, app: ServicesDependency) -> StreamingResponse:
    """Every row as JSON and every file."""
    archive = await app.privacy.export(shopper, None)
    return zip_download(archive, "my-data.zip")


@router.delete(
    "/me",
    status_code=204,
    summary="Delete everything of a shopper",
    responses=documented(NotAuthenticated, NotAllowed, NotFound),
)
async def delete_shopper(shopper: CurrentShopper, app: ServicesDependency) -> Response:
    """Avatars, photos, sessions and consents; tombstones without personal data stay. Their token is of no more use."""
    await app.privacy.delete_shopper(shopper)
    return Response(status_code=204)
