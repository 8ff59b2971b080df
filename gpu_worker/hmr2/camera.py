"""Turns what HMR2 says about a crop's camera into places in the whole photo, as 4D-Humans publishes it.

The network gives a scale s and a shift (tx, ty) for a camera of focal length 5000 pixels over a crop of 256. In the
whole photo the focal length grows with the photo's longer side, and the shift takes in where the crop was.
"""

from dataclasses import dataclass

import numpy as np

from gpu_worker.body.body import FloatArray
from gpu_worker.body.camera import Camera
from gpu_worker.hmr2.crop import CROP_PX

CROP_FOCAL_PX = 5000.0
# The published code's own guard against a scale of zero.
_TINY = 1e-9


@dataclass(frozen=True)
class PlacedBodies:
    """cameras: one for each photo. translations_m: (n, 3) where SMPL's origin stands in each camera's frame.

    A translation whose z is not positive is behind the camera: the network saw nobody there.
    """

    cameras: tuple[Camera, ...]
    translations_m: FloatArray


def crop_translations(cam: FloatArray) -> FloatArray:
    """(n, 3) metres, from `SmplEstimate.cam` (n, 3): the body in the frame of the crop's own camera."""
    scales, shifts = cam[:, :1], cam[:, 1:]
    return np.hstack([shifts, 2.0 * CROP_FOCAL_PX / (CROP_PX * scales + _TINY)])


def place_in_photos(
    cam: FloatArray, *, centres_px: FloatArray, sizes_px: FloatArray, photo_sizes_px: FloatArray
) -> PlacedBodies:
    """The cameras of the whole photos, from `SmplEstimate.cam` (n, 3) and what `Crops` says of each crop."""
    focal_lengths_px = CROP_FOCAL_PX / CROP_PX * photo_sizes_px.max(axis=1)
    apparent_px = sizes_px * cam[:, 0] + _TINY
    off_middle_px = centres_px - photo_sizes_px / 2.0
    shifts_m = cam[:, 1:] + 2.0 * off_middle_px / apparent_px[:, None]
    distances_m = 2.0 * focal_lengths_px / apparent_px
    cameras = tuple(
        Camera(float(focal_px), int(width), int(height))
        for focal_px, (width, height) in zip(focal_lengths_px, photo_sizes_px, strict=True)
    )
    return PlacedBodies(cameras, np.column_stack([shifts_m, distances_m]))
