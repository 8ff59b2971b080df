"""A pinhole camera: where points in front of it fall in the photo."""

from dataclasses import dataclass

import numpy as np

from gpu_worker.body.body import FloatArray

# Vertical field of view of an unknown camera, degrees. Phones' main cameras see 65-70 along the long side; people often
# use 1.2-2x. A photo of a person does not tell it (the distance trades against it), so the fit stays near it.
DEFAULT_FIELD_OF_VIEW_DEG = 57.0


@dataclass(frozen=True)
class Camera:
    """focal_px: focal length in pixels. width_px, height_px: the photo's size; the axis goes through its middle.

    Camera frame: x right, y down, z forward, metres. Pixels: x right, y down, continuous, (0, 0) is the photo's corner.
    """

    focal_px: float
    width_px: int
    height_px: int

    @classmethod
    def with_field_of_view(cls, field_of_view_deg: float, *, width_px: int, height_px: int) -> "Camera":
        """The camera that sees field_of_view_deg along the photo's longer side."""
        longer = max(width_px, height_px)
        return cls(longer / 2.0 / float(np.tan(np.radians(field_of_view_deg) / 2.0)), width_px, height_px)

    @property
    def centre_px(self) -> FloatArray:
        return np.array([self.width_px / 2.0, self.height_px / 2.0])

    def project(self, points_m: FloatArray) -> FloatArray:
        """(n, 2) pixels of points (n, 3) in the camera frame; all must lie in front of the camera."""
        pixels: FloatArray = points_m[:, :2] / points_m[:, 2:] * self.focal_px + self.centre_px
        return pixels

    def projection_jacobian(self, points_m: FloatArray) -> FloatArray:
        """(n, 2, 3) derivative of the pixels of points (n, 3) by the points."""
        jacobian = np.zeros((len(points_m), 2, 3))
        scale = self.focal_px / points_m[:, 2]
        jacobian[:, 0, 0] = scale
        jacobian[:, 1, 1] = scale
        jacobian[:, :, 2] = -points_m[:, :2] / points_m[:, 2:] * scale[:, None]
        return jacobian
