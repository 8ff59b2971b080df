"""The jobs of the local queue, in an SQLite file, so that a queue that is killed loses none."""

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists jobs (
  id text primary key,
  endpoint text not null,
  status text not null,
  input text not null,
  webhook text,
  execution_timeout_s real not null,
  ttl_s real not null,
  low_priority integer not null,
  created_at real not null,
  started_at real,
  finished_at real,
  worker text,
  retries integer not null default 0,
  output text,
  error text,
  webhook_attempts integer not null default 0,
  webhook_due_at real
) strict;
create index if not exists jobs_status on jobs (endpoint, status, created_at);
create index if not exists jobs_webhook on jobs (webhook_due_at) where webhook_due_at is not null;
"""


class Status(StrEnum):
    """Where a job stands, in RunPod's words."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        """Whether a job stays so."""
        return self not in (Status.IN_QUEUE, Status.IN_PROGRESS)


@dataclass(frozen=True)
class Job:
    """One row. Times are seconds since the epoch; `input` and `output` are JSON text as they came."""

    id: str
    endpoint: str
    status: Status
    input: str
    webhook: str | None
    execution_timeout_s: float
    ttl_s: float
    low_priority: bool
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    worker: str | None = None
    retries: int = 0
    output: str | None = None
    error: str | None = None
    webhook_attempts: int = 0
    webhook_due_at: float | None = None

    def describe(self) -> dict[str, Any]:
        """Return the job as RunPod's `status` shows it."""
        shown: dict[str, Any] = {"id": self.id, "status": self.status.value}
        if self.started_at is not None:
            shown["delayTime"] = round((self.started_at - self.created_at) * 1000)
            shown["workerId"] = self.worker
            if self.finished_at is not None:
                shown["executionTime"] = round((self.finished_at - self.started_at) * 1000)
        if self.output is not None:
            shown["output"] = json.loads(self.output)
        if self.error is not None:
            shown["error"] = self.error
        return shown


class JobFile:
    """The file of jobs. One process writes it, and every change is on disk before the call returns."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        # No isolation level: each statement is a transaction of its own.
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, job: Job) -> None:
        """Write a new job."""
        row = vars(job)
        places = ", ".join(f":{column}" for column in row)
        self._connection.execute(f"insert into jobs ({', '.join(row)}) values ({places})", row)

    def update(self, job_id: str, **changes: Any) -> None:
        """Change columns of a job; one that is gone is no fault."""
        assignments = ", ".join(f"{column} = :{column}" for column in changes)
        self._connection.execute(f"update jobs set {assignments} where id = :job_id", {**changes, "job_id": job_id})

    def select(self, condition: str, *values: Any, order_by: str = "created_at", limit: int = -1) -> list[Job]:
        """Return the jobs that meet a condition of our own writing, its values given apart."""
        query = f"select * from jobs where {condition} order by {order_by} limit {limit}"
        rows = [dict(row) for row in self._connection.execute(query, values)]
        return [
            Job(**{**row, "status": Status(row["status"]), "low_priority": bool(row["low_priority"])}) for row in rows
        ]

    def delete(self, job_id: str) -> None:
        """Forget a job."""
        self._connection.execute("delete from jobs where id = ?", [job_id])
