"""Carries photos in and files out by signed URLs, and progress to the control plane."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
from pydantic import HttpUrl, TypeAdapter, ValidationError

from gpu_worker.rejections import PhotoRejected
from shared.jobs import (
    MAX_PHOTO_BYTES,
    OUTPUT_CONTENT_TYPES,
    AvatarReady,
    AvatarRefused,
    AvatarResult,
    OutputFile,
    ProgressAnswer,
    ProgressReport,
    SignedUpload,
    Verdict,
)
from shared.rejections import RejectionReason

ATTEMPTS = 4
FIRST_PAUSE_S = 0.5

RESULT: TypeAdapter[AvatarReady | AvatarRefused] = TypeAdapter(AvatarResult)
Value = TypeVar("Value")

logger = logging.getLogger(__name__)


class DeliveryFailed(Exception):
    """Storage refused a signed URL or did not answer. The message names no URL."""


class Delivery:
    """All that a job does over the network. Transport errors and 5xx answers are tried again, with growing pauses."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def fetch_photo(self, url: HttpUrl) -> bytes:
        """The photo's bytes. Raises `PhotoRejected` when it is too large and `DeliveryFailed`."""
        return await self._persistently(lambda: self._download(url, limit_bytes=MAX_PHOTO_BYTES))

    async def fetch_result(self, url: HttpUrl) -> AvatarReady | AvatarRefused:
        """What another run of the same job left in storage. Raises `DeliveryFailed`."""
        content = await self._persistently(lambda: self._download(url, limit_bytes=MAX_PHOTO_BYTES))
        try:
            return RESULT.validate_json(content)
        except ValidationError as error:
            raise DeliveryFailed("the stored result is unreadable") from error

    async def store(self, file: OutputFile, content: bytes, upload: SignedUpload) -> None:
        """Write one file, over what is there. Raises `DeliveryFailed`."""

        async def put() -> None:
            headers = {**upload.headers, "Content-Type": OUTPUT_CONTENT_TYPES[file]}
            response = await self._client.request(upload.method, str(upload.url), content=content, headers=headers)
            _check(response)

        await self._persistently(put)

    async def report(self, url: HttpUrl, report: ProgressReport) -> ProgressAnswer:
        """Tell the control plane how far the job is, and hear whether to go on.

        Progress is worth one try and no more: the job is not held up by a control plane that is away.
        """
        try:
            response = await self._client.post(str(url), json=report.model_dump(mode="json"))
        except httpx.HTTPError as error:
            logger.warning("progress was not heard: %s", type(error).__name__)
            return ProgressAnswer(verdict=Verdict.CONTINUE)
        if response.status_code == httpx.codes.NOT_FOUND:
            return ProgressAnswer(verdict=Verdict.STOP)
        try:
            return ProgressAnswer.model_validate_json(response.content)
        except ValidationError:
            logger.warning("progress was answered with %d", response.status_code)
            return ProgressAnswer(verdict=Verdict.CONTINUE)

    async def _download(self, url: HttpUrl, *, limit_bytes: int) -> bytes:
        # Counted while it comes: an upload without a length is not held to storage's limit.
        content = bytearray()
        async with self._client.stream("GET", str(url)) as response:
            _check(response)
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > limit_bytes:
                    raise PhotoRejected(RejectionReason.IMAGE_TOO_LARGE)
        return bytes(content)

    async def _persistently(self, request: Callable[[], Awaitable[Value]]) -> Value:
        for attempt in range(ATTEMPTS):
            try:
                return await request()
            except (httpx.TransportError, _Unavailable) as error:
                if attempt == ATTEMPTS - 1:
                    raise DeliveryFailed(f"no answer after {ATTEMPTS} tries: {type(error).__name__}") from None
                await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)
        raise AssertionError("unreachable")


class _Unavailable(Exception):
    """The answer says that a later try may succeed."""


def _check(response: httpx.Response) -> None:
    if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise _Unavailable
    if response.status_code != httpx.codes.OK:
        raise DeliveryFailed(f"storage answered {response.status_code}")
