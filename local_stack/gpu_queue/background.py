"""What the local queue does that no request asks for: it keeps time and calls webhooks."""

import asyncio
import json
import logging
import signal
from typing import NoReturn

import httpx

from local_stack.gpu_queue.jobs import Job
from local_stack.gpu_queue.queue import Queue

TICK_S = 0.5
WEBHOOK_TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


class Bell:
    """Wakes everybody who waits for a change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        """Wait for the next ring, or so many seconds."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout_s)
        except TimeoutError:
            return


async def tick_for_ever(queue: Queue, bell: Bell) -> NoReturn:
    """Apply the time limits that pass."""
    while True:
        if queue.tick():
            bell.ring()
        await asyncio.sleep(TICK_S)


async def call_webhooks_for_ever(queue: Queue, bell: Bell, client: httpx.AsyncClient) -> NoReturn:
    """Tell whoever asked to be told what became of a job."""

    async def call(job: Job) -> None:
        queue.webhook_answered(job, accepted=await _call_webhook(client, job))

    while True:
        await asyncio.gather(*(call(job) for job in queue.due_webhooks()))
        await bell.wait(TICK_S)


def end_with(task: "asyncio.Task[NoReturn]") -> None:
    """A queue that no longer keeps time is worse than none: end, and be started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the queue's clock stopped", exc_info=error)
        signal.raise_signal(signal.SIGTERM)


async def _call_webhook(client: httpx.AsyncClient, job: Job) -> bool:
    assert job.webhook is not None
    try:
        answer = await client.post(
            job.webhook, json={**job.describe(), "input": json.loads(job.input), "webhook": job.webhook}
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Neither the URL nor the body is logged: both hold credentials.
        _log.warning("webhook of job %s failed: %s", job.id, type(error).__name__)
        return False
    return answer.status_code == 200
