"""Where points fall in a photo, checked by hand and by finite differences."""

import numpy as np
import pytest

from gpu_worker.body.camera import Camera

CAMERA = Camera(focal_px=800.0, width_px=600, height_px=800)


def test_the_axis_meets_the_middle_of_the_photo() -> None:
    np.testing.assert_array_equal(CAMERA.project(np.array([[0.0, 0.0, 2.0]])), [[300.0, 400.0]])


def test_right_and_down_are_right_and_down_and_halve_with_twice_the_distance() -> None:
    near, far = CAMERA.project(np.array([[0.5, 0.25, 2.0], [0.5, 0.25, 4.0]]))
    np.testing.assert_allclose(near, [500.0, 500.0])
    np.testing.assert_allclose(far, [400.0, 450.0])


@pytest.mark.parametrize(("width_px", "height_px"), [(600, 800), (800, 600)])
def test_the_field_of_view_spans_the_longer_side(width_px: int, height_px: int) -> None:
    camera = Camera.with_field_of_view(60.0, width_px=width_px, height_px=height_px)
    reach_m = 3.0 * np.tan(np.radians(30.0))
    edge = np.array([[0.0, reach_m, 3.0]]) if height_px > width_px else np.array([[reach_m, 0.0, 3.0]])
    assert camera.project(edge).max() == pytest.approx(800.0)


def test_the_jacobian_is_the_derivative() -> None:
    points = np.random.default_rng(0).uniform([-1, -1, 2], [1, 1, 4], size=(7, 3))
    jacobian = CAMERA.projection_jacobian(points)
    step = 1e-6
    for axis in range(3):
        offset = step * np.eye(3)[axis]
        slope = (CAMERA.project(points + offset) - CAMERA.project(points - offset)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, :, axis], slope, atol=1e-5)
