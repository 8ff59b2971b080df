"""The shipped photos are what their records say, small enough, and free of metadata."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.people.bodies import BodyModel, dimensions_of
from bench.people.shots import shot_from_json
from shared.measurements import MeasurementKey

REPOSITORY = Path(__file__).parents[3]
FIXTURES = REPOSITORY / "tests" / "fixtures" / "people"
SAMPLE = REPOSITORY / "gpu_worker" / "sample"
INDEX: dict[str, Any] = json.loads((FIXTURES / "index.json").read_text(encoding="utf-8"))


def test_every_fixture_is_in_the_index_and_on_disk() -> None:
    assert {path.name for path in FIXTURES.glob("*.jpg")} == set(INDEX)


def test_photos_are_small_and_carry_no_metadata() -> None:
    photos = [*FIXTURES.glob("*.jpg"), *SAMPLE.glob("*.jpg")]
    for path in photos:
        assert path.stat().st_size <= (40_000 if path.parent == FIXTURES else 60_000), path.name
        with Image.open(path) as photo:
            assert not photo.getexif(), path.name
    assert sum(path.stat().st_size for path in FIXTURES.glob("*.jpg")) <= 600_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["man-front.jpg", "turned-away.jpg"])
def test_the_recorded_shape_has_the_recorded_girths(body_model: BodyModel, name: str) -> None:
    entry = INDEX[name]
    found = dimensions_of(body_model, body_model.rest(shot_from_json(entry["shot"]).figures[0].shape))
    assert entry["height_cm"] == pytest.approx(found["stature_mm"] / 10, abs=0.01)
    assert entry["weight_kg"] == pytest.approx(found["mass_kg"], abs=0.01)
    for key, measured in (("chest_girth_cm", "chest_mm"), ("waist_girth_cm", "waist_mm"), ("hip_girth_cm", "hip_mm")):
        assert entry[key] == pytest.approx(found[measured] / 10, abs=0.01)


def test_the_sample_names_measurements_as_the_product_does() -> None:
    sample = json.loads((SAMPLE / "sample.json").read_text(encoding="utf-8"))
    assert set(sample["true_measurements"]) <= set(MeasurementKey)
    assert all((SAMPLE / file).exists() for file in sample["photos"].values())
