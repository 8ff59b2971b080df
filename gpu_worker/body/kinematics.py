"""Poses a skinned body: forward kinematics, linear blend skinning, and how both change with the pose and the shape.

A joint's rotation is expressed in the axes of the rest frame, turns everything below it about its rest position, and is
carried along by its parents. Identity rotations give the rest pose.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class JointTransforms:
    """Where each joint carries a rest point x: to rotations[j] @ x + translations[j].

    rotations: (J, 3, 3). translations: (J, 3). positions: (J, 3) posed joints. Units follow the rest joints.
    """

    rotations: FloatArray
    translations: FloatArray
    positions: FloatArray


def forward_kinematics(
    rest_joints: FloatArray, parents: IndexArray, local_rotations: Mapping[int, FloatArray]
) -> JointTransforms:
    """Transforms of all joints for local rotations (3, 3) keyed by joint index; joints left out do not turn.

    rest_joints: (J, 3), parents before children.
    """
    count = len(parents)
    rotations = np.empty((count, 3, 3))
    translations = np.empty((count, 3))
    positions = np.empty((count, 3))
    identity = np.eye(3)
    for joint in range(count):
        parent = parents[joint]
        if parent < 0:
            rotation, position = identity, rest_joints[joint]
        else:
            rotation = rotations[parent]
            position = rotation @ rest_joints[joint] + translations[parent]
        if joint in local_rotations:
            rotation = rotation @ local_rotations[joint]
        rotations[joint] = rotation
        positions[joint] = position
        translations[joint] = position - rotation @ rest_joints[joint]
    return JointTransforms(rotations, translations, positions)


def blend_rotations(skin: FloatArray, transforms: JointTransforms) -> FloatArray:
    """(n, 3, 3) linear parts of the skinning of n points with dense weights skin (n, J)."""
    return (skin @ transforms.rotations.reshape(len(transforms.rotations), 9)).reshape(-1, 3, 3)


def skin_points(points: FloatArray, skin: FloatArray, transforms: JointTransforms) -> FloatArray:
    """(n, 3) posed points from rest points (n, 3) with dense weights skin (n, J)."""
    linear = blend_rotations(skin, transforms)
    posed: FloatArray = np.matmul(linear, points[:, :, None])[:, :, 0] + skin @ transforms.translations
    return posed


def translations_jacobian(
    rest_joints_jacobian: FloatArray, parents: IndexArray, transforms: JointTransforms
) -> FloatArray:
    """(P, J, 3) change of each joint's translation as shape parameters move the rest joints, rotations held.

    rest_joints_jacobian: (P, J, 3) derivative of the rest joints.
    """
    moved = np.einsum("jab,pjb->pja", transforms.rotations, rest_joints_jacobian)
    jacobian = np.empty_like(rest_joints_jacobian)
    for joint, parent in enumerate(parents):
        if parent < 0:
            jacobian[:, joint] = rest_joints_jacobian[:, joint] - moved[:, joint]
        else:
            carried = rest_joints_jacobian[:, joint] @ transforms.rotations[parent].T + jacobian[:, parent]
            jacobian[:, joint] = carried - moved[:, joint]
    return jacobian


def descendants(parents: IndexArray) -> NDArray[np.bool_]:
    """(J, J) True at [j, d] where d is j itself or hangs below it."""
    below = np.eye(len(parents), dtype=bool)
    for joint in range(len(parents) - 1, 0, -1):
        below[parents[joint]] |= below[joint]
    return below


def rotation_from_vector(rotation_vector: FloatArray) -> FloatArray:
    """(3, 3) rotation about rotation_vector (3,) by its length in radians (Rodrigues' formula)."""
    angle = float(np.linalg.norm(rotation_vector))
    cross = cross_matrix(rotation_vector)
    if angle < 1e-8:
        identity: FloatArray = np.eye(3) + cross
        return identity
    first = np.sin(angle) / angle
    second = (1.0 - np.cos(angle)) / angle**2
    rotation: FloatArray = np.eye(3) + first * cross + second * (cross @ cross)
    return rotation


def vector_from_rotation(rotation: FloatArray) -> FloatArray:
    """(3,) rotation vector of a rotation (3, 3) by less than half a turn."""
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine = float(np.linalg.norm(axis)) / 2.0
    angle = float(np.arctan2(sine, (np.trace(rotation) - 1.0) / 2.0))
    vector: FloatArray = axis / 2.0 if sine < 1e-9 else axis * (angle / (2.0 * sine))
    return vector


def left_jacobian(rotation_vector: FloatArray) -> FloatArray:
    """(3, 3) J such that exp(w + dw) = exp(J dw) exp(w) to first order (Sola et al. 2018, eq. 145)."""
    angle = float(np.linalg.norm(rotation_vector))
    cross = cross_matrix(rotation_vector)
    if angle < 1e-6:
        near_identity: FloatArray = np.eye(3) + 0.5 * cross
        return near_identity
    first = (1.0 - np.cos(angle)) / angle**2
    second = (angle - np.sin(angle)) / angle**3
    jacobian: FloatArray = np.eye(3) + first * cross + second * (cross @ cross)
    return jacobian


def cross_matrix(vector: FloatArray) -> FloatArray:
    """(3, 3) matrix K such that K @ v is the cross product of vector with v."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation_between(source: FloatArray, target: FloatArray) -> FloatArray:
    """(3, 3) smallest rotation that turns the direction of source (3,) into that of target (3,)."""
    a = source / np.linalg.norm(source)
    b = target / np.linalg.norm(target)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    angle = float(np.arctan2(sine, a @ b))
    if sine < 1e-12:
        if angle < 1.0:
            return np.eye(3)
        helper = np.eye(3)[int(np.argmin(np.abs(a)))]
        axis = np.cross(a, helper)
        sine = float(np.linalg.norm(axis))
    return rotation_from_vector(axis / sine * angle)
