"""Anny as a shape space: phenotypes and local changes move the points of a person, in numpy alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.anny_cache import GRID, LOCAL_CHANGES, AnnyTables
from gpu_worker.body.body import Body, FloatArray, Skeleton
from gpu_worker.body.kinematics import forward_kinematics, rotation_between, skin_points
from gpu_worker.body.shape_space import RestPoints, Topology

MODEL_NAME = "anny"

FITTED_PHENOTYPES = ("muscle", "weight", "height", "proportions")

# Beyond the anchors Anny extrapolates linearly; its own heaviest body at average muscle has a BMI near 23, so real
# people need it. The limits are where the mesh still looks like a person (checked by eye on front, side and back).
_PHENOTYPE_BOUNDS = {
    "muscle": (-0.3, 1.3),
    "weight": (-0.4, 2.6),
    "height": (-0.3, 1.3),
    "proportions": (-0.3, 1.3),
    "gender": (0.0, 1.0),
}
_LOCAL_CHANGE_BOUND = 1.6

# Shoulder-to-wrist directions of the canonical pose (left arm): 38 degrees out, 12 degrees forward.
_ARM_OUT_RAD, _ARM_FORWARD_RAD = np.radians(38.0), np.radians(12.0)


class AnnyModel:
    """Anny's tables, shared by every person."""

    def __init__(self, tables: AnnyTables) -> None:
        self.tables = tables

    @cached_property
    def topology(self) -> Topology:
        tables = self.tables
        joint_count = len(tables.joint_names)
        skin = np.zeros((tables.vertex_count + len(tables.keypoint_names), joint_count))
        rows = np.arange(tables.vertex_count)[:, None]
        np.add.at(skin, (rows, tables.skin_joints), tables.skin_weights)
        skin[tables.vertex_count :] = tables.keypoint_skin
        skin /= skin.sum(axis=1, keepdims=True)
        return Topology(
            faces=tables.faces,
            face_regions=tables.face_regions,
            joint_names=tuple(str(name) for name in tables.joint_names),
            joint_parents=tables.joint_parents,
            keypoint_names=tuple(str(name) for name in tables.keypoint_names),
            skin=skin,
            vertex_count=tables.vertex_count,
        )

    def shape_space(self, *, gender: float | None, age_years: float) -> "AnnyShapeSpace":
        """The shapes of a person of this age. gender: 0 male, 1 female, between them allowed; None leaves it free."""
        return AnnyShapeSpace(self, gender, age_years)


def anny_age(age_years: float) -> float:
    """Anny's age phenotype of an adult: 2/3 is 25 years, 1 is 90; under 25 is held at 25."""
    return 2.0 / 3.0 + float(np.clip((age_years - 25.0) / 65.0, 0.0, 1.0)) / 3.0


@dataclass(frozen=True, eq=False)
class AnnyShapeSpace:
    """See `ShapeSpace`. Parameters: the fitted phenotypes, gender if it is not known, then the local changes."""

    anny: AnnyModel
    gender: float | None
    age_years: float

    model = MODEL_NAME

    @property
    def topology(self) -> Topology:
        return self.anny.topology

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        return (*self._phenotypes, *LOCAL_CHANGES)

    @cached_property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        limits = [_PHENOTYPE_BOUNDS[name] for name in self._phenotypes]
        limits += [(-_LOCAL_CHANGE_BOUND, _LOCAL_CHANGE_BOUND)] * len(LOCAL_CHANGES)
        lower, upper = np.array(limits).T
        return lower, upper

    @cached_property
    def _phenotypes(self) -> tuple[str, ...]:
        return FITTED_PHENOTYPES if self.gender is not None else (*FITTED_PHENOTYPES, "gender")

    @cached_property
    def _corners(self) -> NDArray[np.float32]:
        """(C, N * 3) corner meshes over the phenotypes that are still free, in the order of `_phenotypes`."""
        corners = self.anny.tables.corners
        age = anny_age(self.age_years)
        old = np.float32((age - GRID["age"][0]) / (GRID["age"][1] - GRID["age"][0]))
        by_gender = corners[:, 0] + old * (corners[:, 1] - corners[:, 0])
        if self.gender is None:
            free = np.moveaxis(by_gender, 0, -3)
        else:
            free = by_gender[0] + np.float32(self.gender) * (by_gender[1] - by_gender[0])
        return np.ascontiguousarray(free.reshape(-1, corners.shape[-2] * 3))

    @cached_property
    def _local_changes(self) -> NDArray[np.float32]:
        changes = self.anny.tables.local_changes
        return changes.reshape(len(LOCAL_CHANGES), 2, -1)

    def rest_points(self, parameters: FloatArray) -> RestPoints:
        phenotypes, changes = self._split(parameters)
        flat = self._corner_weights(phenotypes) @ self._corners
        flat += np.maximum(changes, 0).astype(np.float32) @ self._local_changes[:, 0]
        flat += np.maximum(-changes, 0).astype(np.float32) @ self._local_changes[:, 1]
        points = flat.reshape(-1, 3).astype(np.float64)
        return RestPoints(points[: self._surface_count], points[self._surface_count :])

    def rest_jacobian(self, parameters: FloatArray) -> tuple[NDArray[np.float32], FloatArray]:
        phenotypes, changes = self._split(parameters)
        derivatives = np.stack([self._corner_weights(phenotypes, derivative_of=i) for i in range(len(phenotypes))])
        flat = np.empty((len(parameters), self._corners.shape[1]), dtype=np.float32)
        np.matmul(derivatives, self._corners, out=flat[: len(phenotypes)])
        positive = changes >= 0
        local = flat[len(phenotypes) :]
        local[positive] = self._local_changes[positive, 0]
        local[~positive] = -self._local_changes[~positive, 1]
        stacked = flat.reshape(len(parameters), -1, 3)
        return stacked[:, : self._surface_count], stacked[:, self._surface_count :].astype(np.float64)

    def canonical_rotations(self, joints: FloatArray) -> dict[int, FloatArray]:
        rotations = {}
        for side, sign in (("L", 1.0), ("R", -1.0)):
            shoulder, wrist = (self.topology.joint(f"{name}.{side}") for name in ("upperarm01", "wrist"))
            target = np.array([sign * np.tan(_ARM_OUT_RAD), -1.0, np.tan(_ARM_FORWARD_RAD)])
            rotations[shoulder] = rotation_between(joints[wrist] - joints[shoulder], target)
        return rotations

    def body(self, parameters: FloatArray, *, height_cm: float) -> Body:
        tables, topology = self.anny.tables, self.topology
        rest = self.rest_points(parameters)
        transforms = forward_kinematics(rest.joints, topology.joint_parents, self.canonical_rotations(rest.joints))
        vertices = skin_points(
            rest.surface[: topology.vertex_count], topology.skin[: topology.vertex_count], transforms
        )
        floor, crown = vertices[:, 1].min(), vertices[:, 1].max()
        origin = np.array([transforms.positions[0, 0], floor, transforms.positions[0, 2]])
        scale = height_cm / 100.0 / (crown - floor)
        return Body(
            model=MODEL_NAME,
            vertices_m=(vertices - origin) * scale,
            faces=tables.faces,
            face_regions=tables.face_regions,
            skeleton=Skeleton(topology.joint_names, tables.joint_parents, (transforms.positions - origin) * scale),
            skin_joints=tables.skin_joints,
            skin_weights=tables.skin_weights.astype(np.float64),
            uv=tables.uv.astype(np.float64),
            face_uv=tables.face_uv,
            visible_faces=tables.visible_faces,
        )

    def _split(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        count = len(self._phenotypes)
        return parameters[:count], parameters[count:]

    @property
    def _surface_count(self) -> int:
        return self.anny.tables.vertex_count + len(self.anny.tables.keypoint_names)

    def _corner_weights(self, phenotypes: FloatArray, *, derivative_of: int | None = None) -> NDArray[np.float32]:
        """(C,) multilinear weights of the corner meshes, or their derivative by one phenotype."""
        weights = np.ones(1)
        for index, (name, value) in enumerate(zip(self._phenotypes, phenotypes, strict=True)):
            hats = _hat_weights(value, GRID[name], derivative=index == derivative_of)
            weights = np.multiply.outer(weights, hats).ravel()
        return weights.astype(np.float32)


def _hat_weights(value: float, anchors: tuple[float, ...], *, derivative: bool) -> FloatArray:
    """Linear interpolation weights over the anchors, extrapolating past both ends, or their derivative by value."""
    weights = np.zeros(len(anchors))
    lower = int(np.clip(np.searchsorted(anchors, value, side="right") - 1, 0, len(anchors) - 2))
    width = anchors[lower + 1] - anchors[lower]
    fraction = (value - anchors[lower]) / width
    weights[lower], weights[lower + 1] = (-1.0 / width, 1.0 / width) if derivative else (1.0 - fraction, fraction)
    return weights
