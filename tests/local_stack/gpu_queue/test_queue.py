"""The rules of the local queue, on a clock that the test moves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_stack.gpu_queue.jobs import Job, JobFile, Status
from local_stack.gpu_queue.queue import MOST_RETRIES, RETENTION_S, WEBHOOK_PAUSE_S, Patience, Queue

PATIENCE = Patience(silent_worker_s=5.0, unlisted_job_s=5.0)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_queue(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Queue]]:
    files: list[JobFile] = []

    def open_again() -> Queue:
        files.append(JobFile(tmp_path / "queue.sqlite"))
        return Queue(files[-1], clock=clock, patience=PATIENCE)

    yield open_again
    for file in files:
        file.close()


@pytest.fixture
def queue(open_queue: Callable[[], Queue]) -> Queue:
    return open_queue()


def found(queue: Queue, job: Job) -> Job:
    again = queue.find(job.endpoint, job.id)
    assert again is not None
    return again


def test_jobs_are_taken_oldest_first_and_low_priority_last(queue: Queue, clock: Clock) -> None:
    unhurried = queue.submit("e", "{}", low_priority=True)
    clock.advance(1)
    first = queue.submit("e", "{}")
    clock.advance(1)
    second = queue.submit("e", "{}")
    taken = [queue.take("e", "w") for _ in range(4)]
    assert [job.id if job else None for job in taken] == [first.id, second.id, unhurried.id, None]


def test_an_endpoint_never_sees_the_jobs_of_another(queue: Queue) -> None:
    job = queue.submit("e", "{}")
    assert queue.take("other", "w") is None
    assert queue.find("other", job.id) is None
    assert queue.cancel("other", job.id) is None
    assert found(queue, job).status is Status.IN_QUEUE


def test_a_finished_job_is_kept_for_half_an_hour(queue: Queue, clock: Clock) -> None:
    job = queue.submit("e", "{}")
    queue.take("e", "w")
    queue.finish("e", job.id, "1", None)
    clock.advance(RETENTION_S - 1)
    queue.tick()
    assert found(queue, job).status is Status.COMPLETED
    clock.advance(1)
    queue.tick()
    assert queue.find("e", job.id) is None


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_job_older_than_its_ttl_is_gone_even_while_it_runs(queue: Queue, clock: Clock, is_taken: bool) -> None:
    job = queue.submit("e", "{}", ttl_s=60)
    if is_taken:
        queue.take("e", "w")
    clock.advance(60)
    queue.tick()
    assert queue.find("e", job.id) is None
    assert queue.stops_for("e", "w") == ([job.id] if is_taken else [])


def test_a_job_that_runs_too_long_is_timed_out_and_stopped(queue: Queue, clock: Clock) -> None:
    job = queue.submit("e", "{}", execution_timeout_s=10)
    clock.advance(100)
    queue.tick()
    assert found(queue, job).status is Status.IN_QUEUE
    queue.take("e", "w")
    for _ in range(10):
        clock.advance(1)
        queue.hear_from("e", "w", [job.id])
        queue.tick()
    assert found(queue, job).status is Status.TIMED_OUT
    assert queue.stops_for("e", "w") == [job.id]
    assert queue.stops_for("e", "w") == []


def test_a_silent_workers_job_is_queued_again_and_fails_in_the_end(queue: Queue, clock: Clock) -> None:
    job = queue.submit("e", "{}")
    for life in range(MOST_RETRIES + 1):
        assert queue.take("e", f"w{life}") is not None
        clock.advance(PATIENCE.silent_worker_s + 0.1)
        assert queue.tick() is (life < MOST_RETRIES)
    assert found(queue, job).status is Status.FAILED
    assert found(queue, job).error == "worker exited before it finished the job"


def test_a_job_that_its_worker_does_not_list_is_queued_again(queue: Queue, clock: Clock) -> None:
    job = queue.submit("e", "{}")
    queue.take("e", "w")
    for _ in range(6):
        clock.advance(1)
        queue.hear_from("e", "w", [])
        queue.tick()
    assert found(queue, job).status is Status.IN_QUEUE


def test_a_worker_that_lists_its_job_keeps_it(queue: Queue, clock: Clock) -> None:
    job = queue.submit("e", "{}")
    queue.take("e", "w")
    for _ in range(60):
        clock.advance(1)
        queue.hear_from("e", "w", [job.id])
        queue.tick()
    assert found(queue, job).worker == "w"


def test_a_worker_that_went_on_with_a_job_given_away_is_told_to_stop(queue: Queue, clock: Clock) -> None:
    job = queue.submit("e", "{}")
    queue.take("e", "asleep")
    clock.advance(PATIENCE.silent_worker_s + 1)
    queue.tick()
    queue.take("e", "awake")
    queue.hear_from("e", "asleep", [job.id])
    assert queue.stops_for("e", "asleep") == [job.id]
    assert queue.stops_for("e", "awake") == []


def test_the_first_result_counts_and_later_ones_change_nothing(queue: Queue) -> None:
    job = queue.submit("e", "{}")
    queue.take("e", "w")
    assert queue.finish("e", job.id, '"first"', None)
    assert not queue.finish("e", job.id, '"second"', None)
    queue.progress("e", job.id, '"late"')
    assert queue.cancel("e", job.id) == found(queue, job)
    assert found(queue, job).describe()["output"] == "first"


def test_a_restart_gives_a_working_worker_time_to_call_again(
    queue: Queue, open_queue: Callable[[], Queue], clock: Clock
) -> None:
    job = queue.submit("e", "{}")
    queue.take("e", "w")
    clock.advance(PATIENCE.silent_worker_s * 10)
    restarted = open_queue()
    assert not restarted.tick()
    assert found(restarted, job).status is Status.IN_PROGRESS
    clock.advance(PATIENCE.silent_worker_s + 1)
    assert restarted.tick()


def test_a_webhook_is_called_three_times_ten_seconds_apart(queue: Queue, clock: Clock) -> None:
    job = queue.submit("e", "{}", webhook="http://hook")
    queue.take("e", "w")
    queue.finish("e", job.id, "1", None)
    for _ in range(3):
        assert [due.id for due in queue.due_webhooks()] == [job.id]
        queue.webhook_answered(queue.due_webhooks()[0], accepted=False)
        assert queue.due_webhooks() == []
        clock.advance(WEBHOOK_PAUSE_S)
    assert queue.due_webhooks() == []


def test_purging_forgets_what_waits_and_nothing_else(queue: Queue) -> None:
    running = queue.submit("e", "{}")
    queue.take("e", "w")
    waiting = queue.submit("e", "{}")
    assert queue.purge("e") == 1
    assert queue.find("e", waiting.id) is None
    assert found(queue, running).status is Status.IN_PROGRESS
