"""Outlines follow a mask's true border, and can be seen on any photo they are drawn over."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.preview.outlines import draw_overlay, mask_outlines

_CENTRE = (100.0, 97.3)


def _ring(outer_px: float, inner_px: float) -> NDArray[np.uint8]:
    columns, rows = np.meshgrid(np.arange(200) + 0.5, np.arange(200) + 0.5)
    distances = np.hypot(columns - _CENTRE[0], rows - _CENTRE[1])
    return ((distances < outer_px) & (distances > inner_px)).astype(np.uint8) * np.uint8(255)


def _decoded(png: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[:, :, ::-1].astype(np.uint8)


def test_a_ring_has_an_outline_outside_and_one_round_its_hole_to_a_fraction_of_a_pixel() -> None:
    outlines = mask_outlines(_ring(80.0, 30.0))
    assert len(outlines) == 2
    for outline, radius_px in zip(outlines, (80.0, 30.0), strict=True):
        radii = np.hypot(*(outline - _CENTRE).T)
        assert radii.mean() == pytest.approx(radius_px, abs=0.1)
        assert np.abs(radii - radius_px).max() < 0.5
        steps = np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1)
        assert steps.max() < 2.0


def test_an_outline_at_the_pictures_border_runs_along_it() -> None:
    mask = np.zeros((50, 60), dtype=np.uint8)
    mask[:, :40] = 255
    (outline,) = mask_outlines(mask)
    assert outline.min(axis=0) == pytest.approx([0.0, 0.0], abs=0.05)
    assert outline.max(axis=0) == pytest.approx([40.0, 50.0], abs=0.05)


def test_specks_and_empty_masks_have_no_outline() -> None:
    mask = np.zeros((50, 60), dtype=np.uint8)
    assert mask_outlines(mask) == []
    mask[20:22, 20:22] = 255
    assert mask_outlines(mask) == []


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_line_shows_on_any_background_and_touches_nothing_else(grey: int) -> None:
    photo = np.full((400, 300, 3), grey, dtype=np.uint8)
    square = np.array([[50.0, 60.0], [250.0, 60.0], [250.0, 340.0], [50.0, 340.0]])
    picture = _decoded(draw_overlay(photo, [square]))
    assert (photo == grey).all()
    assert np.ptp(picture[200, 40:61].mean(axis=1)) > 100
    columns, rows = np.meshgrid(np.arange(300), np.arange(400))
    far = (np.abs(np.abs(columns + 0.5 - 150.0) - 100.0) > 6.0) & (np.abs(np.abs(rows + 0.5 - 200.0) - 140.0) > 6.0)
    assert (picture[far] == grey).all()


def test_the_line_runs_where_it_was_asked_to() -> None:
    photo = np.zeros((400, 300, 3), dtype=np.uint8)
    outline = np.array([[50.25, 60.0], [250.0, 60.0], [250.0, 340.0], [50.25, 340.0]])
    row = _decoded(draw_overlay(photo, [outline]))[200, 30:80, 1].astype(np.float64)
    assert (row * (np.arange(30, 80) + 0.5)).sum() / row.sum() == pytest.approx(50.25, abs=0.2)


def test_outlines_may_leave_the_picture_and_may_be_empty() -> None:
    photo = np.full((40, 30, 3), 90, dtype=np.uint8)
    outside = np.array([[-50.0, -50.0], [90.0, -50.0], [90.0, 90.0], [-50.0, 90.0]])
    assert (_decoded(draw_overlay(photo, [outside, np.empty((0, 2))])) == 90).all()
