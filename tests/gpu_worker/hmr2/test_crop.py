"""Crops against cases worked out by hand, and the blur against scipy's."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from gpu_worker.hmr2.crop import CROP_PX, crop_people, square_sizes

MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


def box_around(x: float, y: float, size: float) -> NDArray[np.float64]:
    """A box whose square has this middle and side."""
    return np.array([[x - size * 0.2, y - size / 2, x + size * 0.2, y + size / 2]])


def pixels(crop: NDArray[np.float32]) -> NDArray[np.float64]:
    """A crop as values of 0 to 255 again, (256, 256, 3)."""
    shown: NDArray[np.float64] = (crop.transpose(1, 2, 0) * DEVIATION + MEAN) * 255.0
    return shown


class TestSquareSizes:
    @pytest.mark.parametrize(
        ("box", "side"),
        [
            ([0, 0, 192, 256], 256.0),
            ([10, 20, 110, 420], 400.0),
            ([0, 0, 300, 100], 400.0),
            ([0, 0, 90, 119], 120.0),
        ],
    )
    def test_by_hand(self, box: list[float], side: float) -> None:
        assert square_sizes(np.array([box], dtype=np.float64)) == pytest.approx([side])

    @pytest.mark.parametrize("box", [[5, 0, 5, 9], [0, 9, 5, 0], [0, 0, np.inf, 9], [0, 0, np.nan, 9]])
    def test_no_box_is_refused(self, box: list[float]) -> None:
        with pytest.raises(ValueError, match="a box is"):
            square_sizes(np.array([box], dtype=np.float64))


class TestCropPeople:
    def test_at_full_size_every_pixel_is_the_photos(self) -> None:
        photo = noise(400, 500)
        crops = crop_people([photo], box_around(250.0, 200.0, 256.0))
        np.testing.assert_allclose(pixels(crops.images[0]), photo[72:328, 122:378], atol=1e-3)
        assert crops.centres_px.tolist() == [[250.0, 200.0]]
        assert crops.sizes_px.tolist() == [256.0]
        assert crops.photo_sizes_px.tolist() == [[500.0, 400.0]]

    def test_normalisation_by_hand(self) -> None:
        photo = np.full((300, 300, 3), (255, 0, 51), dtype=np.uint8)
        crop = crop_people([photo], box_around(150.0, 150.0, 256.0)).images[0]
        assert crop.dtype == np.float32
        assert crop[:, 128, 128] == pytest.approx([0.515 / 0.229, -0.456 / 0.224, -0.206 / 0.225], abs=1e-5)

    def test_outside_the_photo_is_black(self) -> None:
        photo = np.full((300, 300, 3), 255, dtype=np.uint8)
        shown = pixels(crop_people([photo], box_around(0.0, 150.0, 256.0)).images[0])
        assert shown[:, :127].max() == pytest.approx(0.0, abs=1e-3)
        assert shown[:, 129:].min() == pytest.approx(255.0, abs=1e-3)

    def test_a_box_beside_the_photo_gives_black(self) -> None:
        shown = pixels(crop_people([noise(100, 100)], box_around(900.0, 50.0, 256.0)).images[0])
        assert abs(shown).max() < 1e-3

    def test_half_size_is_not_blurred(self) -> None:
        photo = noise(600, 700)
        shown = pixels(crop_people([photo], box_around(350.0, 300.0, 512.0)).images[0])
        np.testing.assert_allclose(shown, photo[44:556:2, 94:606:2], atol=1e-3)

    @pytest.mark.parametrize(("size", "deviation"), [(1024, 0.5), (2048, 1.5)])
    @pytest.mark.parametrize("middle", [(1200, 1100), (300, 2300)])
    def test_smaller_is_blurred_first(self, size: int, deviation: float, middle: tuple[int, int]) -> None:
        photo = noise(2400, 2500)
        x, y = middle
        shown = pixels(crop_people([photo], box_around(x, y, size)).images[0])
        blurred = gaussian_filter(photo.astype(np.float64), (deviation, deviation, 0.0), mode="nearest", truncate=4.0)
        step = size // CROP_PX
        rows, columns = (np.arange(CROP_PX) * step + middle - size // 2 for middle in (y, x))
        seen_rows, seen_columns = ((part >= 0) & (part < limit) for part, limit in ((rows, 2400), (columns, 2500)))
        expected = blurred[np.ix_(rows[seen_rows], columns[seen_columns])]
        np.testing.assert_allclose(shown[np.ix_(seen_rows, seen_columns)], expected, atol=0.02)

    def test_a_batch_is_its_members(self) -> None:
        photos = [noise(300, 200), noise(500, 900), noise(300, 200)]
        boxes = np.array([[10, 10, 110, 290], [100, 50, 700, 450], [0, 0, 200, 300]], dtype=np.float64)
        together = crop_people(photos, boxes)
        for index, photo in enumerate(photos):
            alone = crop_people([photo], boxes[index : index + 1])
            assert np.array_equal(together.images[index], alone.images[0])
            assert together.sizes_px[index] == alone.sizes_px[0]

    def test_nobody_gives_an_empty_batch(self) -> None:
        assert crop_people([], np.empty((0, 4))).images.shape == (0, 3, 256, 256)

    def test_mistakes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="1 photos, but 2 boxes"):
            crop_people([noise(9, 9)], np.zeros((2, 4)))
        with pytest.raises(ValueError, match="a photo is uint8"):
            crop_people([np.zeros((9, 9), dtype=np.uint8)], box_around(4.0, 4.0, 8.0))
