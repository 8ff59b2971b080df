"""The rules of a RunPod serverless endpoint: who gets which job, and what becomes of a job nobody finishes."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from local_stack.gpu_queue.jobs import Job, JobFile, Status

RETENTION_S = 30 * 60.0
DEFAULT_EXECUTION_TIMEOUT_S = 600.0
DEFAULT_TTL_S = 24 * 3600.0
MOST_RETRIES = 2
MOST_WEBHOOK_ATTEMPTS = 3
WEBHOOK_PAUSE_S = 10.0


@dataclass(frozen=True)
class Patience:
    """After how many seconds a silent worker counts as dead, and a job that its own worker does not list as lost."""

    silent_worker_s: float = 5.0
    unlisted_job_s: float = 5.0


class Queue:
    """Every endpoint's jobs and workers.

    Workers are known by their calls only. A worker that falls silent, or that no longer lists a job among those it
    works on, has lost it: the job is queued again, twice at most, and then fails.
    """

    def __init__(
        self, file: JobFile, *, clock: Callable[[], float] = time.time, patience: Patience | None = None
    ) -> None:
        self._file = file
        self._clock = clock
        self._patience = patience or Patience()
        self._retries: Counter[str] = Counter()
        self._to_stop: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        now = clock()
        # A worker that was at work when the queue went down gets as long to call again as one that falls silent.
        self._last_seen = {(job.endpoint, job.worker): now for job in file.select("status = 'IN_PROGRESS'")}
        self._listed_at = {job.id: now for job in file.select("status = 'IN_PROGRESS'")}

    def submit(
        self,
        endpoint: str,
        input_json: str,
        *,
        webhook: str | None = None,
        execution_timeout_s: float = DEFAULT_EXECUTION_TIMEOUT_S,
        ttl_s: float = DEFAULT_TTL_S,
        low_priority: bool = False,
    ) -> Job:
        """Queue a job and return it."""
        job = Job(
            id=f"{uuid4()}-u1",
            endpoint=endpoint,
            status=Status.IN_QUEUE,
            input=input_json,
            webhook=webhook,
            execution_timeout_s=execution_timeout_s,
            ttl_s=ttl_s,
            low_priority=low_priority,
            created_at=self._clock(),
        )
        self._file.add(job)
        return job

    def find(self, endpoint: str, job_id: str) -> Job | None:
        """Return a job, or None when it never was or is no longer kept."""
        return next(iter(self._file.select("endpoint = ? and id = ?", endpoint, job_id)), None)

    def take(self, endpoint: str, worker: str) -> Job | None:
        """Hand the oldest job to a worker, low priority last; None when nothing waits."""
        waiting = self._file.select(
            "endpoint = ? and status = 'IN_QUEUE'", endpoint, order_by="low_priority, created_at", limit=1
        )
        if not waiting:
            return None
        now = self._clock()
        self._file.update(waiting[0].id, status=Status.IN_PROGRESS.value, worker=worker, started_at=now)
        self._last_seen[endpoint, worker] = now
        self._listed_at[waiting[0].id] = now
        return self.find(endpoint, waiting[0].id)

    def progress(self, endpoint: str, job_id: str, output_json: str) -> None:
        """Keep what a worker reports on the way; after the end it is dropped."""
        job = self.find(endpoint, job_id)
        if job is not None and job.status is Status.IN_PROGRESS:
            self._file.update(job_id, output=output_json)

    def finish(self, endpoint: str, job_id: str, output_json: str | None, error: str | None) -> bool:
        """Take a result. The first one counts, from whichever worker; return whether this was it."""
        job = self.find(endpoint, job_id)
        if job is None or job.status.is_final:
            return False
        status = Status.COMPLETED if error is None else Status.FAILED
        self._end(job, status, output=output_json, error=error, started_at=job.started_at or self._clock())
        return True

    def cancel(self, endpoint: str, job_id: str) -> Job | None:
        """Cancel a job unless it has ended, tell its worker, and return it as it then is; None when unknown."""
        job = self.find(endpoint, job_id)
        if job is not None and not job.status.is_final:
            self._stop_at_worker(job)
            self._end(job, Status.CANCELLED)
        return self.find(endpoint, job_id)

    def purge(self, endpoint: str) -> int:
        """Forget every job that waits and return how many there were."""
        waiting = self._file.select("endpoint = ? and status = 'IN_QUEUE'", endpoint)
        for job in waiting:
            self._file.delete(job.id)
        return len(waiting)

    def hear_from(self, endpoint: str, worker: str, listed_jobs: list[str] | None = None) -> None:
        """Note a sign of life; a ping also lists the jobs that the worker works on."""
        now = self._clock()
        self._last_seen[endpoint, worker] = now
        for job_id in listed_jobs or []:
            job = self.find(endpoint, job_id)
            if job is not None and job.status is Status.IN_PROGRESS and job.worker == worker:
                self._listed_at[job_id] = now
            elif job_id not in self._to_stop[endpoint, worker]:
                # Cancelled, timed out or given to another while this worker could not be told.
                self._to_stop[endpoint, worker].append(job_id)

    def stops_for(self, endpoint: str, worker: str) -> list[str]:
        """Return the jobs that a worker is to stop, and forget them."""
        return self._to_stop.pop((endpoint, worker), [])

    def health(self, endpoint: str) -> dict[str, Any]:
        """Return RunPod's summary of an endpoint."""
        statuses = Counter(job.status for job in self._file.select("endpoint = ?", endpoint))
        alive = [
            worker
            for (of_endpoint, worker), seen_at in self._last_seen.items()
            if of_endpoint == endpoint and self._clock() - seen_at <= self._patience.silent_worker_s
        ]
        in_progress = self._file.select("endpoint = ? and status = 'IN_PROGRESS'", endpoint)
        running = {job.worker for job in in_progress} & set(alive)
        return {
            "jobs": {
                "completed": statuses[Status.COMPLETED],
                "failed": statuses[Status.FAILED] + statuses[Status.TIMED_OUT],
                "inProgress": statuses[Status.IN_PROGRESS],
                "inQueue": statuses[Status.IN_QUEUE],
                "retried": self._retries[endpoint],
            },
            "workers": {
                "idle": len(alive) - len(running),
                "initializing": 0,
                "ready": len(alive),
                "running": len(running),
                "throttled": 0,
            },
        }

    def tick(self) -> bool:
        """Apply every time limit that has passed; return whether a job was queued again."""
        now = self._clock()
        for job in self._file.select("status in ('IN_QUEUE', 'IN_PROGRESS') and created_at + ttl_s <= ?", now):
            self._stop_at_worker(job)
            self._file.delete(job.id)
        for job in self._file.select("finished_at <= ? and webhook_due_at is null", now - RETENTION_S):
            self._file.delete(job.id)
        queued_again = False
        for job in self._file.select("status = 'IN_PROGRESS'"):
            assert job.started_at is not None
            if now - job.started_at >= job.execution_timeout_s:
                self._stop_at_worker(job)
                self._end(job, Status.TIMED_OUT, error="job exceeded its execution timeout")
            elif self._is_lost(job, now):
                queued_again |= self._queue_again(job)
        return queued_again

    def due_webhooks(self) -> list[Job]:
        """Return the jobs whose webhook is to be called now."""
        return self._file.select("webhook_due_at <= ?", self._clock())

    def webhook_answered(self, job: Job, *, accepted: bool) -> None:
        """Note how a webhook's call went: it is called again after a pause, three times in all."""
        attempts = job.webhook_attempts + 1
        again = not accepted and attempts < MOST_WEBHOOK_ATTEMPTS
        due_at = self._clock() + WEBHOOK_PAUSE_S if again else None
        self._file.update(job.id, webhook_attempts=attempts, webhook_due_at=due_at)

    def _is_lost(self, job: Job, now: float) -> bool:
        seen_at = self._last_seen.get((job.endpoint, job.worker or ""), 0.0)
        listed_at = self._listed_at.get(job.id, seen_at)
        return now - seen_at > self._patience.silent_worker_s or seen_at - listed_at > self._patience.unlisted_job_s

    def _queue_again(self, job: Job) -> bool:
        if job.retries >= MOST_RETRIES:
            self._end(job, Status.FAILED, error="worker exited before it finished the job")
            return False
        self._retries[job.endpoint] += 1
        self._file.update(
            job.id, status=Status.IN_QUEUE.value, worker=None, started_at=None, output=None, retries=job.retries + 1
        )
        return True

    def _stop_at_worker(self, job: Job) -> None:
        if job.status is Status.IN_PROGRESS and job.worker is not None:
            self._to_stop[job.endpoint, job.worker].append(job.id)

    def _end(self, job: Job, status: Status, **changes: Any) -> None:
        now = self._clock()
        due_at = now if job.webhook else None
        self._file.update(job.id, status=status.value, finished_at=now, webhook_due_at=due_at, **changes)
        self._listed_at.pop(job.id, None)
