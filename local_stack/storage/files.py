"""Keeps the bytes of objects on disk: whole or not at all, under names of our own making."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from uuid import uuid4

from local_stack.storage.errors import entity_too_large


@dataclass(frozen=True)
class WrittenFile:
    """A file on disk that no row points at yet."""

    version: str
    size_bytes: int
    etag: str


class FileStore:
    """A directory of files named by random versions; what a client calls an object never becomes a path."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)

    def path(self, version: str) -> Path:
        """Where a version's bytes lie."""
        return self._directory / version[:2] / version

    async def write(self, chunks: AsyncIterator[bytes], limit_bytes: int) -> WrittenFile:
        """Write a stream to disk and make it durable before it gets its name.

        Raises:
            StorageError: 413 once the stream is longer than the limit. (The hosted service checks only the announced
                length, so a chunked upload escapes the limit there; nothing may rely on it being checked here.)
        """
        version = str(uuid4())
        incoming = self._incoming / version
        size_bytes = 0
        digest = md5(usedforsecurity=False)
        try:
            with incoming.open("xb") as file:
                async for chunk in chunks:
                    size_bytes += len(chunk)
                    if size_bytes > limit_bytes:
                        raise entity_too_large()
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            target = self.path(version)
            target.parent.mkdir(exist_ok=True)
            incoming.rename(target)
        finally:
            incoming.unlink(missing_ok=True)
        return WrittenFile(version, size_bytes, f'"{digest.hexdigest()}"')

    def remove(self, version: str) -> None:
        """Remove a version's bytes; once gone, again is no fault."""
        self.path(version).unlink(missing_ok=True)

    def remove_all_but(self, versions: set[str]) -> int:
        """Remove what a crash left behind, unfinished or without a row, and return how many files that were."""
        removed = 0
        for file in [*self._incoming.iterdir(), *self._directory.glob("??/*")]:
            if file.name not in versions:
                file.unlink()
                removed += 1
        return removed
