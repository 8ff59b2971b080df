"""Which figures can be an adult's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.person import AGE_RANGE_YEARS, BMI_RANGE_KG_PER_M2, HEIGHT_RANGE_CM, check_plausible
from shared.rejections import RejectionReason


@pytest.mark.parametrize("height_cm", [119.9, 230.1, 1.72, 1720.0, 0.0, -172.0, math.nan, math.inf, -math.inf])
def test_heights_of_nobody(height_cm: float) -> None:
    assert check_plausible(height_cm=height_cm, weight_kg=None) is RejectionReason.IMPLAUSIBLE_HEIGHT
    assert check_plausible(height_cm=height_cm, weight_kg=70.0) is RejectionReason.IMPLAUSIBLE_HEIGHT


@pytest.mark.parametrize("weight_kg", [0.0, -70.0, 20.0, 250.0, 70_000.0, math.nan, math.inf])
def test_weights_of_nobody_who_is_170_cm_tall(weight_kg: float) -> None:
    assert check_plausible(height_cm=170.0, weight_kg=weight_kg) is RejectionReason.IMPLAUSIBLE_WEIGHT


@given(st.floats(*HEIGHT_RANGE_CM), st.floats(BMI_RANGE_KG_PER_M2[0] + 1e-6, BMI_RANGE_KG_PER_M2[1] - 1e-6))
def test_everybody_in_range_is_believed(height_cm: float, bmi: float) -> None:
    assert check_plausible(height_cm=height_cm, weight_kg=None) is None
    assert check_plausible(height_cm=height_cm, weight_kg=bmi * (height_cm / 100.0) ** 2) is None


@pytest.mark.parametrize(("height_cm", "weight_kg"), [(147.0, 32.0), (229.0, 95.0), (165.0, 180.0), (190.0, 45.0)])
def test_rare_but_living_people_are_believed(height_cm: float, weight_kg: float) -> None:
    assert check_plausible(height_cm=height_cm, weight_kg=weight_kg) is None


def test_ages_are_those_of_adults() -> None:
    assert AGE_RANGE_YEARS[0] == 18
