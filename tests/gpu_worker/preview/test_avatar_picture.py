"""The preview shows the body's front, left side and back at one scale."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.body.body import Body
from gpu_worker.preview.avatar_picture import render_preview
from tests.gpu_worker.anny_person import anny_person
from tests.gpu_worker.procedural_body import capsule_person


@pytest.fixture(scope="module", params=["capsules", "anny"])
def body(request: pytest.FixtureRequest) -> Body:
    return capsule_person() if request.param == "capsules" else anny_person()


@pytest.fixture(scope="module")
def picture(body: Body) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(render_preview(body), dtype=np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded[:, :, ::-1].astype(np.uint8)


def _figures(picture: NDArray[np.uint8]) -> list[NDArray[np.bool_]]:
    """Front, side and back, each cut out by its empty margins. The wall is grey, the figures are not."""
    warm = picture[:, :, 0].astype(np.int64) - picture[:, :, 2] > 3
    columns = np.flatnonzero(warm.any(axis=0))
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 10) + 1)
    return [warm[:, group[0] : group[-1] + 1] for group in groups]


def test_three_figures_of_the_bodys_proportions_stand_on_one_floor(body: Body, picture: NDArray[np.uint8]) -> None:
    figures = _figures(picture)
    assert len(figures) == 3
    width_m, height_m, depth_m = np.ptp(body.vertices_m, axis=0)
    for figure, extent_m in zip(figures, (width_m, depth_m, width_m), strict=True):
        rows = np.flatnonzero(figure.any(axis=1))
        height_px = rows[-1] - rows[0] + 1
        assert height_px == pytest.approx(picture.shape[0] - 80, abs=3)
        assert figure.shape[1] / height_px == pytest.approx(extent_m / height_m, abs=0.01)


def test_the_back_mirrors_the_front(picture: NDArray[np.uint8]) -> None:
    front, _, back = _figures(picture)
    width = min(front.shape[1], back.shape[1])
    same = front[:, :width] == back[:, ::-1][:, :width]
    assert same.mean() > 0.99


def test_the_side_view_is_from_the_left_so_that_the_toes_point_left(picture: NDArray[np.uint8]) -> None:
    _, side, _ = _figures(picture)
    rows = np.flatnonzero(side.any(axis=1))
    feet, body_above = side[rows[-12] :].any(axis=0), side[rows[0] : rows[-120]].any(axis=0)
    heel_to_middle = np.flatnonzero(feet).mean() - np.flatnonzero(body_above).mean()
    assert heel_to_middle < -5


def test_light_falls_from_the_upper_left(picture: NDArray[np.uint8]) -> None:
    front = _figures(picture)[0]
    left_edge = np.flatnonzero((picture[:, :, 0].astype(np.int64) - picture[:, :, 2] > 3).any(axis=0))[0]
    row = int(np.flatnonzero(front.any(axis=1))[0]) + 40
    head = np.flatnonzero(front[row]) + left_edge
    third = len(head) // 3
    brightness = picture[row].mean(axis=1)
    assert brightness[head[2:third]].mean() > brightness[head[-third:-2]].mean() + 20


def test_the_same_body_gives_the_same_picture(body: Body) -> None:
    assert render_preview(body) == render_preview(body)
