"""Moves the network's soft outline onto the edge that the photo shows, to a fraction of a pixel.

The pose network segments on a grid of 256 cells around the person, so its edge errs by about a pixel in a 720 x 960
photo, and by ten under the arms. Here each pixel near that edge is told apart by the colours just inside and just
outside of it: Fisher's linear discriminant between the two (Fisher, "The use of multiple measurements in taxonomic
problems", 1936), learnt anew in a window around every pixel, gives the share of the pixel that is person. Where the
two sides look alike the network's edge stays. Three passes, each in a narrower band and smaller window than the last.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

# Person height, in pixels, for which the passes below are stated; they grow and shrink with the person.
_REFERENCE_HEIGHT_PX = 650.0
# Standard deviation of sensor noise and JPEG blocks, in grey levels: colours closer than this are no evidence.
_NOISE_LEVELS = 4.0
# Separation of inside and outside, in standard deviations, at which photo and network are believed equally.
_EVEN_SEPARATION = 2.0
# More than this share of the area gained or lost is no refinement: the background has been taken for the person.
_LARGEST_AREA_CHANGE = 0.10
# Specks of the network's mask, as a share of its largest piece, that are not the person.
_SMALLEST_PIECE = 0.005


@dataclass(frozen=True)
class _Pass:
    """Lengths in pixels at reference height.

    Pixels within band_px of the edge are decided, from those between gap_px and reach_px inside and outside of it
    that lie in a square window of window_px around.
    """

    band_px: float
    gap_px: float
    reach_px: float
    window_px: float


_WIDE_PASSES = (
    _Pass(band_px=8.0, gap_px=4.0, reach_px=14.0, window_px=35.0),
    _Pass(band_px=5.0, gap_px=2.5, reach_px=9.0, window_px=21.0),
)
_FINE_PASS = _Pass(band_px=2.5, gap_px=1.5, reach_px=5.0, window_px=11.0)
_MARGIN_PX = 30.0


def refine_mask(photo_rgb: NDArray[np.uint8], mask: FloatImage) -> FloatImage:
    """The mask with its edge (level 0.5) on the edge of the person in the photo.

    photo_rgb: (H, W, 3). mask: (H, W) in [0, 1], right within about 15 px of a 650 px tall person. Gives (H, W) in
    [0, 1]: 0 or 1 but for a few pixels along the edge. Returns the mask as it was, less its specks, where there is
    nothing to refine or the outcome is not credible. Deterministic.
    """
    mask = _without_specks(mask)
    rows, columns = np.nonzero(mask > 0.5)
    if rows.size == 0:
        return mask
    scale = (rows.max() - rows.min() + 1) / _REFERENCE_HEIGHT_PX
    margin = round(_MARGIN_PX * scale)
    crop = np.s_[
        max(0, rows.min() - margin) : rows.max() + margin + 1,
        max(0, columns.min() - margin) : columns.max() + margin + 1,
    ]
    refined = mask.copy()
    refined[crop] = _refined_crop(photo_rgb[crop].astype(np.float32) - 128.0, mask[crop], scale)
    area = float((mask > 0.5).sum())
    change = abs(float((refined > 0.5).sum()) - area) / area
    return mask if change > _LARGEST_AREA_CHANGE else refined


def _without_specks(mask: FloatImage) -> FloatImage:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats((mask > 0.5).astype(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    if count <= 2:
        return mask
    kept = np.concatenate(([True], areas >= _SMALLEST_PIECE * areas.max()))
    cleaned: FloatImage = np.where(kept[labels], mask, np.float32(0.0))
    return cleaned


def _refined_crop(colour: FloatImage, mask: FloatImage, scale: float) -> FloatImage:
    if scale <= 1.0:
        for settings in (*_WIDE_PASSES, _FINE_PASS):
            mask = _decide_edge(colour, mask, settings, scale)
        return mask
    # The wide passes lose nothing at reference resolution and are faster there.
    height_px, width_px = mask.shape
    size = (max(1, round(width_px / scale)), max(1, round(height_px / scale)))
    small_colour = _float32(cv2.resize(colour, size, interpolation=cv2.INTER_AREA))
    small_mask = _float32(cv2.resize(mask, size, interpolation=cv2.INTER_AREA))
    for settings in _WIDE_PASSES:
        small_mask = _decide_edge(small_colour, small_mask, settings, 1.0)
    mask = _float32(cv2.resize(small_mask, (width_px, height_px), interpolation=cv2.INTER_LINEAR))
    return _decide_edge(colour, mask, _FINE_PASS, scale)


def _decide_edge(colour: FloatImage, mask: FloatImage, settings: _Pass, scale: float) -> FloatImage:
    inside = (mask > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    gap, reach, band = settings.gap_px * scale, settings.reach_px * scale, settings.band_px * scale
    window = 2 * round(settings.window_px * scale / 2) + 1
    undecided = (depth < band) & (distance < band)

    shell, surroundings = (depth > gap) & (depth < reach), (distance > gap) & (distance < reach)
    person_mean, person_covariance, person_count = _colours_around(colour, shell, window, undecided)
    ground_mean, ground_covariance, ground_count = _colours_around(colour, surroundings, window, undecided)
    covariance = (person_covariance + ground_covariance) / 2
    covariance += np.eye(3, dtype=np.float32) * np.float32(_NOISE_LEVELS**2)
    difference = person_mean - ground_mean
    direction = np.linalg.solve(covariance, difference[..., None])[..., 0]
    squared_separation = np.maximum((direction * difference).sum(axis=1), 1e-6)
    share = ((colour[undecided] - ground_mean) * direction).sum(axis=1) / squared_separation

    # A row of the window must have been seen on either side, or the colours stand for nothing.
    known = (person_count > window) & (ground_count > window)
    trust = np.where(known, squared_separation / (squared_separation + _EVEN_SEPARATION**2), 0.0)
    expected = cv2.GaussianBlur(mask, (0, 0), 1.0)[undecided]
    decided = inside.astype(np.float32)
    decided[undecided] = trust * share.clip(0.0, 1.0) + (1.0 - trust) * expected
    return decided


def _colours_around(
    colour: FloatImage, chosen: NDArray[np.bool_], window: int, pixels: NDArray[np.bool_]
) -> tuple[FloatImage, FloatImage, FloatImage]:
    """What the chosen pixels in the window around each of the N `pixels` look like.

    Gives their mean (N, 3), covariance (N, 3, 3) and number (N,).
    """

    def summed(values: FloatImage) -> FloatImage:
        return _float32(cv2.boxFilter(values, -1, (window, window), normalize=False)[pixels])

    weight = chosen.astype(np.float32)
    weighted = colour * weight[..., None]
    count = summed(weight)
    share = 1.0 / np.maximum(count, 0.5)
    mean = summed(weighted) * share[:, None]
    covariance = np.empty((count.size, 3, 3), dtype=np.float32)
    for first, second in combinations_with_replacement(range(3), 2):
        product = summed(colour[..., first] * weighted[..., second]) * share
        covariance[:, first, second] = product - mean[:, first] * mean[:, second]
        covariance[:, second, first] = covariance[:, first, second]
    return mean, covariance, count


def _float32(values: NDArray[Any]) -> FloatImage:
    # OpenCV's type stubs know no dtype.
    return values.astype(np.float32, copy=False)
