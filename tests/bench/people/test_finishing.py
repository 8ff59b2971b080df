from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bench.people.finishing import develop, distort
from bench.people.shots import Finish

GREY = np.full((96, 72, 3), 120, dtype=np.uint8)


def test_same_seed_gives_the_same_file() -> None:
    assert develop(GREY, Finish(noise=3), seed=4) == develop(GREY, Finish(noise=3), seed=4)
    assert develop(GREY, Finish(noise=3), seed=4) != develop(GREY, Finish(noise=3), seed=5)


def test_noise_has_the_strength_asked_for() -> None:
    with Image.open(BytesIO(develop(GREY, Finish(noise=4, jpeg_quality=100)))) as photo:
        luma = np.asarray(photo.convert("L")).astype(float)
    # Independent in red, green and blue, which luma weighs 0.299, 0.587, 0.114.
    assert luma.std() == pytest.approx(4 * np.hypot(0.299, np.hypot(0.587, 0.114)), rel=0.1)


def test_a_barrel_lens_draws_the_rim_inwards_and_leaves_the_middle() -> None:
    picture = np.zeros((201, 201), dtype=np.uint8)
    picture[100, 100] = picture[100, 190] = 255
    bent = distort(picture, -0.05)
    half_diagonal = np.hypot(201, 201) / 2
    expected = 100 + 90 * (1 - 0.05 * (90 / half_diagonal) ** 2)
    assert bent[100, 100] == 255
    columns = bent[100, 150:].astype(float)
    assert abs(150 + columns @ np.arange(len(columns)) / columns.sum() - expected) < 0.3


def test_no_distortion_changes_nothing() -> None:
    assert distort(GREY, 0.0) is GREY
