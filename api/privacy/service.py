"""Deleting what we hold of a shopper, proving it, and handing it out."""

import asyncio
import json
import logging
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import IO
from uuid import UUID

from api.authentication import Shopper, digest
from api.avatars.jobs import Job
from api.clock import Clock
from api.database import SYSTEM, Actor, Connection, Database
from api.gpu_queue import GpuQueue, QueueUnavailable, RunState
from api.object_storage import (
    Bucket,
    ObjectStorage,
    StorageUnavailable,
    StoredObject,
    avatar_object,
    photo_object,
)
from api.privacy import store
from api.privacy.store import Deletion, Requester
from api.problems import NotFound
from shared.jobs import OutputFile, PhotoView

FIRST_TRY = timedelta(seconds=60)
LAST_WRITES = timedelta(seconds=60)
"""After a run is cancelled, how long its worker may go on writing: until its next report, and an upload under way."""
"""How long the sweeper leaves a new deletion to whoever asked for it."""
LONGEST_PAUSE = timedelta(hours=1)
IDEMPOTENCY_KEY_LIFE = timedelta(hours=24)
BATCH = 50
EXPORT_IN_MEMORY_BYTES = 16 * 1024 * 1024
RUNNING_STATES = frozenset({RunState.IN_QUEUE, RunState.IN_PROGRESS, RunState.RUNNING})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Privacy:
    """Deletion in two steps, so that none is lost: rows and a tombstone in one transaction, then objects and runs."""

    database: Database
    storage: ObjectStorage
    queue: GpuQueue
    clock: Clock
    photo_max_age: timedelta

    async def delete_avatar(self, shopper: Shopper, avatar_id: UUID) -> None:
        """The row, its job and its objects. Raises `NotFound`; what cannot be removed now is removed later."""
        deletion = await self._delete_avatar_row(shopper.actor, avatar_id, requested_by="shopper")
        if deletion is None:
            raise NotFound("There is no such avatar.")
        await self.finish(deletion)

    async def delete_shopper(self, shopper: Shopper) -> None:
        """Everything of a shopper. Raises `NotFound` when there is nothing of them."""
        now = self.clock()
        async with self.database.transaction(shopper.actor) as connection:
            runs: list[str] = []
            objects: list[str] = []
            for avatar_id in await store.avatar_ids_of(connection, shopper.user_id):
                row = await store.delete_avatar(connection, avatar_id, now=now)
                if row is not None:
                    runs += [row["runpod_id"]] if row["runpod_id"] else []
                    objects += _every_object_of(avatar_id)
            if not await store.delete_shopper(connection, shopper.user_id):
                raise NotFound("There is nothing of this shopper.")
            deletion = await store.insert_deletion(
                connection,
                subject="shopper",
                subject_digest=digest(str(shopper.user_id)),
                brand_id=shopper.brand_id,
                requested_by="shopper",
                objects=objects,
                runpod_ids=runs,
                now=now,
                next_attempt_at=now + FIRST_TRY,
            )
        await self.finish(deletion)

    async def remove_photos(self, job: Job) -> bool:
        """Whether the photos of a job that is about to end are gone from storage."""
        try:
            await self.storage.remove(photo_object(job.avatar_id, view) for view in job.photos)
        except StorageUnavailable as error:
            logger.warning("photos wait for storage", extra={"fields": {"job": job.id, "error": str(error)}})
            return False
        return True

    async def record_photo_deletion(self, connection: Connection, job: Job, *, removed: bool) -> None:
        """In the transaction that ends a job: that its photos are gone or, unless `removed`, are to go."""
        if not job.photos:
            return
        now = self.clock()
        await store.insert_deletion(
            connection,
            subject="photos",
            subject_digest=digest(str(job.avatar_id)),
            brand_id=job.brand_id,
            requested_by="completion",
            objects=[] if removed else [str(photo_object(job.avatar_id, view)) for view in job.photos],
            runpod_ids=[],
            now=now,
            next_attempt_at=now,
            completed_at=now if removed else None,
        )
        if removed:
            await store.mark_photos_deleted(connection, [job.avatar_id], now=now)

    async def record_output_deletion(self, connection: Connection, job: Job) -> None:
        """In the transaction that gives a job up: that whatever its runs left in storage is to go."""
        now = self.clock()
        await store.insert_deletion(
            connection,
            subject="measurements",
            subject_digest=digest(str(job.avatar_id)),
            brand_id=job.brand_id,
            requested_by="completion",
            objects=[str(avatar_object(job.avatar_id, file)) for file in OutputFile],
            runpod_ids=[job.runpod_id] if job.runpod_id else [],
            now=now,
            next_attempt_at=now + LAST_WRITES,
        )

    async def finish(self, deletion: Deletion) -> None:
        """Remove what is left of a deletion; a failure leaves it to the sweeper."""
        try:
            stopped = await self._stop_runs(deletion.runpod_ids_left)
            places = [StoredObject.parse(text) for text in deletion.objects_left]
            await self.storage.remove(places)
        except (StorageUnavailable, QueueUnavailable, _StillRunning) as error:
            logger.warning(
                "deletion is not finished", extra={"fields": {"deletion": deletion.id, "error": type(error).__name__}}
            )
            await self._postpone(deletion)
            return
        if stopped:
            # RunPod says "cancelled" before the worker knows: remove once more what it wrote until then.
            async with self.database.transaction(SYSTEM) as connection:
                again_at = self.clock() + LAST_WRITES
                await store.postpone_deletion(connection, deletion.id, next_attempt_at=again_at)
            return
        async with self.database.transaction(SYSTEM) as connection:
            now = self.clock()
            await store.complete_deletion(connection, deletion.id, now=now)
            await store.mark_photos_deleted(connection, _avatars_with_photos(places), now=now)

    async def finish_due(self) -> None:
        """Finish the deletions that nobody finished."""
        now = self.clock()
        async with self.database.transaction(SYSTEM) as connection:
            due = await store.claim_due_deletions(connection, now=now, next_attempt_at=now + FIRST_TRY, limit=BATCH)
        for deletion in due:
            await self.finish(deletion)

    async def sweep(self) -> None:
        """Delete avatars never started, photos that no running job needs, and what else has had its time."""
        async with self.database.transaction(SYSTEM) as connection:
            await store.forget_idempotency_keys(connection, older_than=self.clock() - IDEMPOTENCY_KEY_LIFE)
        while await self._sweep_abandoned() == BATCH:
            pass
        await self._sweep_photos()

    async def export(self, shopper: Shopper, avatar_id: UUID | None) -> IO[bytes]:
        """A zip of every row and object held of the shopper, or of one avatar. Raises `NotFound`."""
        async with self.database.transaction(shopper.actor) as connection:
            tables = await store.export_rows(connection, user_id=shopper.user_id, avatar_id=avatar_id)
        if not tables["avatars" if avatar_id else "shopper"]:
            raise NotFound("There is no such avatar." if avatar_id else "There is nothing of this shopper.")
        # A zip is written with seeks back; on disk when it is large.
        archive: IO[bytes] = SpooledTemporaryFile(EXPORT_IN_MEMORY_BYTES)  # noqa: SIM115
        try:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
                for name, rows in tables.items():
                    bundle.writestr(f"{name}.json", json.dumps(rows, default=str, indent=2))
                for avatar in tables["avatars"]:
                    await self._add_files(bundle, avatar["id"])
            archive.seek(0)
        except BaseException:
            archive.close()
            raise
        return archive

    async def _add_files(self, bundle: zipfile.ZipFile, avatar_id: UUID) -> None:
        for bucket in Bucket:
            for place in await self.storage.list_folder(bucket, str(avatar_id)):
                content = await self.storage.read(place)
                if content is not None:
                    await asyncio.to_thread(bundle.writestr, str(place), content)

    async def _delete_avatar_row(self, actor: Actor, avatar_id: UUID, *, requested_by: Requester) -> Deletion | None:
        now = self.clock()
        async with self.database.transaction(actor) as connection:
            row = await store.delete_avatar(connection, avatar_id, now=now)
            if row is None:
                return None
            return await store.insert_deletion(
                connection,
                subject="avatar",
                subject_digest=digest(str(avatar_id)),
                brand_id=row["brand_id"],
                requested_by=requested_by,
                objects=_every_object_of(avatar_id),
                runpod_ids=[row["runpod_id"]] if row["runpod_id"] else [],
                now=now,
                next_attempt_at=now + FIRST_TRY,
            )

    async def _stop_runs(self, run_ids: Iterable[str]) -> bool:
        """Cancel the runs; whether one was under way. Raises `_StillRunning` while RunPod has not ended it."""
        stopped = False
        for run_id in run_ids:
            run = await self.queue.status(run_id)
            if run is None or run.state not in RUNNING_STATES:
                continue
            await self.queue.cancel(run_id)
            run = await self.queue.status(run_id)
            if run is not None and run.state in RUNNING_STATES:
                raise _StillRunning
            stopped = True
        return stopped

    async def _postpone(self, deletion: Deletion) -> None:
        pause = min(timedelta(seconds=5) * 2 ** min(deletion.attempts, 10), LONGEST_PAUSE)
        async with self.database.transaction(SYSTEM) as connection:
            await store.postpone_deletion(connection, deletion.id, next_attempt_at=self.clock() + pause)

    async def _sweep_abandoned(self) -> int:
        horizon = self.clock() - self.photo_max_age
        async with self.database.transaction(SYSTEM) as connection:
            abandoned = await store.abandoned_avatars(connection, older_than=horizon, limit=BATCH)
        for avatar_id in abandoned:
            deletion = await self._delete_avatar_row(SYSTEM, avatar_id, requested_by="retention")
            if deletion is not None:
                await self.finish(deletion)
        return len(abandoned)

    async def _sweep_photos(self) -> None:
        avatar_ids = []
        for name in await self.storage.names_in(Bucket.PHOTOS, ""):
            try:
                avatar_ids.append(UUID(name))
            except ValueError:
                # Supabase's dashboard puts placeholders beside folders; one must not end the sweep of the photos.
                logger.warning("the photos bucket holds something that is not a photo of ours")
        now = self.clock()
        async with self.database.transaction(SYSTEM) as connection:
            needed = await store.live_photo_folders(connection, avatar_ids, younger_than=now - self.photo_max_age)
        for avatar_id in set(avatar_ids) - needed:
            places = await self.storage.list_folder(Bucket.PHOTOS, str(avatar_id))
            if not places:
                continue
            async with self.database.transaction(SYSTEM) as connection:
                deletion = await store.insert_deletion(
                    connection,
                    subject="photos",
                    subject_digest=digest(str(avatar_id)),
                    brand_id=None,
                    requested_by="retention",
                    objects=[str(place) for place in places],
                    runpod_ids=[],
                    now=now,
                    next_attempt_at=now + FIRST_TRY,
                )
            await self.finish(deletion)


class _StillRunning(Exception):
    """A cancelled run has not stopped yet."""


def _every_object_of(avatar_id: UUID) -> list[str]:
    photos = [photo_object(avatar_id, view) for view in PhotoView]
    return [str(place) for place in (*photos, *(avatar_object(avatar_id, file) for file in OutputFile))]


def _avatars_with_photos(places: Iterable[StoredObject]) -> list[UUID]:
    folders = {place.key.partition("/")[0] for place in places if place.bucket is Bucket.PHOTOS}
    return [UUID(folder) for folder in folders]
