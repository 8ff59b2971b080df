"""The state machine of an avatar and its job: one table, consulted before every change."""

from dataclasses import dataclass
from enum import StrEnum


class AvatarStatus(StrEnum):
    """What a shopper sees."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class JobState(StrEnum):
    """What the reconciler sees."""

    QUEUED = "queued"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobEvent(StrEnum):
    """What can happen to a job."""

    TAKEN = "taken"
    """RunPod answered a dispatch with the id of a run."""
    PROGRESSED = "progressed"
    """The worker showed a sign of life."""
    LOST = "lost"
    """The run ended without a result, or nobody knows it any more; another attempt is left."""
    READY = "ready"
    """The worker's result is in storage."""
    REFUSED = "refused"
    """The worker cannot make an avatar of this input."""
    GIVEN_UP = "given_up"
    """The run was lost and no attempt is left."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an event leads."""

    job: JobState
    avatar: AvatarStatus


_QUEUED = Transition(JobState.QUEUED, AvatarStatus.PROCESSING)
_DISPATCHED = Transition(JobState.DISPATCHED, AvatarStatus.PROCESSING)
_RUNNING = Transition(JobState.RUNNING, AvatarStatus.PROCESSING)
_SUCCEEDED = Transition(JobState.SUCCEEDED, AvatarStatus.READY)
_FAILED = Transition(JobState.FAILED, AvatarStatus.FAILED)

# A job that is still "queued" may already run: the answer to its dispatch can be late or lost.
TRANSITIONS: dict[tuple[JobState, JobEvent], Transition] = {
    (JobState.QUEUED, JobEvent.TAKEN): _DISPATCHED,
    (JobState.QUEUED, JobEvent.PROGRESSED): _RUNNING,
    (JobState.QUEUED, JobEvent.READY): _SUCCEEDED,
    (JobState.QUEUED, JobEvent.REFUSED): _FAILED,
    (JobState.QUEUED, JobEvent.GIVEN_UP): _FAILED,
    (JobState.DISPATCHED, JobEvent.PROGRESSED): _RUNNING,
    (JobState.DISPATCHED, JobEvent.LOST): _QUEUED,
    (JobState.DISPATCHED, JobEvent.READY): _SUCCEEDED,
    (JobState.DISPATCHED, JobEvent.REFUSED): _FAILED,
    (JobState.DISPATCHED, JobEvent.GIVEN_UP): _FAILED,
    (JobState.RUNNING, JobEvent.PROGRESSED): _RUNNING,
    (JobState.RUNNING, JobEvent.LOST): _QUEUED,
    (JobState.RUNNING, JobEvent.READY): _SUCCEEDED,
    (JobState.RUNNING, JobEvent.REFUSED): _FAILED,
    (JobState.RUNNING, JobEvent.GIVEN_UP): _FAILED,
}

TERMINAL_STATUSES = frozenset({AvatarStatus.READY, AvatarStatus.FAILED})


def after(state: JobState, event: JobEvent) -> Transition | None:
    """Where `event` leads from `state`; None when it changes nothing there (an event that came late or twice)."""
    return TRANSITIONS.get((state, event))
