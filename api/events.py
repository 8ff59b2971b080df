"""Server-sent events: PostgreSQL says that an avatar changed, and whoever watches it looks again."""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from api.metrics import Metrics

CHANNEL = "avatar_changed"
RECONNECT_PAUSE_S = 1.0

logger = logging.getLogger(__name__)


class AvatarEvents:
    """Wakes whoever watches an avatar when its row has changed, on whichever replica that happened.

    LISTEN needs a connection that stays with one server session, so this keeps one of its own beside the pool.
    """

    def __init__(self, conninfo: str, metrics: Metrics) -> None:
        self._conninfo = conninfo
        self._metrics = metrics
        self._watchers: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._stopping = False

    @contextmanager
    def watch(self, avatar_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when the avatar may have changed; begin to watch before reading the avatar."""
        changed = asyncio.Event()
        self._watchers[avatar_id].add(changed)
        self._metrics.subscribers.inc()
        try:
            yield changed
        finally:
            self._metrics.subscribers.dec()
            self._watchers[avatar_id].discard(changed)
            if not self._watchers[avatar_id]:
                del self._watchers[avatar_id]

    @property
    def stopping(self) -> bool:
        """Whether streams should end because the process does."""
        return self._stopping

    def stop(self) -> None:
        """Have every stream end."""
        self._stopping = True
        self._wake_all()

    async def listen(self) -> None:
        """Run until cancelled; a lost connection is made again."""
        while True:
            try:
                await self._listen_once()
            except psycopg.OperationalError as error:
                logger.warning("lost the listening connection", extra={"fields": {"error": type(error).__name__}})
            except Exception:
                # Whoever may connect may notify; what cannot be read must not leave every stream without news.
                logger.exception("a notification could not be read")
            await asyncio.sleep(RECONNECT_PAUSE_S)

    async def _listen_once(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=5)
        async with connection:
            await connection.execute(f"listen {CHANNEL}".encode())
            # Whatever changed while nobody listened was not announced to us.
            self._wake_all()
            async for notification in connection.notifies():
                self._wake(UUID(json.loads(notification.payload)["avatar_id"]))

    def _wake(self, avatar_id: UUID) -> None:
        for changed in self._watchers.get(avatar_id, ()):
            changed.set()

    def _wake_all(self) -> None:
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()


def format_event(*, name: str, identifier: int, data: str) -> bytes:
    """One event in the text/event-stream format; `data` holds no line break."""
    return f"id: {identifier}\nevent: {name}\ndata: {data}\n\n".encode()


async def wait(changed: asyncio.Event, *, timeout_s: float) -> bool:
    """Whether the event was set in time; clears it."""
    try:
        async with asyncio.timeout(timeout_s):
            await changed.wait()
    except TimeoutError:
        return False
    changed.clear()
    return True
