"""What a shopper can do with an avatar."""

import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from api.authentication import Shopper, digest
from api.avatars import store
from api.avatars.schemas import (
    AvatarState,
    AvatarView,
    AvatarWarning,
    CreateAvatar,
    Failure,
    NewAvatar,
    PhotoUpload,
    Progress,
)
from api.avatars.states import TERMINAL_STATUSES, AvatarStatus
from api.clock import Clock
from api.database import Connection, Database, Row
from api.events import AvatarEvents, format_event, wait
from api.merchants.store import upsert_signed_in_shopper
from api.object_storage import DownloadUrls, ObjectStorage, StoredObject, avatar_object, photo_object
from api.problems import IdempotencyKeyReused, NotAuthenticated, NotFound, PhotosMissing, PhotoUnusable
from api.schemas import PageQuery, cut_page
from shared.jobs import CONTRACT_VERSION, MAX_PHOTO_BYTES, PhotoView

CREATE_OPERATION = "POST /v1/avatars"
HEARTBEAT_S = 15.0
TOUCH_AFTER = timedelta(hours=12)
NO_SUCH_AVATAR = "There is no such avatar."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Avatars:
    """Avatars of shoppers. Every method acts for the shopper given and raises `NotFound` for what is not theirs."""

    database: Database
    storage: ObjectStorage
    events: AvatarEvents
    clock: Clock
    download_urls: DownloadUrls
    wake_reconciler: Callable[[], None]

    async def create(self, shopper: Shopper, request: CreateAvatar, idempotency_key: str | None) -> NewAvatar:
        """A pending avatar with an upload URL for each photo; the same one again for the same key and request.

        Raises `IdempotencyKeyReused` when the key came with another request before.
        """
        avatar_id = await self._insert(shopper, request, idempotency_key)
        avatar = await self._get_row(shopper, avatar_id)
        status = AvatarStatus(avatar["status"])
        if status is not AvatarStatus.PENDING:
            return NewAvatar(id=avatar_id, status=status, uploads={})
        uploads = {view: await self._sign_photo(avatar_id, view) for view in request.photos}
        return NewAvatar(id=avatar_id, status=status, uploads={view: each for view, each in uploads.items() if each})

    async def start(self, shopper: Shopper, avatar_id: UUID) -> AvatarView:
        """Queue the job once every photo is there; starting twice is starting once.

        Raises `PhotosMissing` and `PhotoUnusable`.
        """
        avatar = await self._get_row(shopper, avatar_id)
        if avatar["status"] == AvatarStatus.PENDING:
            await self._check_photos(avatar)
            async with self.database.transaction(shopper.actor) as connection:
                # Nobody holds this first token: the reconciler makes the one that goes with the dispatch.
                token_hash = digest(secrets.token_urlsafe(32))
                await store.start_job(
                    connection,
                    avatar_id,
                    contract_version=CONTRACT_VERSION,
                    token_hash=token_hash,
                    now=self.clock(),
                )
            self.wake_reconciler()
        return await self.get(shopper, avatar_id)

    async def get(self, shopper: Shopper, avatar_id: UUID) -> AvatarView:
        """The avatar as it is now."""
        now = self.clock()
        async with self.database.transaction(shopper.actor) as connection:
            row = await _fetch(connection, avatar_id)
            if now - row["last_used_at"] > TOUCH_AFTER:
                await store.touch_avatar(connection, avatar_id, now=now)
        return await self._view(row)

    async def list(self, shopper: Shopper, page: PageQuery) -> tuple[list[AvatarState], str | None]:
        """One page of the shopper's avatars and the cursor of the next."""
        async with self.database.transaction(shopper.actor) as connection:
            rows = await store.list_avatars(connection, shopper.user_id, after=page.after(), limit=page.limit)
        rows, next_cursor = cut_page(rows, page.limit)
        return [_state(row) for row in rows], next_cursor

    async def stream(self, shopper: Shopper, avatar_id: UUID, *, last_revision: int) -> AsyncIterator[bytes]:
        """Events in the text/event-stream format: the state now, then each change, until it is final.

        An event whose revision the client has seen (`last_revision`) is not sent again.
        """
        with self.events.watch(avatar_id) as changed:
            yield b"retry: 2000\n\n"
            while not self.events.stopping:
                try:
                    row = await self._get_row(shopper, avatar_id)
                except NotFound:
                    return
                if row["revision"] > last_revision:
                    last_revision = row["revision"]
                    yield format_event(name="avatar", identifier=last_revision, data=_state(row).model_dump_json())
                if AvatarStatus(row["status"]) in TERMINAL_STATUSES:
                    return
                # Looks again even so: an announcement can be lost with the connection that should have brought it.
                if not await wait(changed, timeout_s=HEARTBEAT_S):
                    yield b": still here\n\n"

    async def has_news(self, shopper: Shopper, avatar_id: UUID, *, last_revision: int) -> bool:
        """False when the client has seen the final state, so that it stops asking."""
        row = await self._get_row(shopper, avatar_id)
        return AvatarStatus(row["status"]) not in TERMINAL_STATUSES or row["revision"] > last_revision

    async def _insert(self, shopper: Shopper, request: CreateAvatar, idempotency_key: str | None) -> UUID:
        avatar_id, now = uuid4(), self.clock()
        async with self.database.transaction(shopper.actor) as connection:
            if shopper.brand_id is None:
                await upsert_signed_in_shopper(connection, user_id=shopper.user_id, email=shopper.email, now=now)
            elif not await store.shopper_exists(connection, shopper.user_id):
                raise NotAuthenticated("The token is not valid.")
            if idempotency_key is not None:
                first = await store.claim_idempotency_key(
                    connection,
                    user_id=shopper.user_id,
                    operation=CREATE_OPERATION,
                    key=idempotency_key,
                    digest=hashlib.sha256(request.model_dump_json().encode()).digest(),
                    resource_id=avatar_id,
                    now=now,
                )
                if first is not None:
                    return _replayed(first, request)
            await store.insert_avatar(
                connection,
                avatar_id=avatar_id,
                user_id=shopper.user_id,
                brand_id=shopper.brand_id,
                facts=request.facts(),
                photos=request.photos,
                now=now,
            )
            await store.insert_consent(
                connection,
                user_id=shopper.user_id,
                avatar_id=avatar_id,
                text_version=request.consent.text_version,
                purposes=request.consent.purposes,
                now=now,
            )
        return avatar_id

    async def _get_row(self, shopper: Shopper, avatar_id: UUID) -> Row:
        async with self.database.transaction(shopper.actor) as connection:
            return await _fetch(connection, avatar_id)

    async def _sign_photo(self, avatar_id: UUID, view: PhotoView) -> PhotoUpload | None:
        signed = await self.storage.sign_upload(photo_object(avatar_id, view))
        if signed is None:
            return None
        headers = {"Content-Type": "image/jpeg"}
        return PhotoUpload(url=signed.url, headers=headers, expires_at=signed.expires_at)

    async def _check_photos(self, avatar: Row) -> None:
        missing = []
        for view in avatar["photos"]:
            size_bytes = await self.storage.size_bytes(photo_object(avatar["id"], view))
            if size_bytes is None:
                missing.append(view)
            elif not 0 < size_bytes <= MAX_PHOTO_BYTES:
                raise PhotoUnusable(
                    f"The {view} photo has {size_bytes} bytes; 1 to {MAX_PHOTO_BYTES} are accepted.", photo=view
                )
        if missing:
            raise PhotosMissing(f"Not uploaded yet: {', '.join(missing)}.", missing=missing)

    async def _view(self, row: Row) -> AvatarView:
        return AvatarView(
            **_state(row).model_dump(),
            created_at=row["created_at"],
            photos=row["photos"],
            measurements=row["measurements"],
            warnings=[AvatarWarning.model_validate(each) for each in row["warnings"]],
            glb_url=await self._sign_file(row["glb_url"]),
            preview_url=await self._sign_file(row["preview_url"]),
            photos_deleted_at=row["photos_deleted_at"],
        )

    async def _sign_file(self, key: str | None) -> str | None:
        if key is None:
            return None
        folder, _, name = key.partition("/")
        place: StoredObject = avatar_object(UUID(folder), name)
        return await self.download_urls.get(place)


async def _fetch(connection: Connection, avatar_id: UUID) -> Row:
    row = await store.get_avatar(connection, avatar_id)
    if row is None:
        raise NotFound(NO_SUCH_AVATAR)
    return row


def _replayed(first: Row, request: CreateAvatar) -> UUID:
    if bytes(first["request_digest"]) != hashlib.sha256(request.model_dump_json().encode()).digest():
        raise IdempotencyKeyReused("This Idempotency-Key was used for a different request.")
    avatar_id: UUID = first["resource_id"]
    return avatar_id


def _state(row: Row) -> AvatarState:
    ready = row["status"] == AvatarStatus.READY
    failure = row["failure_reason"]
    return AvatarState(
        id=row["id"],
        status=row["status"],
        progress=Progress(stage=row["progress_stage"], percent=100 if ready else row["progress_percent"] or 0),
        failure=Failure(reason=failure, advice=row["failure_advice"]) if failure else None,
    )
