"""The fit recovers people of known shape from their outlines, and does better the more it is shown."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from gpu_worker.body.anny_model import AnnyModel, AnnyShapeSpace
from gpu_worker.body.body import Body, FloatArray
from gpu_worker.body.fit_problem import Known
from gpu_worker.body.fitting import Fit, Fitter
from gpu_worker.body.prior import AnnyPrior
from gpu_worker.body.sighting import Sighting
from gpu_worker.measurement.measure import measure
from gpu_worker.person.person import View
from shared.measurements import MeasurementKey
from shared.person import Sex
from tests.gpu_worker.body.synthetic_people import SyntheticPerson, synthetic_person

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fitting")]

GIRTHS = (MeasurementKey.CHEST_GIRTH, MeasurementKey.WAIST_GIRTH, MeasurementKey.HIP_GIRTH)
SEEDS = (0, 1, 2)
VIEWS = {"none": (), "front": (View.FRONT,), "side": (View.SIDE,), "both": (View.FRONT, View.SIDE)}


class Fitting:
    """The fit as the pipeline runs it, all facts told."""

    def __init__(self, anny: AnnyModel) -> None:
        self.anny = anny
        self.prior = AnnyPrior.load()
        self.fitter = Fitter(anny.topology)

    def space(self, person: SyntheticPerson) -> AnnyShapeSpace:
        gender = 1.0 if person.sex is Sex.FEMALE else 0.0
        return self.anny.shape_space(gender=gender, age_years=person.age_years)

    def fit(self, person: SyntheticPerson, sightings: list[Sighting]) -> Fit:
        expected = self.prior.of_person(
            height_cm=person.height_cm, weight_kg=person.weight_kg, sex=person.sex, age_years=person.age_years
        )
        known = Known(person.height_cm, person.weight_kg)
        return self.fitter.refine(self.fitter.start(self.space(person), expected.parameters, known, sightings))

    def body(self, person: SyntheticPerson, fit: Fit) -> Body:
        return self.space(person).body(fit.parameters, height_cm=person.height_cm)


@pytest.fixture(scope="module")
def fitting(anny: AnnyModel) -> Fitting:
    return Fitting(anny)


@pytest.fixture(scope="module")
def people(fitting: Fitting) -> list[SyntheticPerson]:
    return [synthetic_person(fitting.anny, fitting.prior, sex, seed) for seed in SEEDS for sex in Sex]


@pytest.fixture(scope="module")
def fits(fitting: Fitting, people: list[SyntheticPerson]) -> Mapping[str, list[Fit]]:
    return {name: [fitting.fit(person, person.seen_from(*views)) for person in people] for name, views in VIEWS.items()}


@pytest.fixture(scope="module")
def errors_cm(
    fitting: Fitting, people: list[SyntheticPerson], fits: Mapping[str, list[Fit]]
) -> Mapping[str, FloatArray]:
    """(people, girths) of each set of views."""

    def error_cm(person: SyntheticPerson, fit: Fit) -> list[float]:
        found = measure(fitting.body(person, fit))
        return [found[key] - person.measurements[key] for key in GIRTHS]

    return {
        name: np.array([error_cm(person, fit) for person, fit in zip(people, of_views, strict=True)])
        for name, of_views in fits.items()
    }


def test_two_views_recover_the_girths(errors_cm: Mapping[str, FloatArray]) -> None:
    assert np.abs(errors_cm["both"]).mean() <= 1.5
    assert np.abs(errors_cm["both"]).max() <= 4.0


def test_more_views_recover_them_better(errors_cm: Mapping[str, FloatArray]) -> None:
    mean = {name: float(np.abs(errors).mean()) for name, errors in errors_cm.items()}
    assert mean["both"] < mean["front"] < mean["none"]
    assert mean["both"] < mean["side"] < mean["none"]


def test_more_views_leave_less_uncertain(fits: Mapping[str, list[Fit]]) -> None:
    for none, front, both in zip(fits["none"], fits["front"], fits["both"], strict=True):
        spread = [float(np.trace(fit.covariance)) for fit in (none, front, both)]
        assert spread == sorted(spread, reverse=True)
        assert np.linalg.eigvalsh(both.covariance).min() > 0


def test_the_outlines_meet(fits: Mapping[str, list[Fit]]) -> None:
    for name, views in VIEWS.items():
        for fit in fits[name]:
            assert len(fit.outline_gaps) == len(fit.views) == len(views)
            assert all(gap < 0.004 for gap in fit.outline_gaps)


def test_the_weight_is_the_one_given(
    fitting: Fitting, people: list[SyntheticPerson], fits: Mapping[str, list[Fit]]
) -> None:
    for person, fit in zip(people, fits["both"], strict=True):
        found = measure(fitting.body(person, fit))
        assert found[MeasurementKey.WEIGHT] == pytest.approx(person.weight_kg, abs=3.0)
        assert found[MeasurementKey.HEIGHT] == pytest.approx(person.height_cm, abs=0.01)


def test_one_person_is_one_person_from_either_side(
    fitting: Fitting, people: list[SyntheticPerson], fits: Mapping[str, list[Fit]]
) -> None:
    """A front and a side photo, taken alone, agree better than two strangers of that height and weight would."""
    apart = [
        [abs(measure(fitting.body(person, front))[key] - measure(fitting.body(person, side))[key]) for key in GIRTHS]
        for person, front, side in zip(people, fits["front"], fits["side"], strict=True)
    ]
    assert np.mean(apart) < 4.0


def test_the_same_photos_give_the_same_fit_to_the_last_bit(fitting: Fitting, people: list[SyntheticPerson]) -> None:
    once, twice = (fitting.fit(people[0], people[0].seen_from(*View)) for _ in range(2))
    assert once.parameters.tobytes() == twice.parameters.tobytes()
    assert once.covariance.tobytes() == twice.covariance.tobytes()
    for one, other in zip(once.views, twice.views, strict=True):
        assert one.joint_vectors.tobytes() == other.joint_vectors.tobytes()
        assert one.camera == other.camera


def test_hidden_landmarks_are_not_believed(fitting: Fitting, people: list[SyntheticPerson]) -> None:
    """Wrists seen by nobody and placed at random change the girths little."""
    person = people[1]
    sighting = person.sightings[View.FRONT]
    landmarks_px, visibility = sighting.person.landmarks_px.copy(), sighting.person.visibility.copy()
    landmarks_px[[15, 16]], visibility[[15, 16]] = (30.0, 40.0), 0.0
    misled = replace(sighting, person=replace(sighting.person, landmarks_px=landmarks_px, visibility=visibility))
    plain, other = (measure(fitting.body(person, fitting.fit(person, [seen]))) for seen in (sighting, misled))
    assert max(abs(plain[key] - other[key]) for key in GIRTHS) < 1.5


def test_a_person_who_looks_the_other_way_in_the_side_photo_is_fitted_as_well(
    fitting: Fitting, people: list[SyntheticPerson]
) -> None:
    person = people[0]
    sighting = person.sightings[View.SIDE]
    landmarks_px = sighting.person.landmarks_px * [-1.0, 1.0] + [sighting.size[1], 0.0]
    # In the mirror, left and right change places: MediaPipe numbers them in pairs.
    mirrored = landmarks_px.copy()
    for left, right in ((2, 5), (7, 8), *((left, left + 1) for left in range(11, 33, 2))):
        mirrored[[left, right]] = landmarks_px[[right, left]]
    mask = np.ascontiguousarray(sighting.person.mask[:, ::-1])
    turned = replace(sighting, person=replace(sighting.person, landmarks_px=mirrored, mask=mask))
    plain, other = (measure(fitting.body(person, fitting.fit(person, [seen]))) for seen in (sighting, turned))
    assert max(abs(plain[key] - other[key]) for key in GIRTHS) < 1.0
