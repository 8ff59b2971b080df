"""The numpy model against Anny itself, its derivatives against finite differences, and the canonical pose."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gpu_worker.body.anny_cache import LOCAL_CHANGES
from gpu_worker.body.anny_model import AnnyModel, AnnyShapeSpace, anny_age
from gpu_worker.body.body import Body, FloatArray, Region
from gpu_worker.body.kinematics import JointTransforms, skin_points

PHENOTYPES = ("muscle", "weight", "height", "proportions")
WEIGHTS = {"thin": 0.0, "average": 0.6, "heavy": 1.8}


def parameters(space: AnnyShapeSpace, values: Mapping[str, float]) -> FloatArray:
    return np.array([values.get(name, 0.5 if name in PHENOTYPES else 0.0) for name in space.parameter_names])


@pytest.fixture(scope="module", params=[(gender, build) for gender in (0.0, 1.0) for build in WEIGHTS], ids=str)
def body(request: pytest.FixtureRequest, anny: AnnyModel) -> Body:
    gender, build = request.param
    space = anny.shape_space(gender=gender, age_years=40.0)
    return space.body(parameters(space, {"weight": WEIGHTS[build]}), height_cm=172.3)


@pytest.fixture(scope="module")
def torch_anny() -> Any:
    """Anny as it comes. Building it takes most of a minute where ANNY_CACHE_DIR holds nothing yet."""
    import anny

    return anny.Anny(local_changes="default", phenotypes="all", phenotype_blendshapes="original", skinning_method="lbs")


def rest_of_anny(torch_anny: Any, phenotypes: Mapping[str, float], changes: Mapping[str, float]) -> FloatArray:
    import torch

    with torch.no_grad():
        output = torch_anny(phenotype_kwargs=dict(phenotypes), local_changes_kwargs=dict(changes))
    x, y, z = output["rest_vertices"][0].numpy().astype(np.float64).T
    return np.stack([x, z, -y], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gender", "age_years"), [(0.0, 18.0), (0.0, 61.5), (1.0, 25.0), (1.0, 90.0), (0.3, 40.0), (None, 33.0)]
)
def test_the_shape_is_that_of_anny(torch_anny: Any, anny: AnnyModel, gender: float | None, age_years: float) -> None:
    space = anny.shape_space(gender=gender, age_years=age_years)
    rng = np.random.default_rng(int(age_years))
    for _ in range(3):
        values = {name: float(rng.uniform(0.0, 1.0)) for name in PHENOTYPES}
        values["gender"] = float(rng.uniform(0.0, 1.0)) if gender is None else gender
        changes = {name: float(rng.uniform(-1.0, 1.0)) for name in LOCAL_CHANGES}
        phenotypes = {"age": anny_age(age_years)} | values
        rest = space.rest_points(parameters(space, values | changes))
        expected = rest_of_anny(torch_anny, phenotypes, changes)
        np.testing.assert_allclose(rest.surface[: len(expected)], expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("change", LOCAL_CHANGES)
def test_each_local_change_is_that_of_anny_in_both_directions(torch_anny: Any, anny: AnnyModel, change: str) -> None:
    space = anny.shape_space(gender=1.0, age_years=50.0)
    average = dict.fromkeys(PHENOTYPES, 0.5)
    phenotypes = {"gender": 1.0, "age": anny_age(50.0)} | average
    for amount in (-0.7, 0.9):
        rest = space.rest_points(parameters(space, average | {change: amount}))
        expected = rest_of_anny(torch_anny, phenotypes, {change: amount})
        np.testing.assert_allclose(rest.surface[: len(expected)], expected, atol=1e-5)


def test_ages_of_adults_are_spread_between_young_and_old() -> None:
    assert anny_age(25.0) == pytest.approx(2 / 3)
    assert anny_age(90.0) == pytest.approx(1.0)
    assert anny_age(57.5) == pytest.approx(5 / 6)
    assert anny_age(18.0) == anny_age(25.0)


@pytest.mark.parametrize("gender", [0.0, 1.0, None])
def test_the_jacobian_is_the_derivative_between_and_beyond_the_anchors(anny: AnnyModel, gender: float | None) -> None:
    space = anny.shape_space(gender=gender, age_years=45.0)
    rng = np.random.default_rng(5)
    for weight in (-0.2, 0.3, 0.8, 1.9):
        # Away from the anchors, where the slope jumps.
        values = {name: float(rng.choice([-0.2, 0.3, 0.8, 1.2])) for name in PHENOTYPES}
        values |= {"weight": weight, "gender": 0.4}
        at = parameters(space, values | {name: float(rng.choice([-0.5, 0.5])) for name in LOCAL_CHANGES})
        surface, joints = space.rest_jacobian(at)
        # Linear between anchors, so a long step only helps against the tables' single precision.
        step = 0.05
        for index, unit in enumerate(np.eye(len(at))):
            ahead, behind = space.rest_points(at + step * unit), space.rest_points(at - step * unit)
            np.testing.assert_allclose(surface[index], (ahead.surface - behind.surface) / (2 * step), atol=3e-5)
            np.testing.assert_allclose(joints[index], (ahead.joints - behind.joints) / (2 * step), atol=3e-5)


def test_a_free_gender_is_a_parameter_that_meets_the_fixed_ones(anny: AnnyModel) -> None:
    free = anny.shape_space(gender=None, age_years=30.0)
    assert free.parameter_names[:5] == (*PHENOTYPES, "gender")
    for gender in (0.0, 0.5, 1.0):
        fixed = anny.shape_space(gender=gender, age_years=30.0)
        np.testing.assert_allclose(
            free.rest_points(parameters(free, {"gender": gender, "weight": 0.7})).surface,
            fixed.rest_points(parameters(fixed, {"weight": 0.7})).surface,
            atol=1e-5,
        )


def test_bounds_hold_an_average_person(anny: AnnyModel) -> None:
    space = anny.shape_space(gender=None, age_years=30.0)
    lower, upper = space.bounds
    average = parameters(space, {"gender": 0.5})
    assert lower.shape == upper.shape == average.shape
    assert ((lower < average) & (average < upper)).all()


def test_keypoints_are_inside_the_body_they_belong_to(anny: AnnyModel) -> None:
    space = anny.shape_space(gender=1.0, age_years=30.0)
    surface = space.rest_points(parameters(space, {})).surface
    names = space.topology.keypoint_names
    at = dict(zip(names, surface[space.topology.vertex_count :], strict=True))
    assert len(names) == 23
    for name in (name for name in names if name.startswith("left")):
        assert at[name][0] > 0.01
        np.testing.assert_allclose(at[name.replace("left", "right")], at[name] * [-1, 1, 1], atol=0.005)
    order = ["nose", "left_shoulder", "left_hip", "left_knee", "left_ankle"]
    heights = [at[name][1] for name in order]
    assert heights == sorted(heights, reverse=True)
    assert at["nose"][2] > at["left_ear"][2]
    assert at["left_big_toe"][2] > at["left_heel"][2]


class TestCanonicalPose:
    def test_the_height_is_exact_and_the_feet_are_on_the_floor(self, body: Body) -> None:
        assert body.vertices_m[:, 1].min() == pytest.approx(0.0, abs=1e-9)
        assert body.vertices_m[:, 1].max() == pytest.approx(1.723, abs=1e-4)
        feet = np.isin(body.face_regions, [Region.LEFT_FOOT, Region.RIGHT_FOOT])
        for side in (1.0, -1.0):
            foot = body.vertices_m[np.unique(body.faces[feet])]
            assert foot[foot[:, 0] * side > 0][:, 1].min() < 0.01

    def test_both_arms_are_30_to_45_degrees_from_the_trunk(self, body: Body) -> None:
        joints = dict(zip(body.skeleton.names, body.skeleton.positions_m, strict=True))
        for side, sign in (("L", 1.0), ("R", -1.0)):
            arm = joints[f"wrist.{side}"] - joints[f"upperarm01.{side}"]
            angle_deg = np.degrees(np.arccos(-arm[1] / np.linalg.norm(arm)))
            assert 30.0 <= angle_deg <= 45.0
            assert arm[0] * sign > 0

    def test_arms_touch_neither_trunk_nor_legs(self, body: Body) -> None:
        arms = [Region.LEFT_FOREARM, Region.RIGHT_FOREARM, Region.LEFT_HAND, Region.RIGHT_HAND]
        rest = [Region.UPPER_TRUNK, Region.LOWER_TRUNK, Region.LEFT_THIGH, Region.RIGHT_THIGH]

        def of(regions: list[Region]) -> FloatArray:
            points: FloatArray = body.vertices_m[np.unique(body.faces[np.isin(body.face_regions, regions)])]
            return points

        distances = np.asarray(cKDTree(of(rest)).query(of(arms))[0])
        assert distances.min() > 0.02

    def test_faces_look_outward(self, body: Body) -> None:
        a, b, c = (body.vertices_m[body.faces[:, corner]] for corner in range(3))
        volume_l = 1000.0 * float((a * np.cross(b, c)).sum()) / 6.0
        assert 40.0 < volume_l < 200.0
        outward = np.cross(b - a, c - a)
        trunk = np.isin(body.face_regions, [Region.UPPER_TRUNK, Region.LOWER_TRUNK])
        from_axis = ((a + b + c) / 3.0)[trunk][:, [0, 2]] - body.vertices_m[:, [0, 2]].mean(axis=0)
        assert ((outward[trunk][:, [0, 2]] * from_axis).sum(axis=1) > 0).mean() > 0.85

    def test_left_and_right_are_mirror_images(self, body: Body) -> None:
        distances = np.asarray(cKDTree(body.vertices_m).query(body.vertices_m * [-1.0, 1.0, 1.0])[0])
        assert distances.max() < 0.002

    def test_the_person_faces_forward(self, body: Body) -> None:
        joints = dict(zip(body.skeleton.names, body.skeleton.positions_m, strict=True))
        feet = np.isin(body.face_regions, [Region.LEFT_FOOT, Region.RIGHT_FOOT])
        toes = body.vertices_m[np.unique(body.faces[feet])][:, 2].max()
        assert toes > joints["foot.L"][2] + 0.08

    def test_every_joint_is_inside_the_body(self, body: Body) -> None:
        lower, upper = body.vertices_m.min(axis=0), body.vertices_m.max(axis=0)
        assert (body.skeleton.positions_m > lower).all()
        assert (body.skeleton.positions_m < upper).all()

    def test_skinning_the_canonical_body_with_no_turn_leaves_it(self, body: Body) -> None:
        count = len(body.skeleton.names)
        still = JointTransforms(np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3)), body.skeleton.positions_m)
        dense: NDArray[np.float64] = np.zeros((len(body.vertices_m), count))
        np.add.at(dense, (np.arange(len(dense))[:, None], body.skin_joints), body.skin_weights)
        np.testing.assert_allclose(skin_points(body.vertices_m, dense, still), body.vertices_m, atol=1e-6)


def test_one_shape_at_two_heights_is_one_mesh_scaled(anny: AnnyModel) -> None:
    space = anny.shape_space(gender=0.0, age_years=30.0)
    small, tall = (space.body(parameters(space, {}), height_cm=height_cm) for height_cm in (150.0, 195.0))
    np.testing.assert_allclose(tall.vertices_m, small.vertices_m * 1.3, atol=1e-12)
    np.testing.assert_allclose(tall.skeleton.positions_m, small.skeleton.positions_m * 1.3, atol=1e-12)
