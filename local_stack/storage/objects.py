"""What the local storage server does with objects: rows and bytes kept in step, whatever is interrupted."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_stack.storage.catalog import Catalog, NewObject, Row
from local_stack.storage.errors import invalid_key, no_such_key
from local_stack.storage.files import FileStore
from local_stack.storage.tokens import Caller
from local_stack.storage.uploads import Upload

# The characters that Supabase takes in an object key.
_VALID_KEY = re.compile(r"[\w/!\-.*'() &$@=;:+,?]{1,1024}", re.ASCII)


def check_key(key: str) -> str:
    """Return the key.

    Raises:
        StorageError: it is empty, too long, has other characters than Supabase takes or an empty part.
    """
    if not _VALID_KEY.fullmatch(key) or not all(part.strip(".") for part in key.split("/")):
        raise invalid_key(key)
    return key


@dataclass(frozen=True)
class StoredFile:
    """An object that may be served."""

    row: Row
    path: Path


class Objects:
    """Objects in buckets. A file is written before its row and removed after it, so no row is without its bytes."""

    def __init__(self, catalog: Catalog, files: FileStore) -> None:
        self._catalog = catalog
        self._files = files

    async def put(self, bucket: str, key: str, upload: Upload, *, overwrite: bool, caller: Caller) -> Row:
        """Store an upload and return its row.

        Raises:
            StorageError: 409 when it exists and `overwrite` is false, 413 too large, 403 a policy forbids it.
        """
        check_key(key)
        written = await self._files.write(upload.chunks, upload.limit_bytes)
        modified = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        metadata: dict[str, Any] = {
            "eTag": written.etag,
            "size": written.size_bytes,
            "mimetype": upload.mime_type,
            "cacheControl": upload.cache_control,
            "lastModified": modified,
            "contentLength": written.size_bytes,
            "httpStatusCode": 200,
        }
        recorded = False
        try:
            row, replaced = await self._catalog.put(
                NewObject(bucket, key, written.version, metadata), overwrite=overwrite, caller=caller
            )
            recorded = True
        finally:
            if not recorded:
                self._files.remove(written.version)
        if replaced is not None:
            self._files.remove(replaced)
        return row

    async def get(self, bucket: str, key: str, caller: Caller) -> StoredFile:
        """Return an object.

        Raises:
            StorageError: 404 when there is none that the caller may see.
        """
        row = await self._catalog.find(bucket, key, caller)
        path = self._files.path(row["version"]) if row else None
        if row is None or path is None or not path.exists():
            raise no_such_key()
        return StoredFile(row, path)

    async def move(self, bucket: str, source: str, target: str, caller: Caller) -> None:
        """Give an object another key in its bucket.

        Raises:
            StorageError: 404 when there is none, 409 when the other key is taken.
        """
        if await self._catalog.move(bucket, source, check_key(target), caller) is None:
            raise no_such_key()

    async def remove(self, bucket: str, keys: list[str], caller: Caller) -> list[Row]:
        """Remove objects and return the rows of those that were there and that the caller might remove."""
        rows = await self._catalog.delete(bucket, keys, caller)
        for row in rows:
            self._files.remove(row["version"])
        return rows

    async def list_folder(self, bucket: str, folder: str, caller: Caller) -> list[Row]:
        """Return what lies directly in a folder ("" is the top), by name; a folder in it has no id."""
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        entries: dict[str, Row] = {}
        for row in await self._catalog.under(bucket, prefix, caller):
            name, _, below = row["name"][len(prefix) :].partition("/")
            if below:
                empty = dict.fromkeys(("id", "updated_at", "created_at", "last_accessed_at", "metadata"))
                entries.setdefault(name, {"name": name, **empty})
            else:
                kept = ("id", "updated_at", "created_at", "last_accessed_at", "metadata")
                entries[name] = {"name": name, **{column: row[column] for column in kept}}
        return list(entries.values())

    async def clear_leftovers(self) -> int:
        """Remove files that a crash left without a row, and return how many."""
        return self._files.remove_all_but(await self._catalog.versions())
