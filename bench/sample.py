"""The person who ships with the worker, as benchmarks need them: photos, what they would type in, and the truth."""

import json
from dataclasses import dataclass, replace
from importlib.resources import files

from gpu_worker.pipeline import AvatarRequest
from shared.measurements import MeasurementKey
from shared.person import Sex


@dataclass(frozen=True)
class Sample:
    """request: both photos, height, weight, sex and age. truth: the true girths in cm."""

    request: AvatarRequest
    truth: dict[MeasurementKey, float]

    @property
    def front_only(self) -> AvatarRequest:
        return replace(self.request, side=None)

    @property
    def no_photo(self) -> AvatarRequest:
        return replace(self.request, front=None, side=None)


def load_sample() -> Sample:
    """Read it from the package."""
    folder = files("gpu_worker.sample")
    told = json.loads(folder.joinpath("sample.json").read_text(encoding="utf-8"))
    photos = {view: folder.joinpath(name).read_bytes() for view, name in told["photos"].items()}
    request = AvatarRequest(
        front=photos["front"],
        side=photos["side"],
        height_cm=told["height_cm"],
        weight_kg=told["weight_kg"],
        sex=Sex(told["sex"]),
        age_years=told["age"],
    )
    return Sample(request, {MeasurementKey(key): value for key, value in told["true_measurements"].items()})
