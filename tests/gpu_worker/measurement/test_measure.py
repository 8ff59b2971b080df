from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gpu_worker.body.anny_cache import load_tables
from gpu_worker.body.anny_model import AnnyModel
from gpu_worker.body.body import Body, FloatArray, Region
from gpu_worker.body.kinematics import forward_kinematics, rotation_between, skin_points
from gpu_worker.measurement.definitions import DEFINITIONS, Kind
from gpu_worker.measurement.geometry import Girth
from gpu_worker.measurement.lengths import crotch_tape
from gpu_worker.measurement.measure import linear_girth, measure
from gpu_worker.measurement.subject import Subject, UnknownBodyModel
from shared.measurements import MeasurementKey

pytestmark = pytest.mark.xdist_group("anny")

TRUNK_GIRTHS = (
    MeasurementKey.CHEST_GIRTH,
    MeasurementKey.UNDERBUST_GIRTH,
    MeasurementKey.WAIST_GIRTH,
    MeasurementKey.ABDOMEN_GIRTH,
    MeasurementKey.HIP_GIRTH,
)
ARMS = (
    Region.LEFT_UPPER_ARM,
    Region.RIGHT_UPPER_ARM,
    Region.LEFT_FOREARM,
    Region.RIGHT_FOREARM,
    Region.LEFT_HAND,
    Region.RIGHT_HAND,
)
WOMAN = {"gender": 1.0, "muscle": 0.5, "weight": 0.9}
MAN = {"gender": 0.0, "muscle": 0.6, "weight": 1.1}


@cache
def person(gender: float, muscle: float, weight: float, height_cm: float = 170.0) -> Body:
    shapes = AnnyModel(load_tables()).shape_space(gender=gender, age_years=30.0)
    chosen = {"muscle": muscle, "weight": weight, "height": 0.5, "proportions": 0.5}
    return shapes.body(np.array([chosen.get(name, 0.0) for name in shapes.parameter_names]), height_cm=height_cm)


def with_arms_at(body: Body, out_of_vertical_deg: float) -> Body:
    """The same body with the lines from shoulder to wrist at this angle from the vertical, in the frontal plane."""
    names, joints = body.skeleton.names, body.skeleton.positions_m
    rotations = {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        shoulder, wrist = names.index(f"upperarm01.{side}"), names.index(f"wrist.{side}")
        target = np.array([sign * np.sin(np.radians(out_of_vertical_deg)), -np.cos(np.radians(out_of_vertical_deg)), 0])
        rotations[shoulder] = rotation_between(joints[wrist] - joints[shoulder], target)
    transforms = forward_kinematics(joints, body.skeleton.parents, rotations)
    skin = np.zeros((len(body.vertices_m), len(names)))
    np.add.at(skin, (np.arange(len(skin))[:, None], body.skin_joints), body.skin_weights)
    skeleton = replace(body.skeleton, positions_m=transforms.positions)
    return replace(body, vertices_m=skin_points(body.vertices_m, skin, transforms), skeleton=skeleton)


def moved(body: Body, vertices_m: FloatArray) -> Body:
    return replace(body, vertices_m=vertices_m)


def test_every_key_is_defined_once_and_measured() -> None:
    values = measure(person(**WOMAN))
    assert list(DEFINITIONS) == list(MeasurementKey)
    assert list(values) == list(MeasurementKey)
    assert all(np.isfinite(value) and value > 0.0 for value in values.values())
    assert all((entry.kind is Kind.GIRTH) == (entry.tapes is not None) for entry in DEFINITIONS.values())


GOLDEN: dict[str, dict[str, float]] = {
    "woman": {
        "height_cm": 170.00,
        "chest_girth_cm": 90.96,
        "underbust_girth_cm": 76.21,
        "waist_girth_cm": 78.73,
        "hip_girth_cm": 100.57,
        "abdomen_girth_cm": 81.45,
        "neck_girth_cm": 29.81,
        "upper_arm_girth_cm": 28.05,
        "elbow_girth_cm": 22.95,
        "wrist_girth_cm": 17.54,
        "thigh_girth_cm": 59.39,
        "knee_girth_cm": 36.74,
        "calf_girth_cm": 35.97,
        "ankle_girth_cm": 21.41,
        "head_girth_cm": 53.01,
        "shoulder_breadth_cm": 41.26,
        "back_neck_to_waist_cm": 42.98,
        "arm_length_cm": 54.33,
        "inside_leg_height_cm": 80.14,
        "waist_height_cm": 104.35,
        "hip_height_cm": 89.43,
        "knee_height_cm": 47.36,
        "crotch_length_cm": 63.28,
        "body_volume_l": 61.65,
        "weight_kg": 60.42,
    },
    "man": {
        "height_cm": 170.00,
        "chest_girth_cm": 97.79,
        "underbust_girth_cm": 91.49,
        "waist_girth_cm": 86.45,
        "hip_girth_cm": 96.66,
        "abdomen_girth_cm": 86.47,
        "neck_girth_cm": 37.06,
        "upper_arm_girth_cm": 35.34,
        "elbow_girth_cm": 27.67,
        "wrist_girth_cm": 19.10,
        "thigh_girth_cm": 57.17,
        "knee_girth_cm": 36.64,
        "calf_girth_cm": 38.84,
        "ankle_girth_cm": 23.17,
        "head_girth_cm": 53.29,
        "shoulder_breadth_cm": 42.92,
        "back_neck_to_waist_cm": 44.68,
        "arm_length_cm": 60.22,
        "inside_leg_height_cm": 82.63,
        "waist_height_cm": 103.83,
        "hip_height_cm": 90.01,
        "knee_height_cm": 49.22,
        "crotch_length_cm": 57.06,
        "body_volume_l": 70.11,
        "weight_kg": 68.71,
    },
}


@pytest.mark.parametrize(("name", "parameters"), [("woman", WOMAN), ("man", MAN)])
def test_measurements_of_a_fixed_body(name: str, parameters: dict[str, float]) -> None:
    values = {str(key): value for key, value in measure(person(**parameters)).items()}
    assert values == pytest.approx(GOLDEN[name], abs=0.05)


@pytest.mark.parametrize("parameters", [WOMAN, MAN])
def test_lengths_grow_with_scale_and_volume_with_its_cube(parameters: dict[str, float]) -> None:
    small, tall = measure(person(**parameters)), measure(person(**parameters, height_cm=187.0))
    for key, definition in DEFINITIONS.items():
        power = 3 if definition.kind in (Kind.VOLUME, Kind.MASS) else 1
        assert tall[key] == pytest.approx(small[key] * 1.1**power, rel=1e-6), key


def test_where_the_body_stands_does_not_matter() -> None:
    body = person(**MAN)
    step = np.array([1.7, 0.0, -0.6])
    elsewhere = replace(
        moved(body, body.vertices_m + step),
        skeleton=replace(body.skeleton, positions_m=body.skeleton.positions_m + step),
    )
    assert measure(elsewhere) == pytest.approx(measure(body), abs=1e-6)


@pytest.mark.parametrize("parameters", [WOMAN, MAN])
@pytest.mark.parametrize("key", TRUNK_GIRTHS)
def test_arms_are_left_out_of_trunk_girths(parameters: dict[str, float], key: MeasurementKey) -> None:
    body = person(**parameters)
    kept = ~np.isin(body.face_regions, ARMS)
    armless = replace(body, faces=body.faces[kept], face_regions=body.face_regions[kept])
    assert DEFINITIONS[key].take(Subject(armless)) == DEFINITIONS[key].take(Subject(body))


@pytest.mark.parametrize("parameters", [WOMAN, MAN])
def test_chest_changes_smoothly_as_the_arms_rise(parameters: dict[str, float]) -> None:
    body = person(**parameters)
    take = DEFINITIONS[MeasurementKey.CHEST_GIRTH].take
    chest_cm = np.array([take(Subject(with_arms_at(body, degrees))) for degrees in range(30, 46)])
    # Raised arms draw the skin beside the armpits outwards; what must not happen is that an arm joins the girth.
    assert np.ptp(chest_cm) < 2.5
    assert np.abs(np.diff(chest_cm, 2)).max() < 0.03


def test_lowered_hands_do_not_join_the_hips() -> None:
    body = person(**WOMAN)
    take = DEFINITIONS[MeasurementKey.HIP_GIRTH].take
    assert take(Subject(with_arms_at(body, 8.0))) == pytest.approx(take(Subject(body)), abs=0.05)


@pytest.mark.parametrize("parameters", [WOMAN, MAN])
def test_levels_run_down_the_body_in_a_tailors_order(parameters: dict[str, float]) -> None:
    subject = Subject(person(**parameters))
    levels = [subject.bust, subject.under_bust, subject.waist, subject.hip, subject.thigh_level()]
    heights = [level.origin[1] for level in levels]
    assert heights == sorted(heights, reverse=True)
    assert subject.crotch[1] > subject.thigh_level().origin[1]


@pytest.mark.parametrize("parameters", [WOMAN, MAN])
def test_the_tape_lies_outside_the_body_at_the_hip(parameters: dict[str, float]) -> None:
    body = person(**parameters)
    subject = Subject(body)
    (tape,) = DEFINITIONS[MeasurementKey.HIP_GIRTH].tapes(subject)  # type: ignore[misc]
    level = subject.hip.origin[1]
    near = np.unique(subject.faces_of(Region.LOWER_TRUNK, Region.LEFT_THIGH, Region.RIGHT_THIGH))
    near = near[np.abs(body.vertices_m[near, 1] - level) < 0.002]
    assert tape.points[:, 2].min() <= body.vertices_m[near, 2].min() + 0.002
    assert np.ptp(tape.points[:, 0]) >= np.ptp(body.vertices_m[near, 0]) - 0.002


def test_the_crotch_tape_ignores_thighs_that_touch() -> None:
    heavy = Subject(person(gender=1.0, muscle=0.5, weight=1.8))
    assert crotch_tape(heavy)[:, 1].min() == pytest.approx(heavy.crotch[1], abs=1e-6)


def tape_length_cm(tape: Girth, vertices: FloatArray) -> float:
    """The tape where its edges now cross the plane it had."""
    first, second = vertices[tape.edges[:, 0]], vertices[tape.edges[:, 1]]
    before, after = ((ends - tape.plane.origin) @ tape.plane.normal for ends in (first, second))
    points = first + (before / (before - after))[:, None] * (second - first)
    return 100.0 * float(np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1).sum())


@pytest.mark.parametrize("key", [key for key, entry in DEFINITIONS.items() if entry.tapes])
def test_linear_girth_predicts_a_changed_body_while_the_tape_holds_still(key: MeasurementKey) -> None:
    body = person(**WOMAN)
    towards, step = person(gender=1.0, muscle=0.6, weight=1.1).vertices_m - body.vertices_m, 1e-5
    tapes = DEFINITIONS[key].tapes
    assert tapes is not None
    at_rest = tapes(Subject(body))
    ahead, behind = (
        np.mean([tape_length_cm(tape, body.vertices_m + sign * step * towards) for tape in at_rest]) for sign in (1, -1)
    )
    linear = linear_girth(body, key)
    assert linear.value_cm == pytest.approx(measure_one(body, key), abs=1e-9)
    assert (linear.gradient * towards[linear.vertices]).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-4)


@pytest.mark.parametrize("key", TRUNK_GIRTHS[:3])
def test_linear_girth_predicts_a_changed_body_as_the_level_follows(key: MeasurementKey) -> None:
    body = person(**WOMAN)
    towards, step = person(gender=1.0, muscle=0.6, weight=1.1).vertices_m - body.vertices_m, 1e-5
    linear = linear_girth(body, key, level_follows=True)
    ahead, behind = (measure_one(moved(body, body.vertices_m + sign * step * towards), key) for sign in (1, -1))
    assert (linear.gradient * towards[linear.vertices]).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-3)


def measure_one(body: Body, key: MeasurementKey) -> float:
    return DEFINITIONS[key].take(Subject(body))


def test_a_length_has_no_girth_gradient() -> None:
    with pytest.raises(ValueError, match="not a girth"):
        linear_girth(person(**MAN), MeasurementKey.ARM_LENGTH)


def test_an_unknown_body_model_is_named() -> None:
    with pytest.raises(UnknownBodyModel, match="'clay'"):
        measure(replace(person(**MAN), model="clay"))
