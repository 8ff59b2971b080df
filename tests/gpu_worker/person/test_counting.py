"""A second person is told from the first one's ghost, from portraits and from passers-by."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.person.counting import has_second_face, is_convincing_second, paint_over
from gpu_worker.person.detection import Face, Landmark, Pose
from tests.gpu_worker.person.stick_figure import HEIGHT_PX, WIDTH_PX, stick_figure

FIRST = stick_figure(shift_px=(-60, 0))
FIRST_POSE = Pose(FIRST.landmarks_px, FIRST.visibility, FIRST.mask)
PAINTED: NDArray[np.bool_] = FIRST.mask > 0.5
OWN_FACE = Face(x_px=140.0, y_px=92.0, size_px=40.0, score=0.9)


def second_pose(*, scale: float = 1.0, shift_px: float = 60.0) -> Pose:
    figure = stick_figure()
    landmarks = figure.landmarks_px * scale + np.array([shift_px, 0.0])
    rows, columns = np.indices(figure.mask.shape)
    source_rows = (rows / scale).astype(int)
    source_columns = ((columns - shift_px) / scale).astype(int)
    inside = (source_rows < HEIGHT_PX) & (source_columns >= 0) & (source_columns < WIDTH_PX)
    mask = np.zeros_like(figure.mask)
    mask[inside] = figure.mask[source_rows[inside], source_columns[inside]]
    return Pose(landmarks, figure.visibility, mask)


@pytest.mark.parametrize("scale", [1.0, 0.6, 0.3])
def test_a_whole_body_beside_is_a_second_person(scale: float) -> None:
    assert is_convincing_second(FIRST_POSE, second_pose(scale=scale, shift_px=160.0), PAINTED)


def test_a_distant_passer_by_is_not() -> None:
    assert not is_convincing_second(FIRST_POSE, second_pose(scale=0.2, shift_px=300.0), PAINTED)


def test_the_ghost_of_the_first_person_is_not() -> None:
    assert not is_convincing_second(FIRST_POSE, FIRST_POSE, PAINTED)


def test_a_portrait_without_legs_is_not() -> None:
    portrait = second_pose(shift_px=160.0)
    portrait.visibility[Landmark.LEFT_KNEE :] = 0.3
    assert not is_convincing_second(FIRST_POSE, portrait, PAINTED)


def test_an_empty_outline_is_not() -> None:
    nobody = Pose(FIRST.landmarks_px, FIRST.visibility, np.zeros_like(FIRST.mask))
    assert not is_convincing_second(FIRST_POSE, nobody, PAINTED)


def test_a_face_at_the_shoulder_belongs_to_somebody_else() -> None:
    beside = Face(x_px=215.0, y_px=110.0, size_px=38.0, score=0.8)
    painted = PAINTED.copy()
    painted[90:140, 180:200] = True
    assert has_second_face(FIRST_POSE, [OWN_FACE, beside], painted)


@pytest.mark.parametrize(
    "face",
    [
        OWN_FACE,
        Face(x_px=142.0, y_px=200.0, size_px=50.0, score=0.9),
        Face(x_px=330.0, y_px=90.0, size_px=40.0, score=0.9),
        Face(x_px=225.0, y_px=230.0, size_px=12.0, score=0.9),
        Face(x_px=225.0, y_px=230.0, size_px=300.0, score=0.9),
        Face(x_px=225.0, y_px=230.0, size_px=40.0, score=0.4),
    ],
    ids=["own", "print on the shirt", "portrait on the wall", "tiny", "huge", "doubtful"],
)
def test_other_faces_are_nobodys(face: Face) -> None:
    assert not has_second_face(FIRST_POSE, [face], PAINTED)


def test_painting_over_leaves_the_surroundings_and_none_of_the_person() -> None:
    rows, columns = np.indices(FIRST.mask.shape)
    wall = np.stack((100 + rows / 10, 150 + columns / 10, np.full(rows.shape, 90.0)), axis=-1)
    photo = np.where(FIRST.mask[..., None] > 0.5, 255.0, wall).astype(np.uint8)
    picture, painted = paint_over(photo, FIRST.mask)
    assert painted[FIRST.mask > 0.5].all()
    np.testing.assert_array_equal(picture[~painted], photo[~painted])
    assert np.abs(picture[painted] - wall[painted]).max() < 25.0


def test_a_person_who_fills_the_photo_can_be_painted_over() -> None:
    photo = np.full((300, 240, 3), 80, dtype=np.uint8)
    picture, painted = paint_over(photo, np.ones((300, 240), dtype=np.float32))
    assert painted.all()
    assert picture.shape == photo.shape
