"""People with known dimensions: who the accuracy benchmark measures, and where they come from."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.sample import load_sample
from gpu_worker.person.person import View
from shared.measurements import MeasurementKey
from shared.person import Sex

# What is known of every rendered person.
TRUE_KEYS = (MeasurementKey.CHEST_GIRTH, MeasurementKey.WAIST_GIRTH, MeasurementKey.HIP_GIRTH, MeasurementKey.WEIGHT)


@dataclass(frozen=True)
class Subject:
    """One person. photos: the files' bytes by view. height_cm, weight_kg, sex, age_years: what they would type in.

    truth: their true measurements, in the unit of each key.
    """

    name: str
    photos: Mapping[View, bytes]
    height_cm: float
    weight_kg: float
    sex: Sex
    age_years: float
    truth: Mapping[MeasurementKey, float]


@dataclass(frozen=True)
class Source:
    """A group of people whose figures belong together. name: of the block in the page. title: for readers.

    load: reads them when they are asked for, since rendered people are many. has_goals: whether they are enough to hold
    the goals against.
    """

    name: str
    title: str
    load: Callable[[], Sequence[Subject]]
    has_goals: bool = True


def sample_subject() -> Subject:
    """The person who ships with the worker."""
    sample = load_sample()
    request = sample.request
    assert request.weight_kg is not None
    assert request.sex is not None
    assert request.age_years is not None
    return Subject(
        name="sample",
        photos=request.photos,
        height_cm=request.height_cm,
        weight_kg=request.weight_kg,
        sex=request.sex,
        age_years=request.age_years,
        truth=sample.truth | {MeasurementKey.WEIGHT: request.weight_kg},
    )


def read_people(folder: Path) -> list[Subject]:
    """The people of a folder with `truth.json` and photos named `<person>-front.jpg` and `<person>-side.jpg`.

    This is what `python -m bench.people.render random` writes, and what the development set looks like. Raises OSError
    or KeyError where something is missing.
    """
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return list(_people(folder, truth))


def _people(folder: Path, truth: Mapping[str, Mapping[str, object]]) -> Iterator[Subject]:
    for name, entry in sorted(truth.items()):
        true = {key: float(str(entry[key])) for key in TRUE_KEYS}
        yield Subject(
            name=name,
            photos={view: (folder / f"{name}-{view}.jpg").read_bytes() for view in View},
            height_cm=float(str(entry["height_cm"])),
            weight_kg=true[MeasurementKey.WEIGHT],
            sex=Sex(str(entry["sex"])),
            age_years=float(str(entry["age"])),
            truth=true,
        )
