"""From a shopper's photos and figures to an avatar with measurements: the stages, in order."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from gpu_worker.body.anny_cache import load_tables
from gpu_worker.body.anny_model import AnnyModel, AnnyShapeSpace
from gpu_worker.body.body import Body
from gpu_worker.body.body_file import write_body_file
from gpu_worker.body.fit_problem import Known
from gpu_worker.body.fitting import Fit, Fitter, Start
from gpu_worker.body.prior import AnnyPrior, PersonPrior
from gpu_worker.body.sighting import Sighting
from gpu_worker.glb.writer import write_glb
from gpu_worker.measurement.expected_error import expected_errors
from gpu_worker.measurement.measure import measure
from gpu_worker.person.finder import PersonFinder
from gpu_worker.person.person import View
from gpu_worker.photos import Photo, read_photo
from gpu_worker.preview.avatar_picture import render_preview
from gpu_worker.preview.outlines import draw_overlay, mask_outlines
from gpu_worker.preview.rasterizer import rasterize_mask
from gpu_worker.rejections import PhotoRejected
from gpu_worker.version import PIPELINE_VERSION
from shared.jobs import Stage
from shared.measurements import MeasurementKey
from shared.person import AGE_RANGE_YEARS, Sex, check_plausible
from shared.rejections import RejectionReason, WarningReason

# The age that fits a shopper who does not tell theirs.
_UNSTATED_AGE_YEARS = 35.0
# Outlines this far apart (share of the person's height) do not show the person that was fitted: 2 cm on 170 cm.
_HOPELESS_GAP = 0.012
# The weight given contradicts the photos when it lies this many times `error_p90` from what they show without it: about
# two sigmas, so that few true weights are doubted.
_DOUBTFUL_WEIGHT = 1.25


# Told a stage as it begins, and how much of the whole is done, 0 to 1.
Progress = Callable[[Stage, float], None]

# How much is done when a stage begins; the other stages are the handler's.
_SHARE_DONE = {
    Stage.READ_PHOTO: 0.0,
    Stage.FIND_PERSON: 0.05,
    Stage.ESTIMATE_POSE: 0.25,
    Stage.FIT_BODY: 0.3,
    Stage.MEASURE: 0.75,
    Stage.WRITE_AVATAR: 0.85,
    Stage.DRAW_PREVIEW: 0.9,
}
PIPELINE_STAGES = tuple(_SHARE_DONE)


@dataclass(frozen=True)
class AvatarRequest:
    """What a shopper gives. Photos are the files' bytes; all but the height may be left out.

    Raises PhotoRejected (implausible_height, implausible_weight), or ValueError where nothing but a height is given or
    the age is no adult's.
    """

    height_cm: float
    front: bytes | None = None
    side: bytes | None = None
    weight_kg: float | None = None
    sex: Sex | None = None
    age_years: float | None = None

    def __post_init__(self) -> None:
        implausible = check_plausible(height_cm=self.height_cm, weight_kg=self.weight_kg)
        if implausible is not None:
            raise PhotoRejected(implausible)
        if self.age_years is not None and not AGE_RANGE_YEARS[0] <= self.age_years <= AGE_RANGE_YEARS[1]:
            raise ValueError(f"give an age between {AGE_RANGE_YEARS[0]} and {AGE_RANGE_YEARS[1]}, or none")
        if not self.photos and self.weight_kg is None and self.sex is None:
            raise ValueError("without a photo, give at least a weight or a sex")

    @property
    def photos(self) -> dict[View, bytes]:
        given = {View.FRONT: self.front, View.SIDE: self.side}
        return {view: data for view, data in given.items() if data is not None}


@dataclass(frozen=True)
class Measurement:
    """A value and the error that nine in ten true values stay within; unit as in the key."""

    value: float
    error_p90: float


@dataclass(frozen=True, eq=False)
class AvatarFiles:
    """The result. files: name -> bytes of everything a caller should keep. timings_s: seconds a stage."""

    files: Mapping[str, bytes]
    measurements: Mapping[MeasurementKey, Measurement]
    warnings: tuple[WarningReason, ...]
    timings_s: Mapping[Stage, float]


class AvatarPipeline:
    """The stages with their models loaded; build one and keep it."""

    def __init__(self, anny: AnnyModel, prior: AnnyPrior, finder: PersonFinder) -> None:
        self._anny = anny
        self._prior = prior
        self._finder = finder
        self._fitter = Fitter(anny.topology)

    @classmethod
    def load(cls, *, cache_dir: Path | None = None, announce: Callable[[str], None] | None = None) -> Self:
        """Load every model; the first time on a machine this builds the body model's tables, which is announced."""
        tables = load_tables(cache_dir, announce=announce) if announce else load_tables(cache_dir)
        return cls(AnnyModel(tables), AnnyPrior.load(), PersonFinder())

    def run(self, request: AvatarRequest, *, progress: Progress = lambda stage, done: None) -> AvatarFiles:
        """Turn a request into an avatar. Raises PhotoRejected where a photo cannot be used; nothing is kept then."""
        stages = _Stages(progress)
        with stages.entered(Stage.READ_PHOTO):
            photos = {view: read_photo(data) for view, data in request.photos.items()}
        with stages.entered(Stage.FIND_PERSON):
            sightings = [self._sight(view, photo) for view, photo in photos.items()]
        with stages.entered(Stage.ESTIMATE_POSE):
            expected = self._expect(request)
            space = self._shape_space(request, expected)
            start = self._start(request, space, expected, sightings)
        with stages.entered(Stage.FIT_BODY):
            fit = self._fitter.refine(start)
            if any(map(_is_hopeless, sightings, fit.outline_gaps)):
                raise PhotoRejected(RejectionReason.FIT_FAILED)
            body = space.body(fit.parameters, height_cm=request.height_cm)
        with stages.entered(Stage.MEASURE):
            measurements = _measure(body, request, expected, fit)
            warnings = _cautions(sightings)
            unweighed = self._measure_without_weight(request, sightings)
            if unweighed is not None and _contradicts(request, unweighed):
                warnings.append(WarningReason.WEIGHT_DISAGREES)
                measurements = _widened(measurements, unweighed)
        with stages.entered(Stage.WRITE_AVATAR):
            files = {
                "avatar.glb": write_glb(body),
                "body.npz": write_body_file(space, fit, height_cm=request.height_cm),
            }
        with stages.entered(Stage.DRAW_PREVIEW):
            files["preview.png"] = render_preview(body)
            for (view, photo), fitted in zip(photos.items(), fit.views, strict=True):
                pixels = fitted.pixels(space.rest_points(fit.parameters), slice(0, space.topology.vertex_count))
                height_px, width_px = photo.rgb.shape[:2]
                silhouette = rasterize_mask(pixels, space.topology.faces, (width_px, height_px))
                files[f"overlay-{view}.png"] = draw_overlay(photo.rgb, mask_outlines(silhouette))
        files["measurements.json"] = _report(request, body, measurements, warnings, stages.timings_s)
        return AvatarFiles(files, measurements, tuple(warnings), stages.timings_s)

    def _measure_without_weight(
        self, request: AvatarRequest, sightings: list[Sighting]
    ) -> dict[MeasurementKey, Measurement] | None:
        """What the photos alone say, to hold the given weight against; None where there is nothing to hold."""
        if not sightings or request.weight_kg is None:
            return None
        unweighed = replace(request, weight_kg=None)
        expected = self._expect(unweighed)
        space = self._shape_space(unweighed, expected)
        fit = self._fitter.refine(self._start(unweighed, space, expected, sightings))
        return _measure(space.body(fit.parameters, height_cm=request.height_cm), unweighed, expected, fit)

    def _sight(self, view: View, photo: Photo) -> Sighting:
        height_px, width_px = photo.rgb.shape[:2]
        return Sighting(view, (height_px, width_px), self._finder.find_person(photo.rgb, view))

    def _expect(self, request: AvatarRequest) -> PersonPrior:
        return self._prior.of_person(
            height_cm=request.height_cm, weight_kg=request.weight_kg, sex=request.sex, age_years=request.age_years
        )

    def _shape_space(self, request: AvatarRequest, expected: PersonPrior) -> AnnyShapeSpace:
        age_years = _UNSTATED_AGE_YEARS if request.age_years is None else request.age_years
        return self._anny.shape_space(gender=expected.gender, age_years=age_years)

    def _start(
        self, request: AvatarRequest, space: AnnyShapeSpace, expected: PersonPrior, sightings: list[Sighting]
    ) -> Start:
        known = Known(request.height_cm, request.weight_kg)
        return self._fitter.start(space, expected.parameters, known, sightings)


@dataclass
class _Stages:
    """Tells the progress and takes the times."""

    progress: Progress
    timings_s: dict[Stage, float] = field(default_factory=dict)

    @contextmanager
    def entered(self, stage: Stage) -> Iterator[None]:
        self.progress(stage, _SHARE_DONE[stage])
        began = time.perf_counter()
        yield
        self.timings_s[stage] = time.perf_counter() - began


def _measure(body: Body, request: AvatarRequest, expected: PersonPrior, fit: Fit) -> dict[MeasurementKey, Measurement]:
    values = measure(body)
    if request.weight_kg is not None:
        values[MeasurementKey.WEIGHT] = request.weight_kg
    errors = expected_errors(
        expected.measurement_response @ fit.covariance @ expected.measurement_response.T,
        photo_count=len(fit.views),
        weight_given=request.weight_kg is not None,
    )
    return {key: Measurement(value, errors[key]) for key, value in values.items()}


def _is_hopeless(sighting: Sighting, outline_gap: float) -> bool:
    # Loose clothes rightly stand off the body beneath them.
    return outline_gap > _HOPELESS_GAP and WarningReason.LOOSE_CLOTHES not in sighting.person.warnings


def _cautions(sightings: list[Sighting]) -> list[WarningReason]:
    found = {warning for sighting in sightings for warning in sighting.person.warnings}
    return [reason for reason in WarningReason if reason in found]


def _contradicts(request: AvatarRequest, unweighed: Mapping[MeasurementKey, Measurement]) -> bool:
    shown = unweighed[MeasurementKey.WEIGHT]
    return request.weight_kg is not None and abs(request.weight_kg - shown.value) > _DOUBTFUL_WEIGHT * shown.error_p90


def _widened(
    measurements: Mapping[MeasurementKey, Measurement], unweighed: Mapping[MeasurementKey, Measurement]
) -> dict[MeasurementKey, Measurement]:
    """The same values, whose errors hold all that the photos allow without the weight."""
    return {
        key: replace(each, error_p90=abs(each.value - unweighed[key].value) + unweighed[key].error_p90)
        for key, each in measurements.items()
    }


def _report(
    request: AvatarRequest,
    body: Body,
    measurements: Mapping[MeasurementKey, Measurement],
    warnings: Sequence[WarningReason],
    timings_s: Mapping[Stage, float],
) -> bytes:
    inputs = {
        "photos": [str(view) for view in request.photos],
        "height_cm": request.height_cm,
        "weight_kg": request.weight_kg,
        "sex": request.sex,
        "age_years": request.age_years,
    }
    report = {
        "measurements": {
            key: {name: round(number, 1) for name, number in asdict(measurement).items()}
            for key, measurement in measurements.items()
        },
        "inputs": inputs,
        "warnings": warnings,
        "body_model": body.model,
        "version": PIPELINE_VERSION,
        "timings_s": {stage: round(seconds, 3) for stage, seconds in timings_s.items()},
    }
    return (json.dumps(report, indent=2) + "\n").encode()
