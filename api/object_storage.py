"""The one place that speaks to Supabase Storage; photo and avatar bytes themselves go round the API."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import httpx
from storage3.exceptions import StorageApiError
from storage3.types import CreateSignedUploadUrlOptions
from storage3.utils import StorageException
from supabase import AsyncClient, AsyncClientOptions

from api.clock import Clock

UPLOAD_URL_TTL_S = 7200
"""How long Supabase honours a signed upload URL; it cannot be chosen."""

# Storage answers nearly every error with HTTP 400 and the real code, as a string, in the body.
MISSING_STATUS = "404"
DUPLICATE_STATUS = "409"
LIST_PAGE = 100
TIMEOUT_S = 20.0
MOST_KEPT_URLS = 10_000


class StorageUnavailable(Exception):
    """Storage gave no usable answer."""


class Bucket(StrEnum):
    """The buckets of the migrations."""

    PHOTOS = "photos"
    AVATARS = "avatars"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Where one object lies. The key is made of our own ids and names, never of what a client sent."""

    bucket: Bucket
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, text: str) -> "StoredObject":
        """The inverse of `str`."""
        bucket, _, key = text.partition("/")
        return cls(Bucket(bucket), key)


def avatar_object(avatar_id: UUID, name: str) -> StoredObject:
    """Where a file of an avatar lies."""
    return StoredObject(Bucket.AVATARS, f"{avatar_id}/{name}")


def photo_object(avatar_id: UUID, view: str) -> StoredObject:
    """Where a photo lies while its job runs."""
    return StoredObject(Bucket.PHOTOS, f"{avatar_id}/{view}")


@dataclass(frozen=True, slots=True)
class UploadUrl:
    """A signed URL for one PUT of one object."""

    url: str
    expires_at: datetime


class ObjectStorage:
    """A client with the service's key. Every method raises `StorageUnavailable` when there is no usable answer."""

    def __init__(self, client: AsyncClient, clock: Clock) -> None:
        self._storage = client.storage
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def connect(cls, *, url: str, key: str, clock: Clock) -> AsyncIterator["ObjectStorage"]:
        """A client whose connections are closed at the end of the block."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as http:
            client = AsyncClient(url.rstrip("/"), key, AsyncClientOptions(httpx_client=http))
            yield cls(client, clock)

    async def sign_upload(self, place: StoredObject) -> UploadUrl | None:
        """A URL for storing one object once; None when it is there already."""
        try:
            return await self._sign_upload(place, None)
        except _AlreadyThere:
            return None

    async def sign_overwriting_upload(self, place: StoredObject) -> UploadUrl:
        """A URL that also replaces what is there, so that work done twice leaves one result."""
        return await self._sign_upload(place, CreateSignedUploadUrlOptions(upsert="true"))

    async def _sign_upload(self, place: StoredObject, options: CreateSignedUploadUrlOptions | None) -> UploadUrl:
        expires_at = self._clock() + timedelta(seconds=UPLOAD_URL_TTL_S)
        async with _answering():
            signed = await self._storage.from_(place.bucket).create_signed_upload_url(place.key, options)
        return UploadUrl(signed["signed_url"], expires_at)

    async def sign_download(self, place: StoredObject, *, ttl_s: int) -> str | None:
        """A URL for reading one object for a while; None when there is no such object."""
        try:
            async with _answering():
                signed = await self._storage.from_(place.bucket).create_signed_url(place.key, ttl_s)
        except _Missing:
            return None
        return signed["signedURL"]

    async def size_bytes(self, place: StoredObject) -> int | None:
        """How large the object is; None when there is no such object."""
        try:
            async with _answering():
                info = await self._storage.from_(place.bucket).info(place.key)
        except _Missing:
            return None
        return int(info["size"])

    async def read(self, place: StoredObject) -> bytes | None:
        """The object's bytes; None when there is no such object."""
        try:
            async with _answering():
                return await self._storage.from_(place.bucket).download(place.key)
        except _Missing:
            return None

    async def list_folder(self, bucket: Bucket, folder: str) -> list[StoredObject]:
        """Every object directly in a folder."""
        return [StoredObject(bucket, f"{folder}/{name}") for name in await self.names_in(bucket, folder)]

    async def names_in(self, bucket: Bucket, folder: str) -> list[str]:
        """Names of the objects and folders directly in a folder ("" for the top of the bucket)."""
        names: list[str] = []
        while True:
            async with _answering():
                page = await self._storage.from_(bucket).list(folder, {"limit": LIST_PAGE, "offset": len(names)})
            names += [entry["name"] for entry in page]
            if len(page) < LIST_PAGE:
                return names

    async def remove(self, places: Iterable[StoredObject]) -> None:
        """Delete objects; those already gone are no fault.

        Storage answers 200 with an empty list when a policy forbids, so what was asked for is looked up afterwards.
        Raises `StorageUnavailable` when one of them is still there.
        """
        by_bucket: dict[Bucket, list[str]] = {}
        for place in places:
            by_bucket.setdefault(place.bucket, []).append(place.key)
        for bucket, keys in by_bucket.items():
            async with _answering():
                removed = await self._storage.from_(bucket).remove(keys)
            for key in set(keys) - {entry["name"] for entry in removed}:
                if await self.size_bytes(StoredObject(bucket, key)) is not None:
                    raise StorageUnavailable("an object could not be removed")

    async def check(self) -> None:
        """Raises `StorageUnavailable` unless the avatars bucket answers."""
        async with _answering():
            await self._storage.get_bucket(Bucket.AVATARS)


class DownloadUrls:
    """Signed URLs for shoppers, each given out again until half its life is over: signing is a call to storage."""

    def __init__(self, storage: ObjectStorage, clock: Clock, *, ttl_s: int) -> None:
        self._storage = storage
        self._clock = clock
        self._ttl_s = ttl_s
        self._kept: OrderedDict[StoredObject, tuple[str, datetime]] = OrderedDict()

    async def get(self, place: StoredObject) -> str | None:
        """A URL good for at least half the time to live; None when there is no such object."""
        now = self._clock()
        url, good_until = self._kept.get(place, ("", now))
        if good_until > now:
            return url
        signed = await self._storage.sign_download(place, ttl_s=self._ttl_s)
        if signed is not None:
            self._kept[place] = (signed, now + timedelta(seconds=self._ttl_s / 2))
            self._kept.move_to_end(place)
            while len(self._kept) > MOST_KEPT_URLS:
                self._kept.popitem(last=False)
        return signed


class _Missing(StorageUnavailable):
    """Storage says that the object does not exist; where an object was not asked for, that its bucket does not."""


class _AlreadyThere(StorageUnavailable):
    """Storage says that the object exists."""


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except StorageApiError as error:
        if str(error.status) == MISSING_STATUS:
            raise _Missing("there is no such object or bucket") from None
        if str(error.status) == DUPLICATE_STATUS:
            raise _AlreadyThere("there is such an object") from None
        # The message is left out: it may quote a signed URL.
        raise StorageUnavailable(f"storage answered {error.status} {error.code}") from None
    except (StorageException, httpx.HTTPError, ValueError, KeyError) as error:
        raise StorageUnavailable(type(error).__name__) from None
