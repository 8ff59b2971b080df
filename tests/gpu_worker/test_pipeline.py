"""The whole way from files to an avatar, on the sample that ships and on rendered people who must be refused."""

import json
import struct
from dataclasses import replace
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.body.anny_model import AnnyModel
from gpu_worker.body.body_file import read_body_file
from gpu_worker.person.finder import PersonFinder
from gpu_worker.person.person import View
from gpu_worker.photos import read_photo
from gpu_worker.pipeline import PIPELINE_STAGES, AvatarFiles, AvatarPipeline, AvatarRequest
from gpu_worker.rejections import PhotoRejected
from shared.jobs import Stage
from shared.measurements import MeasurementKey
from shared.person import Sex
from shared.rejections import RejectionReason, WarningReason
from tests.gpu_worker.glb.decoded_glb import DecodedGlb

PEOPLE = Path(__file__).resolve().parents[1] / "fixtures" / "people"
GIRTHS = (MeasurementKey.CHEST_GIRTH, MeasurementKey.WAIST_GIRTH, MeasurementKey.HIP_GIRTH)
BODY_FILES = {"avatar.glb", "body.npz", "preview.png", "measurements.json"}


@cache
def sample() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(files("gpu_worker.sample").joinpath("sample.json").read_text())
    return told


def sample_photo(view: View) -> bytes:
    return files("gpu_worker.sample").joinpath(sample()["photos"][view]).read_bytes()


def sample_request() -> AvatarRequest:
    return AvatarRequest(
        height_cm=sample()["height_cm"],
        front=sample_photo(View.FRONT),
        side=sample_photo(View.SIDE),
        weight_kg=sample()["weight_kg"],
        sex=Sex(sample()["sex"]),
        age_years=sample()["age"],
    )


def fixture_request(name: str, **changes: Any) -> AvatarRequest:
    told = json.loads((PEOPLE / "index.json").read_text())[f"{name}.jpg"]
    request = AvatarRequest(
        height_cm=told["height_cm"],
        front=(PEOPLE / f"{name}.jpg").read_bytes(),
        weight_kg=told["weight_kg"],
        sex=Sex(told["sex"]),
        age_years=told["age"],
    )
    return replace(request, **changes)


def report(made: AvatarFiles) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(made.files["measurements.json"])
    return content


def glb_json(glb: bytes) -> dict[str, Any]:
    magic, version, length, chunk_length, chunk_type = struct.unpack("<4sIII4s", glb[:20])
    assert (magic, version, length, chunk_type) == (b"glTF", 2, len(glb), b"JSON")
    content: dict[str, Any] = json.loads(glb[20 : 20 + chunk_length])
    return content


def picture(png: bytes) -> Image.Image:
    assert png.startswith(b"\x89PNG")
    image = Image.open(BytesIO(png))
    image.load()
    return image


def check_complete(made: AvatarFiles, anny: AnnyModel, request: AvatarRequest) -> None:
    """What holds for every avatar, whatever it was made from."""
    assert set(made.files) == BODY_FILES | {f"overlay-{view}.png" for view in request.photos}
    assert set(made.measurements) == set(MeasurementKey)
    for measurement in made.measurements.values():
        assert 0 < measurement.value < 300
        assert 0 < measurement.error_p90 < 40
    assert made.measurements[MeasurementKey.HEIGHT].value == pytest.approx(request.height_cm, abs=0.01)
    body = read_body_file(made.files["body.npz"], anny)
    assert np.ptp(body.vertices_m[:, 1]) == pytest.approx(request.height_cm / 100.0, abs=0.002)
    assert glb_json(made.files["avatar.glb"])["meshes"]
    assert len(made.files["avatar.glb"]) <= 500_000
    assert min(picture(made.files["preview.png"]).size) >= 400


@pytest.fixture(scope="module")
def made(pipeline: AvatarPipeline) -> AvatarFiles:
    return pipeline.run(sample_request())


class TestTheSample:
    def test_it_is_complete(self, made: AvatarFiles, anny: AnnyModel) -> None:
        check_complete(made, anny, sample_request())
        assert made.warnings == ()

    def test_the_truth_is_within_the_stated_errors(self, made: AvatarFiles) -> None:
        for key in GIRTHS:
            truth = sample()["true_measurements"][key]
            assert abs(made.measurements[key].value - truth) <= made.measurements[key].error_p90

    def test_the_report_says_what_was_measured_and_from_what(self, made: AvatarFiles) -> None:
        content = report(made)
        assert list(content["measurements"]) == list(MeasurementKey)
        for key, measurement in made.measurements.items():
            assert content["measurements"][key] == {
                "value": round(measurement.value, 1),
                "error_p90": round(measurement.error_p90, 1),
            }
        assert content["inputs"] == {
            "photos": ["front", "side"],
            "height_cm": sample()["height_cm"],
            "weight_kg": sample()["weight_kg"],
            "sex": sample()["sex"],
            "age_years": sample()["age"],
        }
        assert content["body_model"] == "anny"
        assert content["version"]
        assert content["warnings"] == []
        assert set(content["timings_s"]) == set(PIPELINE_STAGES)
        assert all(seconds >= 0 for seconds in content["timings_s"].values())

    def test_the_glb_is_as_tall_as_the_person(self, made: AvatarFiles) -> None:
        points_m = DecodedGlb(made.files["avatar.glb"]).skinned()
        assert np.ptp(points_m[:, 1]) == pytest.approx(sample()["height_cm"] / 100.0, abs=0.002)

    @pytest.mark.parametrize("view", View)
    def test_the_overlay_is_the_photo_with_the_person_outlined(self, made: AvatarFiles, view: View) -> None:
        photo = read_photo(sample_photo(view)).rgb
        overlay = np.asarray(picture(made.files[f"overlay-{view}.png"]))[:, :, :3]
        assert overlay.shape == photo.shape
        drawn = np.abs(overlay.astype(int) - photo.astype(int)).max(axis=2) > 60
        person = PersonFinder().find_person(photo, view).mask > 0.5
        for axis in (0, 1):
            outlined, seen = (np.flatnonzero(where.any(axis=axis)) for where in (drawn, person))
            # Fingers are drawn as the model holds them: they reach less far or farther than the person's.
            tolerance_px = 0.05 * photo.shape[0]
            assert outlined[0] == pytest.approx(seen[0], abs=tolerance_px)
            assert outlined[-1] == pytest.approx(seen[-1], abs=tolerance_px)
        assert drawn.mean() < 0.1

    def test_the_same_input_gives_the_same_bytes(self, pipeline: AvatarPipeline, made: AvatarFiles) -> None:
        again = pipeline.run(sample_request())
        assert set(again.files) == set(made.files)
        for name in set(made.files) - {"measurements.json"}:
            assert again.files[name] == made.files[name], name
        assert report(again) | {"timings_s": None} == report(made) | {"timings_s": None}

    def test_progress_names_each_stage_once_in_order_and_never_goes_back(self, pipeline: AvatarPipeline) -> None:
        told: list[tuple[Stage, float]] = []
        pipeline.run(sample_request(), progress=lambda stage, done: told.append((stage, done)))
        assert [stage for stage, _ in told] == list(PIPELINE_STAGES)
        shares = [done for _, done in told]
        assert shares == sorted(shares)
        assert shares[0] == 0.0
        assert shares[-1] < 1.0


@pytest.mark.parametrize(
    "left_out",
    [
        {"side"},
        {"front"},
        {"front", "side"},
        {"sex"},
        {"age_years"},
        {"weight_kg"},
        {"side", "sex", "age_years", "weight_kg"},
        {"front", "sex", "age_years", "weight_kg"},
        {"front", "side", "sex", "age_years"},
        {"front", "side", "weight_kg", "age_years"},
    ],
    ids=lambda names: "without-" + "-".join(sorted(names)),
)
def test_all_but_the_height_may_be_left_out(pipeline: AvatarPipeline, anny: AnnyModel, left_out: set[str]) -> None:
    changes: dict[str, Any] = dict.fromkeys(left_out)
    request = replace(sample_request(), **changes)
    made = pipeline.run(request)
    check_complete(made, anny, request)
    told = report(made)["inputs"]
    assert all(told[name] is None for name in left_out & told.keys())


def test_a_photo_makes_the_girths_surer_and_a_second_surer_still(pipeline: AvatarPipeline, made: AvatarFiles) -> None:
    front = pipeline.run(replace(sample_request(), side=None))
    none = pipeline.run(replace(sample_request(), front=None, side=None))
    for key in (MeasurementKey.CHEST_GIRTH, MeasurementKey.WAIST_GIRTH):
        assert made.measurements[key].error_p90 < front.measurements[key].error_p90
        assert made.measurements[key].error_p90 < none.measurements[key].error_p90


def test_a_front_and_a_side_photo_of_one_person_agree(pipeline: AvatarPipeline) -> None:
    front = pipeline.run(replace(sample_request(), side=None))
    side = pipeline.run(replace(sample_request(), front=None))
    for key in GIRTHS:
        apart = abs(front.measurements[key].value - side.measurements[key].value)
        assert apart <= np.hypot(front.measurements[key].error_p90, side.measurements[key].error_p90)


def test_a_heavy_man_is_measured_within_the_stated_errors(pipeline: AvatarPipeline) -> None:
    truth = json.loads((PEOPLE / "index.json").read_text())["man-front.jpg"]
    request = fixture_request("man-front", side=(PEOPLE / "man-side.jpg").read_bytes())
    made = pipeline.run(request)
    for key in GIRTHS:
        assert abs(made.measurements[key].value - truth[key]) <= made.measurements[key].error_p90


@pytest.mark.parametrize(
    ("height_cm", "bmi"), [(121.0, 13.0), (121.0, 70.0), (229.0, 13.0), (229.0, 60.0), (170.0, 45.0)]
)
@pytest.mark.parametrize("sex", [Sex.FEMALE, Sex.MALE, None])
def test_people_at_the_edge_of_the_plausible_get_an_avatar(
    pipeline: AvatarPipeline, anny: AnnyModel, height_cm: float, bmi: float, sex: Sex | None
) -> None:
    request = AvatarRequest(height_cm=height_cm, weight_kg=bmi * (height_cm / 100.0) ** 2, sex=sex, age_years=99.0)
    made = pipeline.run(request)
    body = read_body_file(made.files["body.npz"], anny)
    assert np.isfinite(body.vertices_m).all()
    assert np.ptp(body.vertices_m[:, 1]) == pytest.approx(height_cm / 100.0, abs=0.002)
    assert made.measurements[MeasurementKey.WEIGHT].value == request.weight_kg


class TestWarnings:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("arms-against-trunk", WarningReason.ARMS_AGAINST_TRUNK),
            ("hands-on-hips", WarningReason.HANDS_ON_HIPS),
            ("dark", WarningReason.TOO_DARK),
            ("blurred", WarningReason.BLURRED),
            ("hoodie", WarningReason.LOOSE_CLOTHES),
        ],
    )
    def test_a_difficult_photo_is_used_and_warned_of(
        self, pipeline: AvatarPipeline, anny: AnnyModel, name: str, expected: WarningReason
    ) -> None:
        request = fixture_request(name)
        made = pipeline.run(request)
        check_complete(made, anny, request)
        assert expected in made.warnings
        assert report(made)["warnings"] == list(made.warnings)

    def test_a_weight_that_the_photos_contradict_is_warned_of(self, pipeline: AvatarPipeline) -> None:
        made = pipeline.run(replace(sample_request(), weight_kg=2.0 * sample()["weight_kg"]))
        assert WarningReason.WEIGHT_DISAGREES in made.warnings


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("two-people", RejectionReason.SEVERAL_PEOPLE),
            ("turned-away", RejectionReason.TURNED_AWAY),
            ("cut-at-knees", RejectionReason.BODY_CUT_OFF),
            ("cut-at-head", RejectionReason.BODY_CUT_OFF),
        ],
    )
    def test_a_photo_that_cannot_be_measured_from_is_refused(
        self, pipeline: AvatarPipeline, name: str, reason: RejectionReason
    ) -> None:
        reached: list[Stage] = []
        with pytest.raises(PhotoRejected) as refusal:
            pipeline.run(fixture_request(name), progress=lambda stage, done: reached.append(stage))
        assert refusal.value.reason is reason
        assert refusal.value.advice
        assert reached == [Stage.READ_PHOTO, Stage.FIND_PERSON]

    def test_a_real_half_body_photo_is_cut_off(self, pipeline: AvatarPipeline) -> None:
        encoded = BytesIO()
        photo: NDArray[np.uint8] = skimage.data.astronaut()  # type: ignore[no-untyped-call]
        Image.fromarray(photo).save(encoded, "JPEG", quality=92)
        with pytest.raises(PhotoRejected) as refusal:
            pipeline.run(replace(sample_request(), front=encoded.getvalue(), side=None))
        assert refusal.value.reason is RejectionReason.BODY_CUT_OFF
        assert refusal.value.detail

    def test_photos_given_the_wrong_way_round_are_refused(self, pipeline: AvatarPipeline) -> None:
        request = sample_request()
        with pytest.raises(PhotoRejected) as refusal:
            pipeline.run(replace(request, front=request.side, side=request.front))
        assert refusal.value.reason is RejectionReason.TURNED_AWAY

    def test_a_good_front_photo_does_not_excuse_a_bad_side_photo(self, pipeline: AvatarPipeline) -> None:
        with pytest.raises(PhotoRejected) as refusal:
            pipeline.run(replace(sample_request(), side=b"no photo"))
        assert refusal.value.reason is RejectionReason.NOT_AN_IMAGE

    def test_an_empty_room_shows_nobody(self, pipeline: AvatarPipeline) -> None:
        encoded = BytesIO()
        Image.new("RGB", (600, 800), (180, 170, 160)).save(encoded, "PNG")
        with pytest.raises(PhotoRejected) as refusal:
            pipeline.run(replace(sample_request(), front=encoded.getvalue()))
        assert refusal.value.reason is RejectionReason.NO_PERSON

    def test_a_refusal_leaves_the_pipeline_as_it_was(self, pipeline: AvatarPipeline, made: AvatarFiles) -> None:
        with pytest.raises(PhotoRejected):
            pipeline.run(fixture_request("two-people"))
        assert pipeline.run(sample_request()).files["body.npz"] == made.files["body.npz"]


class TestDoubt:
    """Where an input cannot be trusted, the stated errors say so."""

    TRUNK = ("chest_girth_cm", "waist_girth_cm", "hip_girth_cm")

    @pytest.mark.parametrize("weight_kg", [60.0, 140.0])
    def test_a_weight_that_the_photo_contradicts_is_doubted(self, pipeline: AvatarPipeline, weight_kg: float) -> None:
        truth = json.loads((PEOPLE / "index.json").read_text())["man-front.jpg"]
        told = pipeline.run(fixture_request("man-front"))
        doubted = pipeline.run(fixture_request("man-front", weight_kg=weight_kg))
        assert WarningReason.WEIGHT_DISAGREES not in told.warnings
        assert WarningReason.WEIGHT_DISAGREES in doubted.warnings
        for key in map(MeasurementKey, self.TRUNK):
            stated = doubted.measurements[key]
            assert abs(stated.value - truth[key]) <= stated.error_p90
            assert stated.error_p90 > told.measurements[key].error_p90

    @pytest.mark.parametrize("name", ["hoodie", "wide-dress"])
    def test_loose_clothes_leave_the_truth_within_the_stated_error(self, pipeline: AvatarPipeline, name: str) -> None:
        truth = json.loads((PEOPLE / "index.json").read_text())[f"{name}.jpg"]
        made = pipeline.run(fixture_request(name, weight_kg=None))
        assert WarningReason.LOOSE_CLOTHES in made.warnings
        for key in map(MeasurementKey, self.TRUNK):
            stated = made.measurements[key]
            assert abs(stated.value - truth[key]) <= stated.error_p90


class TestRequests:
    """What is refused before anything is loaded or looked at."""

    @pytest.mark.parametrize("height_cm", [1.72, 0.0, 300.0, float("nan")])
    def test_an_implausible_height_is_refused(self, height_cm: float) -> None:
        with pytest.raises(PhotoRejected) as refusal:
            AvatarRequest(height_cm=height_cm, sex=Sex.FEMALE)
        assert refusal.value.reason is RejectionReason.IMPLAUSIBLE_HEIGHT

    @pytest.mark.parametrize("weight_kg", [0.0, 6.5, 650.0, float("nan")])
    def test_an_implausible_weight_is_refused(self, weight_kg: float) -> None:
        with pytest.raises(PhotoRejected) as refusal:
            AvatarRequest(height_cm=172.0, weight_kg=weight_kg)
        assert refusal.value.reason is RejectionReason.IMPLAUSIBLE_WEIGHT

    def test_a_height_alone_is_not_enough(self) -> None:
        with pytest.raises(ValueError, match="weight or a sex"):
            AvatarRequest(height_cm=172.0, age_years=30.0)
