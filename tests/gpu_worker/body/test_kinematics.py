"""Poses against composed 4x4 transforms, and each derivative against finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.body.body import FloatArray
from gpu_worker.body.kinematics import (
    blend_rotations,
    cross_matrix,
    descendants,
    forward_kinematics,
    left_jacobian,
    rotation_between,
    rotation_from_vector,
    skin_points,
    translations_jacobian,
    vector_from_rotation,
)

# A trunk with two limbs of two joints each.
PARENTS = np.array([-1, 0, 1, 1, 3, 0, 5], dtype=np.int32)

directions = st.tuples(*[st.floats(-1.0, 1.0)] * 3).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.05)
angles = st.floats(0.0, np.pi - 1e-3)


def along(direction: FloatArray, length: float) -> FloatArray:
    vector: FloatArray = direction * (length / np.linalg.norm(direction))
    return vector


def posed_skeleton(seed: int) -> tuple[FloatArray, dict[int, FloatArray]]:
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(len(PARENTS), 3))
    return joints, {joint: rotation_from_vector(rng.normal(size=3)) for joint in (0, 1, 3, 4, 5)}


def homogeneous(rotation: FloatArray, translation: FloatArray) -> FloatArray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


@pytest.mark.parametrize("seed", range(5))
def test_a_chain_of_joints_is_a_product_of_homogeneous_transforms(seed: int) -> None:
    joints, local = posed_skeleton(seed)
    transforms = forward_kinematics(joints, PARENTS, local)
    expected: list[FloatArray] = []
    for joint, parent in enumerate(PARENTS):
        about_joint = (
            homogeneous(np.eye(3), joints[joint])
            @ homogeneous(local.get(joint, np.eye(3)), np.zeros(3))
            @ homogeneous(np.eye(3), -joints[joint])
        )
        expected.append(about_joint if parent < 0 else expected[parent] @ about_joint)
        np.testing.assert_allclose(transforms.rotations[joint], expected[joint][:3, :3], atol=1e-12)
        np.testing.assert_allclose(transforms.translations[joint], expected[joint][:3, 3], atol=1e-12)
        np.testing.assert_allclose(
            transforms.positions[joint], (expected[joint] @ [*joints[joint], 1.0])[:3], atol=1e-12
        )


def test_no_rotation_is_the_rest_pose() -> None:
    joints, _ = posed_skeleton(0)
    transforms = forward_kinematics(joints, PARENTS, {})
    np.testing.assert_array_equal(transforms.positions, joints)
    skin = np.random.default_rng(0).dirichlet(np.ones(len(PARENTS)), size=20)
    points = np.random.default_rng(1).normal(size=(20, 3))
    np.testing.assert_allclose(skin_points(points, skin, transforms), points, atol=1e-12)


def test_skinning_is_the_weighted_mean_of_where_the_joints_carry_a_point() -> None:
    joints, local = posed_skeleton(3)
    transforms = forward_kinematics(joints, PARENTS, local)
    rng = np.random.default_rng(4)
    skin, points = rng.dirichlet(np.ones(len(PARENTS)), size=6), rng.normal(size=(6, 3))
    carried = np.einsum("jab,nb->nja", transforms.rotations, points) + transforms.translations
    np.testing.assert_allclose(skin_points(points, skin, transforms), (skin[:, :, None] * carried).sum(1), atol=1e-12)
    np.testing.assert_allclose(
        blend_rotations(skin, transforms), np.einsum("nj,jab->nab", skin, transforms.rotations), atol=1e-12
    )


def test_translations_follow_the_rest_joints() -> None:
    joints, local = posed_skeleton(6)
    directions_of_change = np.random.default_rng(7).normal(size=(2, *joints.shape))
    jacobian = translations_jacobian(directions_of_change, PARENTS, forward_kinematics(joints, PARENTS, local))
    for change, derivative in zip(directions_of_change, jacobian, strict=True):
        step = 1e-6
        ahead = forward_kinematics(joints + step * change, PARENTS, local).translations
        behind = forward_kinematics(joints - step * change, PARENTS, local).translations
        np.testing.assert_allclose(derivative, (ahead - behind) / (2 * step), atol=1e-8)


def test_descendants_are_found_by_walking_up() -> None:
    below = descendants(PARENTS)
    for joint in range(len(PARENTS)):
        for other in range(len(PARENTS)):
            at = other
            while at != joint and at >= 0:
                at = PARENTS[at]
            assert below[joint, other] == (at == joint)


@given(directions, angles)
def test_a_rotation_vector_survives_the_round_trip(direction: FloatArray, angle: float) -> None:
    vector = along(direction, angle)
    np.testing.assert_allclose(vector_from_rotation(rotation_from_vector(vector)), vector, atol=1e-9)


@given(directions, st.floats(0.0, 20.0))
def test_a_rotation_keeps_lengths_and_handedness(direction: FloatArray, angle: float) -> None:
    rotation = rotation_from_vector(along(direction, angle))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(rotation @ direction, direction, atol=1e-12)


def test_a_quarter_turn_about_the_vertical_takes_forward_to_the_left() -> None:
    quarter = rotation_from_vector(np.array([0.0, np.pi / 2, 0.0]))
    np.testing.assert_allclose(quarter @ [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], atol=1e-12)


@given(directions, st.one_of(st.just(0.0), st.floats(1e-9, 3.0)), directions)
def test_the_left_jacobian_turns_a_change_of_the_vector_into_a_turn(
    direction: FloatArray, angle: float, change: FloatArray
) -> None:
    vector, step = along(direction, angle), 1e-5
    ahead, behind = (rotation_from_vector(vector + sign * step * change) for sign in (1.0, -1.0))
    turn = vector_from_rotation(ahead @ behind.T) / (2 * step)
    np.testing.assert_allclose(left_jacobian(vector) @ change, turn, atol=1e-6)


@given(directions, directions)
def test_the_cross_matrix_is_the_cross_product(vector: FloatArray, other: FloatArray) -> None:
    np.testing.assert_allclose(cross_matrix(vector) @ other, np.cross(vector, other), atol=1e-15)


@given(directions, directions, st.floats(0.1, 10.0))
def test_the_rotation_between_two_directions_is_the_smallest(
    source: FloatArray, target: FloatArray, length: float
) -> None:
    unit_source, unit_target = along(source, 1.0), along(target, 1.0)
    rotation = rotation_between(source, target * length)
    np.testing.assert_allclose(rotation @ unit_source, unit_target, atol=1e-6)
    between = np.arctan2(np.linalg.norm(np.cross(unit_source, unit_target)), unit_source @ unit_target)
    assert np.arccos(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0)) == pytest.approx(between, abs=1e-6)


@given(directions)
def test_opposite_directions_are_half_a_turn_apart(source: FloatArray) -> None:
    rotation = rotation_between(source, -2.0 * source)
    np.testing.assert_allclose(rotation @ source, -source, atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert np.trace(rotation) == pytest.approx(-1.0)


@given(directions)
def test_one_direction_needs_no_turn(source: FloatArray) -> None:
    np.testing.assert_allclose(rotation_between(source, 3.0 * source), np.eye(3), atol=1e-9)
