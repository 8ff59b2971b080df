"""From the sensor's picture to the file a phone would write: lens distortion, blur, noise, JPEG."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from bench.people.shots import Finish


def develop(picture: NDArray[np.uint8], finish: Finish, *, seed: int = 0) -> bytes:
    """The JPEG file of a picture (H, W, 3) after lens and sensor; the same bytes for the same seed."""
    values = distort(picture, finish.lens_distortion).astype(np.float64)
    if finish.blur_px:
        values = gaussian_filter(values, (finish.blur_px, finish.blur_px, 0))
    if finish.noise:
        values += np.random.default_rng(seed).normal(0, finish.noise, values.shape)
    buffer = BytesIO()
    final = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    final.save(buffer, "JPEG", quality=finish.jpeg_quality, optimize=True)
    return buffer.getvalue()


def distort(picture: NDArray[np.uint8], k1: float) -> NDArray[np.uint8]:
    """The picture (H, W) or (H, W, C) through a lens with radial distortion r' = r (1 + k1 r^2), r = 1 at the corners.

    Negative k1 is a barrel, as wide phone lenses have.
    """
    if not k1:
        return picture
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    half = np.hypot(height, width) / 2
    down, right = (rows - (height - 1) / 2) / half, (columns - (width - 1) / 2) / half
    # The value at a distorted place comes from the straight one; two rounds invert the mild polynomial.
    straight = 1.0 / (1.0 + k1 * (down**2 + right**2))
    for _ in range(3):
        straight = 1.0 / (1.0 + k1 * (down**2 + right**2) * straight**2)
    where = np.stack([down * straight * half + (height - 1) / 2, right * straight * half + (width - 1) / 2])
    channels = picture.reshape(height, width, -1)
    moved = [map_coordinates(channels[..., c], where, order=1, mode="nearest") for c in range(channels.shape[2])]
    return np.stack(moved, axis=-1).reshape(picture.shape).astype(np.uint8)
