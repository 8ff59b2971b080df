"""Tells the control plane how far a job is while a thread works on it, and hears when to stop."""

import asyncio

from gpu_worker.delivery import Delivery
from shared.jobs import AvatarJob, ProgressAnswer, ProgressReport, Stage, Verdict


class ProgressReporter:
    """One per run of a job; every report carries the next sequence number."""

    def __init__(self, delivery: Delivery, job: AvatarJob, *, queue_job_id: str, heartbeat_interval_s: float) -> None:
        self._delivery = delivery
        self._job = job
        self._queue_job_id = queue_job_id
        self._heartbeat_interval_s = heartbeat_interval_s
        self._sequence = 0
        self._stage, self._percent = Stage.FETCH_PHOTOS, 0
        self._news = asyncio.Event()

    def note(self, stage: Stage, percent: int) -> None:
        """Have this reported soon; call it from the event loop."""
        self._stage, self._percent = stage, percent
        self._news.set()

    async def report(self) -> ProgressAnswer:
        """Report now."""
        self._sequence += 1
        report = ProgressReport(
            attempt=self._job.attempt,
            queue_job_id=self._queue_job_id,
            sequence=self._sequence,
            stage=self._stage,
            percent=self._percent,
        )
        return await self._delivery.report(self._job.progress.url, report)

    async def report_until_stopped(self) -> None:
        """Report whatever is noted, and a sign of life when nothing is; returns when told to stop."""
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_interval_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            # "Finished" on the way says that another run of the job was faster.
            if (await self.report()).verdict is not Verdict.CONTINUE:
                return
