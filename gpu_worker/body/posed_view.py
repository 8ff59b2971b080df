"""One photo's share of a fit: its camera, the person's place and pose in it, and how the picture changes with them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray
from gpu_worker.body.camera import Camera
from gpu_worker.body.kinematics import (
    JointTransforms,
    blend_rotations,
    descendants,
    forward_kinematics,
    left_jacobian,
    rotation_from_vector,
    skin_points,
    translations_jacobian,
)
from gpu_worker.body.shape_space import RestPoints, Topology

# log focal length, rotation vector (3), translation (3); then 3 for each posed joint.
RIGID_PARAMETERS = 7


@dataclass(frozen=True, eq=False)
class PosedView:
    """Camera, rigid placement and joint rotations of one photo.

    rotation (3, 3), translation_m (3,): body frame to camera frame. posed_joints: B joint indices that turn.
    joint_vectors: (B, 3) their rotation vectors, radians.
    """

    topology: Topology
    camera: Camera
    rotation: FloatArray
    translation_m: FloatArray
    posed_joints: tuple[int, ...]
    joint_vectors: FloatArray

    @property
    def parameter_count(self) -> int:
        return RIGID_PARAMETERS + 3 * len(self.posed_joints)

    def moved(self, step: FloatArray) -> "PosedView":
        """The view after a step (parameter_count,) in its parameters."""
        return replace(
            self,
            camera=replace(self.camera, focal_px=self.camera.focal_px * float(np.exp(step[0]))),
            rotation=rotation_from_vector(step[1:4]) @ self.rotation,
            translation_m=self.translation_m + step[4:7],
            joint_vectors=self.joint_vectors + step[RIGID_PARAMETERS:].reshape(-1, 3),
        )

    def transforms(self, rest: RestPoints) -> JointTransforms:
        rotations = {
            joint: rotation_from_vector(vector)
            for joint, vector in zip(self.posed_joints, self.joint_vectors, strict=True)
        }
        return forward_kinematics(rest.joints, self.topology.joint_parents, rotations)

    def camera_points(self, rest: RestPoints, rows: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """(n, 3) points of the surface (all, or those rows) in the camera frame."""
        posed = skin_points(rest.surface[rows], self.topology.skin[rows], self.transforms(rest))
        placed: FloatArray = posed @ self.rotation.T + self.translation_m
        return placed

    def pixels(self, rest: RestPoints, rows: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """(n, 2) pixels of the surface points (all, or those rows)."""
        return self.camera.project(self.camera_points(rest, rows))

    def pixels_and_jacobian(
        self,
        rest: RestPoints,
        rows: NDArray[np.intp],
        rest_surface_jacobian: NDArray[np.float32] | None,
        rest_joints_jacobian: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Pixels (n, 2), their depths (n,) in metres, and their derivative (n, 2, P + parameter_count).

        rest_surface_jacobian (P, V + K, 3) and rest_joints_jacobian (P, J, 3); None holds the shape (P = 0).
        """
        transforms = self.transforms(rest)
        surface, skin = rest.surface[rows], self.topology.skin[rows]
        linear = blend_rotations(skin, transforms)
        posed = np.matmul(linear, surface[:, :, None])[:, :, 0] + skin @ transforms.translations
        turned = posed @ self.rotation.T
        points = turned + self.translation_m
        projection = self.camera.projection_jacobian(points)
        pixels = self.camera.project(points)

        moves = [self._rigid_moves(turned), self._joint_moves(surface, skin, transforms)]
        if rest_surface_jacobian is not None and rest_joints_jacobian is not None:
            shape = np.matmul(linear, rest_surface_jacobian[:, rows].transpose(1, 2, 0))
            carried = translations_jacobian(rest_joints_jacobian, self.topology.joint_parents, transforms)
            shape += np.tensordot(skin, carried, axes=(1, 1)).transpose(0, 2, 1)
            moves.insert(0, np.matmul(self.rotation, shape))
        shape_count = moves[0].shape[2] if len(moves) == 3 else 0
        jacobian = np.matmul(projection, np.concatenate(moves, axis=2))
        focal = (pixels - self.camera.centre_px)[:, :, None]
        jacobian = np.concatenate([jacobian[:, :, :shape_count], focal, jacobian[:, :, shape_count:]], axis=2)
        return pixels, points[:, 2], jacobian

    def _rigid_moves(self, turned: FloatArray) -> FloatArray:
        """(n, 3, 6) derivative of the camera-frame points by the rotation step and the translation."""
        moves = np.zeros((len(turned), 3, 6))
        moves[:, :, :3] = -_cross_matrices(turned)
        moves[:, :, 3:] = np.eye(3)
        return moves

    def _joint_moves(self, surface: FloatArray, skin: FloatArray, transforms: JointTransforms) -> FloatArray:
        """(n, 3, 3 B) derivative of the camera-frame points by the joint vectors."""
        below = descendants(self.topology.joint_parents)
        moves = np.empty((len(surface), 3, 3 * len(self.posed_joints)))
        for index, (joint, vector) in enumerate(zip(self.posed_joints, self.joint_vectors, strict=True)):
            share = skin * below[joint]
            carried = skin_points(surface, share, transforms)
            arms = carried - share.sum(axis=1, keepdims=True) * transforms.positions[joint]
            parent = self.topology.joint_parents[joint]
            axes = self.rotation @ transforms.rotations[parent] @ left_jacobian(vector)
            moves[:, :, 3 * index : 3 * index + 3] = -_cross_matrices(arms @ self.rotation.T) @ axes
        return moves


def _cross_matrices(vectors: FloatArray) -> FloatArray:
    """(n, 3, 3) cross-product matrices of vectors (n, 3)."""
    matrices = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    matrices[:, 0, 1], matrices[:, 0, 2] = -z, y
    matrices[:, 1, 0], matrices[:, 1, 2] = z, -x
    matrices[:, 2, 0], matrices[:, 2, 1] = -y, x
    return matrices
