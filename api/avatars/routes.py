"""Avatars over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from api.avatars.schemas import AvatarState, AvatarView, CreateAvatar, NewAvatar
from api.dependencies import CurrentShopper, ServicesDependency
from api.downloads import zip_download
from api.problems import (
    IdempotencyKeyReused,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PhotosMissing,
    PhotoUnusable,
    documented,
)
from api.schemas import Page, PageQuery
from shared.jobs import ProgressAnswer, ProgressReport

router = APIRouter(prefix="/v1/avatars", tags=["avatars"])
callback_router = APIRouter(prefix="/v1/callbacks/runpod", tags=["callbacks"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text of your own; the same request with the same key makes one avatar, for 24 hours at least.",
    ),
]
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=20, description="The id of the last event seen.")
]


@router.post(
    "",
    status_code=201,
    summary="Create an avatar",
    responses=documented(NotAuthenticated, NotAllowed, IdempotencyKeyReused),
)
async def create_avatar(
    request: CreateAvatar,
    response: Response,
    shopper: CurrentShopper,
    app: ServicesDependency,
    idempotency_key: IdempotencyKey = None,
) -> NewAvatar:
    """Gives a signed upload URL for each photo; send each photo there, then start the avatar."""
    avatar = await app.avatars.create(shopper, request, idempotency_key)
    response.headers["Location"] = f"/v1/avatars/{avatar.id}"
    return avatar


@router.get("", summary="List the shopper's avatars", responses=documented(NotAuthenticated, NotAllowed))
async def list_avatars(
    shopper: CurrentShopper, app: ServicesDependency, page: Annotated[PageQuery, Query()]
) -> Page[AvatarState]:
    """Newest first."""
    items, next_cursor = await app.avatars.list(shopper, page)
    return Page(items=items, next_cursor=next_cursor)


@router.post(
    "/{avatar_id}/start",
    status_code=202,
    summary="Start the job",
    responses=documented(NotAuthenticated, NotAllowed, NotFound, PhotosMissing, PhotoUnusable),
)
async def start_avatar(avatar_id: UUID, shopper: CurrentShopper, app: ServicesDependency) -> AvatarView:
    """Once every photo is uploaded. Starting twice is starting once."""
    return await app.avatars.start(shopper, avatar_id)


@router.get("/{avatar_id}", summary="Read an avatar", responses=documented(NotAuthenticated, NotAllowed, NotFound))
async def get_avatar(avatar_id: UUID, shopper: CurrentShopper, app: ServicesDependency) -> AvatarView:
    """Its status and progress and, when ready, its measurements and short-lived URLs of its files."""
    return await app.avatars.get(shopper, avatar_id)


@router.get(
    "/{avatar_id}/events",
    summary="Watch an avatar",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events named `avatar`; the data is an AvatarState. Ends with the final state.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "The client has seen the final state (by Last-Event-ID) and need not ask again."},
        **documented(NotAuthenticated, NotAllowed, NotFound),
    },
)
async def watch_avatar(
    avatar_id: UUID, shopper: CurrentShopper, app: ServicesDependency, last_event_id: LastEventId = None
) -> Response:
    """The state now, then every change."""
    last_revision = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
    if not await app.avatars.has_news(shopper, avatar_id, last_revision=last_revision):
        return Response(status_code=204)
    return StreamingResponse(
        app.avatars.stream(shopper, avatar_id, last_revision=last_revision),
        media_type="text/event-stream",
        # Proxies in front of us must neither keep nor gather what is sent.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get(
    "/{avatar_id}/export",
    summary="Export an avatar",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A zip of everything held of it.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(NotAuthenticated, NotAllowed, NotFound),
    },
)
async def export_avatar(avatar_id: UUID, shopper: CurrentShopper, app: ServicesDependency) -> StreamingResponse:
    """Its rows as JSON and its files."""
    archive = await app.privacy.export(shopper, avatar_id)
    return zip_download(archive, f"avatar-{avatar_id}.zip")


@router.delete(
    "/{avatar_id}",
    status_code=204,
    summary="Delete an avatar",
    responses=documented(NotAuthenticated, NotAllowed, NotFound),
)
async def delete_avatar(avatar_id: UUID, shopper: CurrentShopper, app: ServicesDependency) -> Response:
    """Its row, its files and its job; a tombstone without personal data stays."""
    await app.privacy.delete_avatar(shopper, avatar_id)
    return Response(status_code=204)


@callback_router.post("/{job_token}", status_code=200, summary="RunPod's webhook", responses=documented(NotFound))
async def run_ended(job_token: str, app: ServicesDependency) -> Response:
    """A hint that a run has ended. The body is not read: RunPod is asked for the truth."""
    await app.callbacks.run_ended(job_token)
    return Response(status_code=200)


@callback_router.post("/{job_token}/progress", summary="A worker's progress", responses=documented(NotFound))
async def progressed(job_token: str, report: ProgressReport, app: ServicesDependency) -> ProgressAnswer:
    """Tells the worker whether to go on."""
    return await app.callbacks.progressed(job_token, report)
