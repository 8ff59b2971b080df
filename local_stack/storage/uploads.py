"""Reads an upload as it comes, raw or as a form, and checks it against its bucket's limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from local_stack.storage.errors import entity_too_large, invalid_mime_type, invalid_request

# What a project allows at most unless its bucket says less: the default of Supabase's free plan.
PROJECT_LIMIT_BYTES = 50 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
# The rest of a form around its file: boundaries, headers and small fields.
_FORM_OVERHEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Upload:
    """One upload under way: a media type, which is the client's word only, and a stream of bytes."""

    mime_type: str
    cache_control: str
    chunks: AsyncIterator[bytes]
    limit_bytes: int


@asynccontextmanager
async def read_upload(request: Request, bucket: dict[str, Any]) -> AsyncIterator[Upload]:
    """Open the upload in a request.

    Raises:
        StorageError: 413 when the announced length is over the limit, 415 when the bucket does not take the type.
    """
    limit_bytes = min(bucket["file_size_limit"] or PROJECT_LIMIT_BYTES, PROJECT_LIMIT_BYTES)
    announced_bytes = int(request.headers.get("content-length", "0"))
    content_type = request.headers.get("content-type", "application/octet-stream")
    if not content_type.startswith("multipart/form-data"):
        if announced_bytes > limit_bytes:
            raise entity_too_large()
        mime_type = _checked_mime_type(content_type, bucket["allowed_mime_types"])
        yield Upload(mime_type, request.headers.get("cache-control", "no-cache"), request.stream(), limit_bytes)
        return
    if announced_bytes > limit_bytes + _FORM_OVERHEAD_BYTES:
        raise entity_too_large()
    async with request.form(max_files=1, max_fields=10) as form:
        file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
        if file is None:
            raise invalid_request("No file provided")
        mime_type = _checked_mime_type(file.content_type or "application/octet-stream", bucket["allowed_mime_types"])
        seconds = form.get("cacheControl")
        cache_control = f"max-age={seconds}" if isinstance(seconds, str) and seconds.isdigit() else "no-cache"
        yield Upload(mime_type, cache_control, _chunks_of(file), limit_bytes)


def _checked_mime_type(content_type: str, allowed: list[str] | None) -> str:
    mime_type = content_type.partition(";")[0].strip().lower()
    patterns = allowed or ["*/*"]
    family = mime_type.partition("/")[0]
    if mime_type in patterns or f"{family}/*" in patterns or "*/*" in patterns:
        return mime_type
    raise invalid_mime_type(mime_type)


async def _chunks_of(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK_BYTES):
        yield chunk
