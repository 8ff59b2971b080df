"""What a stated error is made of, and that every further fact makes it smaller."""

import numpy as np
import pytest

from gpu_worker.measurement.definitions import DEFINITIONS, Kind
from gpu_worker.measurement.expected_error import P90_SIGMAS, expected_errors
from shared.measurements import MeasurementKey

NOTHING_UNCERTAIN = np.zeros((len(MeasurementKey), len(MeasurementKey)))
TRUNK = (MeasurementKey.CHEST_GIRTH, MeasurementKey.WAIST_GIRTH, MeasurementKey.HIP_GIRTH)


def test_nine_in_ten_of_a_normal_distribution_lie_within() -> None:
    drawn = np.random.default_rng(0).normal(size=200_000)
    assert (np.abs(drawn) < P90_SIGMAS).mean() == pytest.approx(0.9, abs=0.003)


@pytest.mark.parametrize("photo_count", [0, 1, 2])
@pytest.mark.parametrize("weight_given", [True, False])
def test_every_measurement_has_an_error(photo_count: int, weight_given: bool) -> None:
    errors = expected_errors(NOTHING_UNCERTAIN, photo_count=photo_count, weight_given=weight_given)
    assert set(errors) == set(MeasurementKey)
    assert min(errors.values()) > 0


def test_a_perfect_fit_still_differs_from_a_tape() -> None:
    errors = expected_errors(NOTHING_UNCERTAIN, photo_count=2, weight_given=True)
    for key, definition in DEFINITIONS.items():
        if definition.kind is not Kind.HEIGHT or key is not MeasurementKey.HEIGHT:
            assert errors[key] >= P90_SIGMAS * 0.5


def test_independent_uncertainties_add_as_squares() -> None:
    key = MeasurementKey.CALF_GIRTH
    at = list(MeasurementKey).index(key)
    covariance = NOTHING_UNCERTAIN.copy()
    covariance[at, at] = 2.0**2
    tape = expected_errors(NOTHING_UNCERTAIN, photo_count=1, weight_given=True)[key]
    errors = expected_errors(covariance, photo_count=1, weight_given=True)
    assert errors[key] == pytest.approx(np.hypot(tape, P90_SIGMAS * 2.0))
    other = MeasurementKey.ANKLE_GIRTH
    assert errors[other] == expected_errors(NOTHING_UNCERTAIN, photo_count=1, weight_given=True)[other]


def test_a_second_photo_makes_trunk_girths_surer() -> None:
    one, two = (expected_errors(NOTHING_UNCERTAIN, photo_count=n, weight_given=True) for n in (1, 2))
    for key in TRUNK:
        assert two[key] < one[key]


def test_a_height_is_known_and_so_is_a_weight_that_was_given() -> None:
    uncertain = np.eye(len(MeasurementKey)) * 5.0**2
    given, guessed = (expected_errors(uncertain, photo_count=0, weight_given=told) for told in (True, False))
    assert given[MeasurementKey.HEIGHT] == guessed[MeasurementKey.HEIGHT] < 0.5
    assert given[MeasurementKey.WEIGHT] < 3.0 < guessed[MeasurementKey.WEIGHT]


def test_a_variance_that_rounding_made_negative_counts_as_none() -> None:
    covariance = NOTHING_UNCERTAIN - 1e-12 * np.eye(len(MeasurementKey))
    assert expected_errors(covariance, photo_count=2, weight_given=True) == expected_errors(
        NOTHING_UNCERTAIN, photo_count=2, weight_given=True
    )
