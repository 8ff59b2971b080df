from pathlib import Path

import numpy as np
import pytest

from bench.people.bodies import (
    BodyModel,
    Dimensions,
    FloatArray,
    IndexArray,
    dimensions_of,
    draw_character,
    fit_shape,
    horizontal_girth_m,
    read_ansur,
    volume_m3,
)


def _cylinder(radius_m: float, height_m: float, sides: int) -> tuple[FloatArray, IndexArray]:
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.stack([radius_m * np.cos(angles), radius_m * np.sin(angles), np.zeros(sides)], axis=1)
    vertices = np.concatenate([ring, ring + np.array([0, 0, height_m]), [[0, 0, 0], [0, 0, height_m]]])
    here = np.arange(sides)
    after = (here + 1) % sides
    wall = np.concatenate(
        [np.stack([here, after, here + sides], axis=1), np.stack([after, after + sides, here + sides], axis=1)]
    )
    bottom = np.stack([after, here, np.full(sides, 2 * sides)], axis=1)
    top = np.stack([here + sides, after + sides, np.full(sides, 2 * sides + 1)], axis=1)
    return vertices, np.concatenate([wall, bottom, top])


def test_girth_of_a_cylinder_is_its_circumference() -> None:
    vertices, faces = _cylinder(0.15, 1.0, 720)
    assert horizontal_girth_m(vertices, faces, 0.4) == pytest.approx(2 * np.pi * 0.15, rel=2e-5)


def test_girth_where_there_is_no_body_is_refused() -> None:
    vertices, faces = _cylinder(0.15, 1.0, 12)
    with pytest.raises(ValueError, match="does not cut"):
        horizontal_girth_m(vertices, faces, 1.4)


def test_volume_of_a_cylinder() -> None:
    vertices, faces = _cylinder(0.15, 1.0, 720)
    assert volume_m3(vertices, faces) == pytest.approx(np.pi * 0.15**2, rel=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted",
    [
        Dimensions("female", 28, 1620, 58.0, 890, 740, 960, 560, 750),
        Dimensions("male", 51, 1790, 95.0, 1100, 1010, 1070, 610, 830),
    ],
    ids=lambda wanted: wanted.sex,
)
def test_fitted_body_has_the_dimensions_asked_for(body_model: BodyModel, wanted: Dimensions) -> None:
    character = draw_character(np.random.default_rng(5), strength=0.1, asymmetry=0.05)
    shape = fit_shape(body_model, wanted, character)
    found = dimensions_of(body_model, body_model.rest(shape))
    for name, tolerance in (("stature_mm", 3), ("mass_kg", 0.5), ("chest_mm", 10), ("waist_mm", 10), ("hip_mm", 10)):
        assert found[name] == pytest.approx(getattr(wanted, name), abs=tolerance), name
    assert shape.local_changes["l-upperarm-fat-incr"] == character.local_changes["l-upperarm-fat-incr"]


@pytest.mark.shared
def test_ansur_is_read_whole_and_in_its_units() -> None:
    folder = Path(__file__).parents[4] / "shared" / "data" / "ansur2"
    if not folder.exists():
        pytest.skip("../shared is not beside this checkout")
    people = read_ansur(folder)
    assert [sum(person.sex == sex for person in people) for sex in ("female", "male")] == [1986, 4082]
    assert all(35 < person.mass_kg < 150 and 1400 < person.stature_mm < 2100 for person in people)
