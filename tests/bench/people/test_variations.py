import numpy as np
import pytest

from bench.people.bodies import BodyModel, Dimensions
from bench.people.figures import skin_in_scene
from bench.people.shots import project
from bench.people.variations import DIFFICULTIES, Subject, draw_photos, draw_subjects


def _crowd() -> list[Dimensions]:
    random = np.random.default_rng(0)
    return [
        Dimensions(sex, 30, 1700, mass, 950, 800, 1000, 580, 790)
        for sex in ("female", "male")
        for mass in random.uniform(50, 120, 100).tolist()
    ]


def test_subjects_are_balanced_and_nobody_twice() -> None:
    subjects = draw_subjects(_crowd(), 40, np.random.default_rng(1))
    assert len({subject.number for subject in subjects}) == 40
    for half in ("tuning", "test"):
        of_half = [subject for subject in subjects if subject.half == half]
        assert sum(subject.dimensions.sex == "female" for subject in of_half) == 10
        assert sum(not subject.difficulties for subject in of_half) == 10
        assert set().union(*(subject.difficulties for subject in of_half)) == set(DIFFICULTIES)


def test_subjects_span_light_and_heavy_people() -> None:
    masses = [subject.dimensions.mass_kg for subject in draw_subjects(_crowd(), 20, np.random.default_rng(1))]
    assert min(masses) < 58
    assert max(masses) > 112


def test_same_seed_draws_the_same_people() -> None:
    first, second = (draw_subjects(_crowd(), 12, np.random.default_rng(7)) for _ in range(2))
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize("difficulties", [frozenset(), frozenset(DIFFICULTIES)], ids=["plain", "hard"])
def test_people_are_in_the_picture_from_head_to_feet(body_model: BodyModel, difficulties: frozenset[str]) -> None:
    dimensions = Dimensions("male", 35, 1850, 100.0, 1120, 1020, 1100, 650, 880)
    drawn = frozenset(name for name in DIFFICULTIES if name in difficulties)
    photos = draw_photos(body_model, Subject(1, dimensions, drawn, "test"), np.random.default_rng(2))
    assert list(photos) == ["front", "side", "front-again"]
    assert photos["front"].camera.distance_m < photos["front-again"].camera.distance_m
    for shot in photos.values():
        places = project(shot.camera, shot.finish, skin_in_scene(body_model, shot.figures[0]))
        assert (places > 8).all()
        assert (places < (shot.finish.width_px - 8, shot.finish.height_px - 8)).all()
    assert photos["front"].figures[0].outfit.is_loose == ("loose_clothes" in difficulties)
