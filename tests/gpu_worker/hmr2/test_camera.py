"""HMR2's cameras against figures worked out by hand."""

import numpy as np
import pytest

from gpu_worker.hmr2.camera import crop_translations, place_in_photos

CAM = np.array([[0.9, 0.01, 0.02]])


def test_the_crops_own_camera_by_hand() -> None:
    # 2 * 5000 / (256 * 0.9)
    assert crop_translations(CAM)[0] == pytest.approx([0.01, 0.02, 43.4027778])


def test_a_body_in_the_middle_of_the_photo_by_hand() -> None:
    placed = place_in_photos(
        CAM,
        centres_px=np.array([[300.0, 400.0]]),
        sizes_px=np.array([512.0]),
        photo_sizes_px=np.array([[600.0, 800.0]]),
    )
    (camera,) = placed.cameras
    assert (camera.focal_px, camera.width_px, camera.height_px) == (15625.0, 600, 800)
    # 2 * 15625 / (512 * 0.9)
    assert placed.translations_m[0] == pytest.approx([0.01, 0.02, 67.8168403])


def test_a_body_off_the_middle_by_hand() -> None:
    placed = place_in_photos(
        CAM,
        centres_px=np.array([[400.0, 340.0]]),
        sizes_px=np.array([512.0]),
        photo_sizes_px=np.array([[600.0, 800.0]]),
    )
    # 0.01 + 2 * 100 / 460.8 and 0.02 - 2 * 60 / 460.8
    assert placed.translations_m[0, :2] == pytest.approx([0.4440278, -0.2404167])


def test_both_cameras_put_the_body_in_the_same_place() -> None:
    """What the crop's camera shows at a pixel, the photo's camera shows at that pixel's place in the photo."""
    cam = np.array([[0.7, -0.2, 0.1], [1.3, 0.05, -0.3]])
    centres_px = np.array([[812.0, 455.0], [120.0, 700.0]])
    sizes_px, photo_sizes_px = np.array([640.0, 333.0]), np.array([[1920.0, 1080.0], [960.0, 1280.0]])
    placed = place_in_photos(cam, centres_px=centres_px, sizes_px=sizes_px, photo_sizes_px=photo_sizes_px)
    # Of the body's own middle plane, on which both are exact.
    points_m = np.array([[0.0, 0.0, 0.0], [0.3, -0.8, 0.0], [-0.2, 0.9, 0.0]])
    for index, in_crop_m in enumerate(crop_translations(cam)):
        seen = points_m + in_crop_m
        in_crop_px = seen[:, :2] / seen[:, 2:] * 5000.0 + 128.0
        expected_px = (in_crop_px - 128.0) * sizes_px[index] / 256.0 + centres_px[index]
        in_photo_px = placed.cameras[index].project(points_m + placed.translations_m[index])
        np.testing.assert_allclose(in_photo_px, expected_px, atol=1e-6)


def test_a_scale_of_nothing_breaks_no_batch() -> None:
    placed = place_in_photos(
        np.array([[0.0, 0.0, 0.0], [-0.5, 0.0, 0.0], [0.9, 0.0, 0.0]]),
        centres_px=np.full((3, 2), 100.0),
        sizes_px=np.full(3, 200.0),
        photo_sizes_px=np.full((3, 2), 200.0),
    )
    assert np.isfinite(placed.translations_m).all()
    assert placed.translations_m[1, 2] < 0.0 < placed.translations_m[2, 2]
