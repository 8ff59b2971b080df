"""Files that the API itself hands out."""

from collections.abc import Iterator
from typing import IO

from fastapi.responses import StreamingResponse

CHUNK_BYTES = 64 * 1024


def zip_download(archive: IO[bytes], filename: str) -> StreamingResponse:
    """A download of an open zip, which is closed at its end. `filename` is made of our own ids and names."""
    return StreamingResponse(
        _chunks(archive),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"},
    )


def _chunks(archive: IO[bytes]) -> Iterator[bytes]:
    with archive:
        while chunk := archive.read(CHUNK_BYTES):
            yield chunk
