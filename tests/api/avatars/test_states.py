"""The state table: every job ends, and what has ended stays."""

import pytest

from api.avatars.states import TRANSITIONS, AvatarStatus, JobEvent, JobState, after

ENDED = {JobState.SUCCEEDED, JobState.FAILED}


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize("event", list(JobEvent))
def test_what_has_ended_stays(state: JobState, event: JobEvent) -> None:
    assert after(state, event) is None


@pytest.mark.parametrize("state", sorted(set(JobState) - ENDED))
def test_every_live_job_can_end_each_way(state: JobState) -> None:
    for event, status in (
        (JobEvent.READY, AvatarStatus.READY),
        (JobEvent.REFUSED, AvatarStatus.FAILED),
        (JobEvent.GIVEN_UP, AvatarStatus.FAILED),
    ):
        transition = after(state, event)
        assert transition is not None
        assert transition.avatar is status
        assert transition.job in ENDED


def test_the_avatar_is_terminal_exactly_when_its_job_is() -> None:
    for transition in TRANSITIONS.values():
        assert (transition.job in ENDED) == (transition.avatar in {AvatarStatus.READY, AvatarStatus.FAILED})
