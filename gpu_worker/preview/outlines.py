"""Follows the edge of a mask as smooth lines of sub-pixel precision, and draws such lines over a photo."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray
from gpu_worker.preview.png import encode_png

_DARK_RGB = (16, 24, 40)
_LIGHT_RGB = (120, 255, 190)
_FRACTION_BITS = 4
# Shorter outlines are specks of a few pixels.
_SHORTEST_OUTLINE_PX = 12


def mask_outlines(mask: NDArray[np.uint8]) -> list[FloatArray]:
    """The closed outlines of a mask's parts and of the holes in them, longest first.

    mask: (H, W) uint8, above 127 inside. Each outline is (N, 2) x, y in continuous pixels (pixel centres at
    integer + 0.5), about one point a pixel, the last not repeating the first. It runs along the border between the
    pixels, smoothed over five of them. Specks and pinholes are left out.
    """
    inside = (mask > 127).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines = [
        _smoothed_border(contour[:, 0].astype(np.float64))
        for contour in contours
        if len(contour) >= _SHORTEST_OUTLINE_PX
    ]
    return sorted(outlines, key=len, reverse=True)


def _smoothed_border(pixels: FloatArray) -> FloatArray:
    """From the outermost pixels of the inside, in OpenCV's order, to the border half a pixel further out."""
    centres = pixels + 0.5
    smooth = np.mean([np.roll(centres, shift, axis=0) for shift in range(-2, 3)], axis=0)
    tangent = np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0)
    # OpenCV walks parts anticlockwise as seen on the screen and holes clockwise: outside is always on the right.
    outward = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    border: FloatArray = smooth + 0.5 * outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    return border


def draw_overlay(photo_rgb: NDArray[np.uint8], outlines_px: Sequence[FloatArray]) -> bytes:
    """PNG of a photo with closed outlines drawn over it, light within dark so that they show on any background.

    photo_rgb: (H, W, 3). outlines_px: (N, 2) x, y each, in continuous pixels of the photo; they may leave the picture.
    """
    picture = np.ascontiguousarray(photo_rgb).copy()
    light_px = max(1, round(min(picture.shape[:2]) / 400.0))
    lines = [
        np.rint((outline - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32) for outline in outlines_px if len(outline) > 1
    ]
    for colour, thickness_px in ((_DARK_RGB, light_px + max(2, light_px)), (_LIGHT_RGB, light_px)):
        cv2.polylines(picture, lines, True, colour, thickness_px, cv2.LINE_AA, _FRACTION_BITS)
    return encode_png(picture)
