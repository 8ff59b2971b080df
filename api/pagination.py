"""Cursors: where a list goes on after a page, whatever was added meanwhile."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last item of a page; lists run by (created_at, id), newest first."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """An opaque text for the client."""
        return base64.urlsafe_b64encode(f"{self.created_at.isoformat()}|{self.id}".encode()).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """The inverse of `Cursor.encode`. Raises ValueError for anything else."""
    try:
        moment, _, identifier = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("|")
        cursor = Cursor(datetime.fromisoformat(moment), UUID(identifier))
    except (binascii.Error, UnicodeError, ValueError):
        raise ValueError("is not a cursor of ours") from None
    if cursor.created_at.tzinfo is None:
        raise ValueError("is not a cursor of ours")
    return cursor
