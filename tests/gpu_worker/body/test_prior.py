"""What the prior expects of people, and that a body without a photo has the height and weight it was given."""

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.body.anny_cache import LOCAL_CHANGES
from gpu_worker.body.anny_model import FITTED_PHENOTYPES, AnnyModel
from gpu_worker.body.fit_problem import Known
from gpu_worker.body.fitting import Fitter
from gpu_worker.body.prior import AnnyPrior, PersonPrior
from gpu_worker.measurement.measure import measure
from shared.measurements import MeasurementKey
from shared.person import Sex

AGE_YEARS = 35.0
SEXES = [Sex.FEMALE, Sex.MALE, None]


@pytest.fixture(scope="module")
def prior() -> AnnyPrior:
    return AnnyPrior.load()


@pytest.fixture(scope="module")
def fitter(anny: AnnyModel) -> Fitter:
    return Fitter(anny.topology)


def variances(person: PersonPrior) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of each measurement, as the parameters' spread makes them."""
    response = person.measurement_response
    return np.diag(response @ person.parameters.covariance @ response.T)


@pytest.mark.parametrize("sex", [Sex.FEMALE, Sex.MALE])
def test_every_fact_told_leaves_less_uncertain(prior: AnnyPrior, sex: Sex) -> None:
    height_alone = prior.of_person(height_cm=172.0, weight_kg=None, sex=sex, age_years=None)
    and_weight = prior.of_person(height_cm=172.0, weight_kg=72.0, sex=sex, age_years=None)
    and_age = prior.of_person(height_cm=172.0, weight_kg=72.0, sex=sex, age_years=40.0)
    for less, more in ((height_alone, and_weight), (and_weight, and_age)):
        gained = less.parameters.covariance - more.parameters.covariance
        assert np.linalg.eigvalsh(gained).min() > -1e-6
        assert np.trace(gained) > 1e-3
        assert (variances(more) <= variances(less) + 1e-6).all()
    waist = list(MeasurementKey).index(MeasurementKey.WAIST_GIRTH)
    assert variances(and_weight)[waist] < 0.6 * variances(height_alone)[waist]


def test_not_knowing_the_sex_is_the_most_uncertain(prior: AnnyPrior) -> None:
    told = {"height_cm": 170.0, "weight_kg": 68.0, "age_years": 30.0}
    unknown = prior.of_person(sex=None, **told).parameters.covariance
    gender = len(FITTED_PHENOTYPES)
    others = np.delete(np.arange(len(unknown)), gender)
    known = [prior.of_person(sex=sex, **told).parameters.covariance for sex in Sex]
    assert np.trace(unknown[np.ix_(others, others)]) >= min(np.trace(covariance) for covariance in known)
    assert unknown[gender, gender] > 0.05


@pytest.mark.parametrize("sex", SEXES)
@pytest.mark.parametrize("weight_kg", [None, 80.0])
def test_the_distribution_is_proper_and_of_the_parameters_of_the_shape_space(
    prior: AnnyPrior, anny: AnnyModel, sex: Sex | None, weight_kg: float | None
) -> None:
    person = prior.of_person(height_cm=175.0, weight_kg=weight_kg, sex=sex, age_years=None)
    names = anny.shape_space(gender=person.gender, age_years=AGE_YEARS).parameter_names
    size = len(FITTED_PHENOTYPES) + (sex is None) + len(LOCAL_CHANGES)
    assert len(names) == len(person.parameters.mean) == size
    np.testing.assert_allclose(person.parameters.covariance, person.parameters.covariance.T, atol=1e-9)
    assert np.linalg.eigvalsh(person.parameters.covariance).min() > 0
    np.testing.assert_allclose(person.parameters.precision @ person.parameters.covariance, np.eye(size), atol=1e-6)
    assert person.measurement_response.shape == (len(MeasurementKey), size)


def test_a_tall_heavy_person_of_unknown_sex_is_rather_a_man(prior: AnnyPrior) -> None:
    gender = len(FITTED_PHENOTYPES)
    tall = prior.of_person(height_cm=190.0, weight_kg=95.0, sex=None, age_years=None)
    small = prior.of_person(height_cm=155.0, weight_kg=52.0, sex=None, age_years=None)
    assert tall.gender is None
    assert tall.parameters.mean[gender] < 0.2
    assert small.parameters.mean[gender] > 0.8


@given(
    height_cm=st.floats(120.0, 230.0),
    bmi=st.one_of(st.none(), st.floats(12.0, 75.0)),
    sex=st.sampled_from(SEXES),
    age_years=st.one_of(st.none(), st.floats(18.0, 100.0)),
)
def test_whoever_may_ask_gets_a_proper_distribution(
    prior: AnnyPrior, height_cm: float, bmi: float | None, sex: Sex | None, age_years: float | None
) -> None:
    weight_kg = None if bmi is None else bmi * (height_cm / 100.0) ** 2
    person = prior.of_person(height_cm=height_cm, weight_kg=weight_kg, sex=sex, age_years=age_years)
    assert np.isfinite(person.parameters.mean).all()
    assert np.linalg.eigvalsh(person.parameters.covariance).min() > 0


def test_the_numbers_ship_with_the_package() -> None:
    shipped = files("gpu_worker.body").joinpath("shape_prior.npz").read_bytes()
    assert len(shipped) < 50_000


def fitted(
    anny: AnnyModel, prior: AnnyPrior, fitter: Fitter, *, height_cm: float, weight_kg: float | None, sex: Sex | None
) -> dict[MeasurementKey, float]:
    """Measurements of the body that is made without a photo."""
    person = prior.of_person(height_cm=height_cm, weight_kg=weight_kg, sex=sex, age_years=AGE_YEARS)
    space = anny.shape_space(gender=person.gender, age_years=AGE_YEARS)
    fit = fitter.refine(fitter.start(space, person.parameters, Known(height_cm, weight_kg), []))
    assert fit.views == ()
    return measure(space.body(fit.parameters, height_cm=height_cm))


@pytest.mark.slow
@pytest.mark.parametrize("sex", SEXES)
@pytest.mark.parametrize("bmi", [17.0, 20.0, 25.0, 30.0, 35.0, 40.0])
def test_height_and_weight_are_those_given(
    anny: AnnyModel, prior: AnnyPrior, fitter: Fitter, sex: Sex | None, bmi: float
) -> None:
    height_cm = {Sex.FEMALE: 164.0, Sex.MALE: 178.0, None: 171.0}[sex]
    weight_kg = bmi * (height_cm / 100.0) ** 2
    found = fitted(anny, prior, fitter, height_cm=height_cm, weight_kg=weight_kg, sex=sex)
    assert found[MeasurementKey.HEIGHT] == pytest.approx(height_cm, abs=0.01)
    assert found[MeasurementKey.WEIGHT] == pytest.approx(weight_kg, abs=1.5)


@pytest.mark.slow
@pytest.mark.parametrize("sex", [Sex.FEMALE, Sex.MALE])
@pytest.mark.parametrize("height_cm", [148.0, 200.0])
def test_small_and_tall_people_get_their_height_and_weight(
    anny: AnnyModel, prior: AnnyPrior, fitter: Fitter, sex: Sex, height_cm: float
) -> None:
    weight_kg = 24.0 * (height_cm / 100.0) ** 2
    found = fitted(anny, prior, fitter, height_cm=height_cm, weight_kg=weight_kg, sex=sex)
    assert found[MeasurementKey.HEIGHT] == pytest.approx(height_cm, abs=0.01)
    assert found[MeasurementKey.WEIGHT] == pytest.approx(weight_kg, abs=1.5)


@pytest.mark.parametrize(("sex", "height_cm"), [(Sex.FEMALE, 163.0), (Sex.MALE, 176.0)])
def test_an_average_person_has_average_measurements(
    anny: AnnyModel, prior: AnnyPrior, fitter: Fitter, sex: Sex, height_cm: float
) -> None:
    found = fitted(anny, prior, fitter, height_cm=height_cm, weight_kg=None, sex=sex)
    bmi = found[MeasurementKey.WEIGHT] / (height_cm / 100.0) ** 2
    assert 23.0 < bmi < 30.0
    assert 88.0 < found[MeasurementKey.CHEST_GIRTH] < 110.0
    assert 70.0 < found[MeasurementKey.WAIST_GIRTH] < 100.0
    assert 92.0 < found[MeasurementKey.HIP_GIRTH] < 108.0


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    sex=st.sampled_from(SEXES),
    height_cm=st.floats(155.0, 190.0),
    bmi=st.floats(18.0, 34.0),
    heavier_by=st.floats(1.5, 4.0),
)
def test_the_heavier_of_two_has_the_larger_girths(
    anny: AnnyModel,
    prior: AnnyPrior,
    fitter: Fitter,
    sex: Sex | None,
    height_cm: float,
    bmi: float,
    heavier_by: float,
) -> None:
    square_m = (height_cm / 100.0) ** 2
    lighter, heavier = (
        fitted(anny, prior, fitter, height_cm=height_cm, weight_kg=index * square_m, sex=sex)
        for index in (bmi, bmi + heavier_by)
    )
    for key in (MeasurementKey.WAIST_GIRTH, MeasurementKey.HIP_GIRTH, MeasurementKey.CHEST_GIRTH):
        assert heavier[key] > lighter[key]
