"""What makes a photo less certain, one thing at a time on drawn figures."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.person.cautions import (
    edge_width_px,
    has_arms_against_trunk,
    has_hands_on_hips,
    has_loose_clothes,
    is_blurred,
    is_dark,
    lit,
)
from gpu_worker.person.detection import Landmark
from tests.gpu_worker.person.stick_figure import stick_figure

HANGING = {"ELBOW": (60.0, 220.0), "WRIST": (52.0, 290.0), "INDEX": (52.0, 310.0)}
ON_HIPS = {"ELBOW": (110.0, 225.0), "WRIST": (48.0, 270.0), "INDEX": (36.0, 280.0)}
RAISED = {"ELBOW": (110.0, 152.0), "WRIST": (160.0, 150.0), "INDEX": (175.0, 150.0)}


def test_hands_on_hips_are_noticed() -> None:
    assert has_hands_on_hips(stick_figure(moved=ON_HIPS).landmarks_px)


@pytest.mark.parametrize("pose", [{}, HANGING, RAISED], ids=["away", "hanging", "raised"])
def test_other_poses_are_not_hands_on_hips(pose: dict[str, tuple[float, float]]) -> None:
    assert not has_hands_on_hips(stick_figure(moved=pose).landmarks_px)


def test_arms_against_the_trunk_are_noticed() -> None:
    figure = stick_figure(moved=HANGING)
    assert has_arms_against_trunk(figure.landmarks_px, figure.mask)


@pytest.mark.parametrize("pose", [{}, RAISED], ids=["away", "raised"])
def test_arms_clear_of_the_trunk_are_fine(pose: dict[str, tuple[float, float]]) -> None:
    figure = stick_figure(moved=pose)
    assert not has_arms_against_trunk(figure.landmarks_px, figure.mask)


def test_bare_legs_are_no_loose_clothes_however_heavy() -> None:
    figure = stick_figure()
    assert not has_loose_clothes(figure.landmarks_px, figure.mask)
    legs = figure.mask[300:]
    legs[:] = cv2.dilate(legs, np.ones((19, 19)))
    assert not has_loose_clothes(figure.landmarks_px, figure.mask)


def test_a_long_skirt_is_noticed() -> None:
    figure = stick_figure(moved={"KNEE": (45.0, 415.0), "ANKLE": (55.0, 525.0)})
    skirt = np.array([[170, 290], [230, 290], [270, 500], [130, 500]])
    cv2.fillConvexPoly(figure.mask, skirt, (1.0,))
    assert has_loose_clothes(figure.landmarks_px, figure.mask)


def test_flared_trousers_are_noticed() -> None:
    figure = stick_figure()
    for sign in (-1, 1):
        leg = np.array([[200 + sign * 12, 300], [200 + sign * 60, 300], [200 + sign * 100, 530], [200 + sign * 8, 530]])
        cv2.fillConvexPoly(figure.mask, leg, (1.0,))
    assert has_loose_clothes(figure.landmarks_px, figure.mask)


def test_wide_sleeves_are_noticed() -> None:
    figure = stick_figure()
    assert not has_loose_clothes(figure.landmarks_px, figure.mask)
    for side in ("LEFT", "RIGHT"):
        elbow, wrist = (
            figure.landmarks_px[Landmark[f"{side}_{joint}"]].round().astype(int) for joint in ("ELBOW", "WRIST")
        )
        cv2.line(figure.mask, elbow.tolist(), wrist.tolist(), (1.0,), 32)
    assert has_loose_clothes(figure.landmarks_px, figure.mask)


def test_arms_before_the_trunk_are_no_sleeves() -> None:
    figure = stick_figure(moved={"ELBOW": (45.0, 220.0), "WRIST": (20.0, 270.0), "INDEX": (10.0, 280.0)})
    assert not has_loose_clothes(figure.landmarks_px, figure.mask)


def room_with_person(person_level: int, wall_level: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    mask = stick_figure().mask
    grey = np.where(mask > 0.5, person_level, wall_level).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), mask


@pytest.mark.parametrize(("person_level", "wall_level", "dark"), [(30, 190, False), (40, 30, True), (180, 10, False)])
def test_a_dark_photo_is_told_from_a_dark_person(person_level: int, wall_level: int, dark: bool) -> None:
    photo, _ = room_with_person(person_level, wall_level)
    assert is_dark(photo) is dark


def test_a_lit_photo_is_dark_no_more() -> None:
    photo, _ = room_with_person(30, 20)
    assert is_dark(photo)
    assert not is_dark(lit(photo))


def test_edge_width_follows_the_blur() -> None:
    photo, mask = room_with_person(60, 200)
    for sigma_px in (3.0, 5.0, 7.0):
        width_px = edge_width_px(cv2.GaussianBlur(photo, (0, 0), sigma_px).astype(np.uint8), mask)
        # The steepest slope of a step blurred by a Gaussian is its contrast over sigma times the root of 2 pi.
        assert width_px == pytest.approx(sigma_px * np.sqrt(2 * np.pi), rel=0.2)


def test_blur_is_noticed_only_where_it_matters() -> None:
    photo, mask = room_with_person(60, 200)
    assert not is_blurred(photo, mask)
    assert not is_blurred(cv2.GaussianBlur(photo, (0, 0), 1.0).astype(np.uint8), mask)
    assert is_blurred(cv2.GaussianBlur(photo, (0, 0), 4.0).astype(np.uint8), mask)


def test_without_contrast_nothing_is_said_about_blur() -> None:
    photo, mask = room_with_person(100, 105)
    assert edge_width_px(photo, mask) is None
    assert not is_blurred(photo, mask)
