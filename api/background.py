"""The work that no request does: the reconciler's rounds and the sweeps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from api.events import wait
from api.metrics import Metrics

logger = logging.getLogger(__name__)


class Wake:
    """Has a waiting background task run now."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        """Run now."""
        self._event.set()

    async def wait(self, *, timeout_s: float) -> None:
        """Return when woken, and after the timeout at the latest."""
        await wait(self._event, timeout_s=timeout_s)


async def repeat(work: Callable[[], Awaitable[object]], *, wake: Wake, interval_s: float, metrics: Metrics) -> None:
    """Run `work` for ever, whenever woken and every `interval_s`; a round that raises does not end it."""
    while True:
        try:
            await work()
        except Exception:
            metrics.reconciler_failures.inc()
            logger.exception("a background round failed")
        await wake.wait(timeout_s=interval_s)
