"""Sends people of known dimensions through the whole pipeline, once for each set of inputs a shopper might give."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.subjects import Subject
from gpu_worker.person.person import View
from gpu_worker.pipeline import AvatarPipeline, AvatarRequest, Measurement
from gpu_worker.rejections import PhotoRejected
from shared.measurements import MeasurementKey
from shared.rejections import RejectionReason

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputSet:
    """What a shopper gives besides the height. limit_cm: the goal for the mean absolute error of the trunk girths."""

    name: str
    views: tuple[View, ...] = ()
    weight: bool = True
    sex_and_age: bool = True
    limit_cm: float | None = None

    def request(self, subject: Subject) -> AvatarRequest:
        """What this person would send."""
        return AvatarRequest(
            height_cm=subject.height_cm,
            front=subject.photos[View.FRONT] if View.FRONT in self.views else None,
            side=subject.photos[View.SIDE] if View.SIDE in self.views else None,
            weight_kg=subject.weight_kg if self.weight else None,
            sex=subject.sex if self.sex_and_age else None,
            age_years=subject.age_years if self.sex_and_age else None,
        )


_BOTH = (View.FRONT, View.SIDE)
NO_PHOTO = InputSet("no photo")
FRONT = InputSet("front", (View.FRONT,), limit_cm=2.0)
SIDE = InputSet("side", (View.SIDE,))
FRONT_AND_SIDE = InputSet("front + side", _BOTH, limit_cm=1.2)
INPUT_SETS = (
    NO_PHOTO,
    FRONT,
    SIDE,
    FRONT_AND_SIDE,
    InputSet("front + side, no weight", _BOTH, weight=False),
    InputSet("front + side, no sex, no age", _BOTH, sex_and_age=False),
)


@dataclass(frozen=True)
class Outcome:
    """One person with one set of inputs: the measurements, or why a photo was refused (then there are none)."""

    subject: Subject
    inputs: InputSet
    measured: Mapping[MeasurementKey, Measurement]
    refused: RejectionReason | None = None

    def error(self, key: MeasurementKey) -> float:
        """Measured less true, in the key's unit. Raises KeyError where either is unknown."""
        return self.measured[key].value - self.subject.truth[key]

    def is_covered(self, key: MeasurementKey) -> bool:
        """Whether the truth lies within the stated `error_p90`."""
        return abs(self.error(key)) <= self.measured[key].error_p90

    @property
    def height_error_mm(self) -> float:
        """Height of the mesh less the height given."""
        return 10.0 * (self.measured[MeasurementKey.HEIGHT].value - self.subject.height_cm)


def measure_people(
    pipeline: AvatarPipeline, subjects: Iterable[Subject], input_sets: Sequence[InputSet] = INPUT_SETS
) -> list[Outcome]:
    """Every person with every set of inputs, person by person. A refused photo is an outcome, not an error."""
    outcomes: list[Outcome] = []
    for subject in subjects:
        _log.info("measuring %s", subject.name)
        outcomes += [_measure_one(pipeline, subject, inputs) for inputs in input_sets]
    return outcomes


def _measure_one(pipeline: AvatarPipeline, subject: Subject, inputs: InputSet) -> Outcome:
    try:
        made = pipeline.run(inputs.request(subject))
    except PhotoRejected as refusal:
        return Outcome(subject, inputs, {}, refusal.reason)
    return Outcome(subject, inputs, made.measurements)
