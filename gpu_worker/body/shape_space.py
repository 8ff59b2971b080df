"""What the fit needs to know of a body model: how parameters move a person's points at rest, and how they skin."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import Body, FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class Topology:
    """The parts of a body model that no shape changes. V vertices, J joints, K keypoints.

    faces: (F, 3). face_regions: (F,) `Region`. joint_names: J names, parents before children; joint_parents: (J,).
    keypoint_names: K names (COCO and feet). skin: (V + K, J) dense weights of vertices and keypoints.
    """

    faces: IndexArray
    face_regions: IndexArray
    joint_names: tuple[str, ...]
    joint_parents: IndexArray
    keypoint_names: tuple[str, ...]
    skin: FloatArray
    vertex_count: int

    def joint(self, name: str) -> int:
        """Index of a joint. Raises ValueError if the model has none of that name."""
        return self.joint_names.index(name)


@dataclass(frozen=True, eq=False)
class RestPoints:
    """A shape at rest, in metres, Y up, facing +Z: surface (V + K, 3), vertices then keypoints; joints (J, 3)."""

    surface: FloatArray
    joints: FloatArray


class ShapeSpace(Protocol):
    """The shapes one person may have, given sex and age where known; parameters are a vector (P,)."""

    @property
    def model(self) -> str:
        """Name of the body model."""

    @property
    def topology(self) -> Topology:
        """What no parameter changes."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """P names."""

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds, (P,) each."""

    def rest_points(self, parameters: FloatArray) -> RestPoints:
        """The person at rest."""

    def rest_jacobian(self, parameters: FloatArray) -> tuple[NDArray[np.float32], FloatArray]:
        """Derivatives of surface (P, V + K, 3) and joints (P, J, 3)."""

    def canonical_rotations(self, joints: FloatArray) -> dict[int, FloatArray]:
        """Local rotations, by joint, that bring the rest joints (J, 3) into the canonical pose."""

    def body(self, parameters: FloatArray, *, height_cm: float) -> Body:
        """The person in the canonical pose, scaled to stand exactly height_cm tall."""
