"""Cuts people out of photos the way that HMR2 was trained to see them, so that its answers mean what they should.

The published preparation (4D-Humans, `hmr2/datasets/vitdet_dataset.py`): the box grows to the aspect 192 : 256, a
square as high as it is resampled to 256 x 256 pixels, after a Gaussian blur where that shrinks it by more than 2.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray

CROP_PX = 256
_ASPECT = (192.0, 256.0)
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
# The published code blurs where half the shrinking exceeds this, with a Gaussian cut off at four deviations.
_BLUR_ABOVE = 1.1
_BLUR_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Crops:
    """n people, ready for the network, and where they were.

    images: (n, 3, 256, 256) float32, RGB, normalised with ImageNet's mean and deviation. centres_px: (n, 2) middle of
    each crop in its photo. sizes_px: (n,) side of each square in its photo. photo_sizes_px: (n, 2) width and height.
    """

    images: NDArray[np.float32]
    centres_px: FloatArray
    sizes_px: FloatArray
    photo_sizes_px: FloatArray


def crop_people(photos: Sequence[NDArray[np.uint8]], boxes_px: FloatArray) -> Crops:
    """One crop a photo; a photo of several people is given once for each.

    photos: n RGB images (height, width, 3). boxes_px: (n, 4) left, top, right, bottom of a person in each.
    Raises ValueError where a photo or a box is no such thing.
    """
    boxes_px = np.asarray(boxes_px, dtype=np.float64).reshape(-1, 4)
    if len(photos) != len(boxes_px):
        raise ValueError(f"{len(photos)} photos, but {len(boxes_px)} boxes")
    centres_px = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2.0
    sizes_px = square_sizes(boxes_px)
    images = np.empty((len(photos), 3, CROP_PX, CROP_PX), dtype=np.float32)
    for image, photo, centre_px, size_px in zip(images, photos, centres_px, sizes_px, strict=True):
        if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or not photo.size:
            raise ValueError(f"a photo is uint8 (height, width, 3), not {photo.dtype} {photo.shape}")
        image[:] = _normalised(_square(photo, centre_px, float(size_px)))
    photo_sizes_px = np.array([photo.shape[1::-1] for photo in photos], dtype=np.float64).reshape(-1, 2)
    return Crops(images, centres_px, sizes_px, photo_sizes_px)


def square_sizes(boxes_px: FloatArray) -> FloatArray:
    """(n,) sides of the squares cut for boxes (n, 4): as high as the box grown to 192 : 256. Raises ValueError."""
    extents_px = boxes_px[:, 2:] - boxes_px[:, :2]
    if not (np.isfinite(boxes_px).all() and (extents_px > 0.0).all()):
        raise ValueError("a box is left < right and top < bottom, in finite pixels")
    sizes_px: FloatArray = np.maximum(extents_px[:, 0] * (_ASPECT[1] / _ASPECT[0]), extents_px[:, 1])
    return sizes_px


def _square(photo: NDArray[np.uint8], centre_px: FloatArray, size_px: float) -> NDArray[np.float32]:
    """The square around centre_px as (256, 256, 3), black outside the photo."""
    scale = CROP_PX / size_px
    half_shrinking = size_px / CROP_PX / 2.0
    deviation_px = (half_shrinking - 1.0) / 2.0 if half_shrinking > _BLUR_ABOVE else 0.0
    reach_px = int(_BLUR_DEVIATIONS * deviation_px + 0.5)
    # Blurring what the square cannot reach would take seconds on a large photo.
    seen = _window(photo, centre_px, size_px / 2.0 + reach_px + 2.0)
    if seen is None:
        return np.zeros((CROP_PX, CROP_PX, 3), dtype=np.float32)
    window, corner_px = seen
    pixels: NDArray[Any] = window.astype(np.float32)
    if deviation_px > 0.0:
        side = 2 * reach_px + 1
        pixels = cv2.GaussianBlur(pixels, (side, side), deviation_px, borderType=cv2.BORDER_REPLICATE)
    shift = CROP_PX / 2.0 - scale * (centre_px - corner_px)
    into_crop = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    return np.asarray(
        cv2.warpAffine(pixels, into_crop, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT),
        dtype=np.float32,
    )


def _window(
    photo: NDArray[np.uint8], centre_px: FloatArray, reach_px: float
) -> tuple[NDArray[np.uint8], FloatArray] | None:
    """The part of the photo within reach_px of centre_px and its upper left corner; None where there is none."""
    limits = np.array(photo.shape[1::-1])
    first = np.clip(np.floor(centre_px - reach_px), 0, limits).astype(int)
    last = np.clip(np.ceil(centre_px + reach_px), 0, limits).astype(int)
    if (last <= first).any():
        return None
    return photo[first[1] : last[1], first[0] : last[0]], first.astype(np.float64)


def _normalised(square: NDArray[np.float32]) -> NDArray[np.float32]:
    normalised: NDArray[np.float32] = ((square / np.float32(255.0) - _MEAN) / _DEVIATION).transpose(2, 0, 1)
    return normalised
