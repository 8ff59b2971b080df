"""Reads the JSON that requests of the storage API carry, and writes its answers."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from local_stack.storage.errors import invalid_request
from local_stack.storage.objects import StoredFile

# What a browser would run is served as plain text, as the hosted service does.
_RUNNABLE = ("text/html", "application/xhtml+xml", "image/svg+xml")


async def read_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request; none counts as an empty one.

    Raises:
        StorageError: 400 when it is no JSON or no object.
    """
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise invalid_request("Body is not valid JSON") from error
    if not isinstance(body, dict):
        raise invalid_request("body must be object")
    return body


def required_text(body: dict[str, Any], name: str) -> str:
    """Return a text that must be there.

    Raises:
        StorageError: 400 when it is missing, empty or no text.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_request(f"body must have required property '{name}'")
    return value


def count(body: dict[str, Any], name: str, default: int) -> int:
    """Return a whole number from 0 up.

    Raises:
        StorageError: 400 when it is anything else.
    """
    value = body.get(name, default)
    if not isinstance(value, int) or value < 0:
        raise invalid_request(f"body/{name} must be integer")
    return value


def json_answer(content: Any) -> Response:
    """Return an answer in JSON; ids and times become text."""
    return Response(json.dumps(content, default=_encode), media_type="application/json")


def shown_bucket(row: dict[str, Any]) -> dict[str, Any]:
    """Return a bucket's row as it is shown."""
    # Supabase's client insists on a string, and a bucket made by a migration belongs to nobody.
    return {**row, "owner": row["owner"] or "", "owner_id": row["owner_id"] or ""}


def file_answer(request: Request, file: StoredFile) -> Response:
    """Return an object's bytes, or the range of them that was asked for."""
    metadata = file.row["metadata"]
    mime_type = "text/plain" if metadata["mimetype"] in _RUNNABLE else metadata["mimetype"]
    name = request.query_params.get("download")
    response = FileResponse(
        file.path,
        media_type=mime_type,
        headers={
            "etag": metadata["eTag"],
            "cache-control": metadata["cacheControl"],
            "x-content-type-options": "nosniff",
        },
        filename=None if name is None else name or file.row["name"].rpartition("/")[2],
    )
    return response


def _encode(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
