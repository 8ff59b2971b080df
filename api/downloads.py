"""Files that the API itself hands out."""

from collections.abc import Iterator
from typing import IO, Any

from fastapi.responses import StreamingResponse

CHUNK_BYTES = 64 * 1024


def zip_download(archive: IO[bytes], filename: str) -> StreamingResponse:
    """A download of an open zip, which is closed at its end. `filename` is made of our own ids and names."""
    return StreamingResponse(
        _chunks(archive),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"},
    )


def documented_zip(description: str, filename: str) -> dict[str, Any]:
    """The answer of `zip_download` in OpenAPI; `filename` is an example."""
    return {
        "description": description,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            "Content-Disposition": {
                "description": "Names the file.",
                "schema": {"type": "string"},
                "example": f'attachment; filename="{filename}"',
            }
        },
    }


def _chunks(archive: IO[bytes]) -> Iterator[bytes]:
    with archive:
        while chunk := archive.read(CHUNK_BYTES):
            yield chunk
