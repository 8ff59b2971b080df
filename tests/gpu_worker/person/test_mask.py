"""The outline must come to lie on the edge of the person, without bias."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage import measure

from gpu_worker.person.mask import refine_mask
from tests.gpu_worker.person.drawn_people import OUTLINED, drawn_outline, drawn_photo


def edge_points(mask: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, 2) row and column of points along the level 0.5, interpolated between pixel centres."""
    contours: list[NDArray[np.float64]] = measure.find_contours(mask, 0.5)  # type: ignore[no-untyped-call]  # no types
    return np.concatenate(contours)


def edge_offsets_px(mask: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distance from each point of the true edge to the mask's; positive where the mask is too large."""
    points = edge_points(truth)
    distances, _ = cKDTree(edge_points(mask)).query(points)
    inside = mask[tuple(points.round().astype(int).T)] > 0.5
    signed: NDArray[np.float64] = np.where(inside, distances, -distances)
    return signed


def coarse(truth: NDArray[np.float32], *, shift_px: float = 0.0) -> NDArray[np.float32]:
    """The truth as the network gives it: on a grid of about 3 pixels, soft, wavy, perhaps a little beside."""
    height, width = truth.shape
    waves = np.random.default_rng(7).normal(0.0, 1.0, (height // 12, width // 12, 2)).astype(np.float32)
    waves = 1.8 * cv2.resize(waves, (width, height), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.indices(truth.shape, dtype=np.float32)
    moved = cv2.remap(truth, columns + waves[..., 0] + shift_px, rows + waves[..., 1], cv2.INTER_LINEAR)
    small = cv2.resize(moved, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


@pytest.mark.parametrize("shift_px", [0.0, 3.0])
@pytest.mark.parametrize("name", OUTLINED)
def test_the_edge_is_found_to_a_fraction_of_a_pixel(name: str, shift_px: float) -> None:
    truth, photo = drawn_outline(name), drawn_photo(name)
    before = coarse(truth, shift_px=shift_px)
    offsets_before, offsets = edge_offsets_px(before, truth), edge_offsets_px(refine_mask(photo, before), truth)
    assert np.abs(offsets_before).mean() > 1.0
    assert abs(offsets.mean()) < 0.15
    assert np.abs(offsets).mean() < 0.4


def test_large_photos_are_refined_as_well() -> None:
    size = (960, 1280)
    photo = cv2.resize(drawn_photo("front"), size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    truth = np.asarray(cv2.resize(drawn_outline("front"), size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    before = np.asarray(cv2.resize(coarse(drawn_outline("front")), size), dtype=np.float32)
    offsets = edge_offsets_px(refine_mask(photo, before), truth)
    assert abs(offsets.mean()) < 0.3
    assert np.abs(offsets).mean() < 0.8


def test_the_same_photo_gives_the_same_mask() -> None:
    photo, before = drawn_photo("front"), coarse(drawn_outline("front"))
    np.testing.assert_array_equal(refine_mask(photo, before), refine_mask(photo, before))


def test_without_contrast_the_mask_stays() -> None:
    truth = drawn_outline("front")
    photo = np.random.default_rng(0).normal(128.0, 4.0, (*truth.shape, 3)).clip(0, 255).astype(np.uint8)
    before = coarse(truth)
    offsets = edge_offsets_px(refine_mask(photo, before), before)
    assert abs(offsets.mean()) < 0.5
    assert np.abs(offsets).mean() < 1.2


def test_an_incredible_change_is_discarded() -> None:
    height, width = 600, 400
    photo = np.full((height, width, 3), 200, dtype=np.uint8)
    photo[50:550, 190:210] = 30
    before = np.zeros((height, width), dtype=np.float32)
    before[50:550, 185:215] = 1.0
    np.testing.assert_array_equal(refine_mask(photo, before), before)


def test_specks_are_swept_away() -> None:
    before = coarse(drawn_outline("front"))
    dotted = before.copy()
    dotted[20:24, 20:24] = 1.0
    np.testing.assert_array_equal(refine_mask(drawn_photo("front"), dotted), refine_mask(drawn_photo("front"), before))


def test_an_empty_mask_stays_empty() -> None:
    empty = np.zeros((640, 480), dtype=np.float32)
    np.testing.assert_array_equal(refine_mask(drawn_photo("front"), empty), empty)
