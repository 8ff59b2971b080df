"""Every reason comes with something a shopper can do."""

import pytest

from shared.rejections import REJECTION_ADVICE, WARNING_ADVICE, RejectionReason, WarningReason


def test_every_reason_has_advice_of_its_own() -> None:
    assert set(REJECTION_ADVICE) == set(RejectionReason)
    assert set(WARNING_ADVICE) == set(WarningReason)
    advice = [*REJECTION_ADVICE.values(), *WARNING_ADVICE.values()]
    assert len(set(advice)) == len(advice)


@pytest.mark.parametrize("advice", [*REJECTION_ADVICE.values(), *WARNING_ADVICE.values()])
def test_advice_is_sentences(advice: str) -> None:
    assert advice[0].isupper()
    assert advice.endswith(".")
    assert "  " not in advice


@pytest.mark.parametrize("reason", [*RejectionReason, *WarningReason])
def test_slugs_are_stable_words(reason: str) -> None:
    assert reason.replace("_", "").isalpha()
    assert reason == reason.lower()
