"""What is known of the one person in a photo before any body model is fitted."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from shared.rejections import WarningReason


class View(StrEnum):
    """Which way the person faces in a photo."""

    FRONT = "front"
    SIDE = "side"


@dataclass(frozen=True, eq=False)
class Person:
    """Exactly one person found in a photo.

    landmarks_px: (33, 2) x, y in pixels of the working photo, MediaPipe Pose order (0 nose, 11/12 left/right shoulder,
    23/24 hips, 27/28 ankles, ...; left is the person's own); continuous coordinates, pixel centres at integer + 0.5.
    visibility: (33,) in [0, 1]. mask: (H, W) float32 in [0, 1], probability that a pixel belongs to the person, at the
    photo's resolution. warnings: what makes the result less certain.
    """

    landmarks_px: NDArray[np.float64]
    visibility: NDArray[np.float64]
    mask: NDArray[np.float32]
    warnings: tuple[WarningReason, ...]
