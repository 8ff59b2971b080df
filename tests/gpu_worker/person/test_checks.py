"""What makes a photo unusable, one thing at a time on drawn figures."""

import numpy as np
import pytest

from gpu_worker.person.checks import (
    is_credible_person,
    is_far_away,
    is_whole_person,
    parts_cut_off,
    wrong_side,
)
from gpu_worker.person.detection import Landmark
from gpu_worker.person.person import View
from tests.gpu_worker.person.stick_figure import StickFigure, stick_figure


def missing(figure: StickFigure) -> tuple[str, ...]:
    return parts_cut_off(figure.landmarks_px, figure.visibility, figure.mask)


def test_a_whole_figure_lacks_nothing() -> None:
    assert missing(stick_figure()) == ()


@pytest.mark.parametrize(
    ("shift_px", "part"),
    [
        ((0, 50), "feet"),
        ((0, 250), "legs"),
        ((0, -56), "head"),
        ((90, 0), "arm or hand at the right edge of the photo"),
        ((-90, 0), "arm or hand at the left edge of the photo"),
    ],
)
def test_a_part_beyond_the_border_is_named(shift_px: tuple[float, float], part: str) -> None:
    assert missing(stick_figure(shift_px=shift_px)) == (part,)


def test_a_figure_a_few_pixels_from_the_border_is_whole() -> None:
    assert missing(stick_figure(shift_px=(0, 40))) == ()


@pytest.mark.parametrize(
    ("joints", "part"), [(("ANKLE",), "feet"), (("KNEE", "ANKLE"), "legs")], ids=["ankles", "knees"]
)
def test_what_the_network_invents_counts_as_missing(joints: tuple[str, ...], part: str) -> None:
    figure = stick_figure()
    for joint in joints:
        figure.visibility[[Landmark[f"LEFT_{joint}"], Landmark[f"RIGHT_{joint}"]]] = 0.1
    assert missing(figure) == (part,)


def test_one_hidden_leg_is_a_side_photo_and_not_missing() -> None:
    figure = stick_figure(squeezed=0.1)
    figure.visibility[[Landmark.LEFT_KNEE, Landmark.LEFT_ANKLE]] = 0.2
    assert missing(figure) == ()


@pytest.mark.parametrize(
    ("squeezed", "view", "expected"),
    [
        (1.0, View.FRONT, None),
        (0.85, View.FRONT, None),
        (0.3, View.FRONT, "side"),
        (-1.0, View.FRONT, "back"),
        (0.1, View.SIDE, None),
        (-0.3, View.SIDE, None),
        (1.0, View.SIDE, "front"),
        (-1.0, View.SIDE, "back"),
    ],
)
def test_the_side_seen_is_told_by_the_shoulders(squeezed: float, view: View, expected: str | None) -> None:
    assert wrong_side(stick_figure(squeezed=squeezed).landmarks_px, view) == expected


def test_a_person_needs_head_and_shoulders() -> None:
    visibility = np.full(33, 0.05)
    assert not is_credible_person(visibility)
    visibility[[Landmark.NOSE, Landmark.LEFT_SHOULDER]] = 0.9
    assert is_credible_person(visibility)
    assert not is_whole_person(visibility)
    assert is_whole_person(np.full(33, 0.9))


def test_far_away_is_a_matter_of_pixels() -> None:
    figure = stick_figure()
    assert not is_far_away(figure.mask)
    assert is_far_away(figure.mask[::3, ::3])
