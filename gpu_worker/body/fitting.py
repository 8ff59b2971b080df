"""Fits shape, pose and camera to what the photos, the scale and the tape say, by robust Gauss-Newton on all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray, Region
from gpu_worker.body.camera import DEFAULT_FIELD_OF_VIEW_DEG, Camera
from gpu_worker.body.kinematics import rotation_from_vector, vector_from_rotation
from gpu_worker.body.landmarks import MEDIAPIPE_INDEX
from gpu_worker.body.mass import BODY_DENSITY_KG_PER_M3, volume_and_gradient
from gpu_worker.body.normal_equations import NormalEquations, bounded_step
from gpu_worker.body.posed_view import RIGID_PARAMETERS, PosedView
from gpu_worker.body.prior import GaussianPrior
from gpu_worker.body.shape_space import RestPoints, ShapeSpace, Topology
from gpu_worker.body.silhouette import (
    EdgeTable,
    Matches,
    ModelOutline,
    Outline,
    mask_outline,
    match_outlines,
    model_outline,
)
from gpu_worker.person.person import Person, View

# Joints that turn in a photo, with how far (radians, one sigma) they turn from the rest pose.
POSED_JOINTS: dict[str, float] = {
    "shoulder01": 0.12,
    "upperarm01": 0.6,
    "lowerarm01": 0.4,
    "upperleg01": 0.2,
    "lowerleg01": 0.15,
    "foot": 0.2,
}
POSED_MIDDLE_JOINTS: dict[str, float] = {"spine04": 0.06, "spine02": 0.06, "neck01": 0.15, "head": 0.15}

# One sigma of each observation and of the camera.
_HEIGHT_SIGMA_CM = 0.3
_WEIGHT_SIGMA_KG = 1.5
_LOG_FOCAL_SIGMA = 0.08
_TURN_SIGMA_RAD = np.radians([6.0, 15.0, 3.0])  # pitch, yaw, roll of the person against the camera
# Shares of the person's height in the photo.
_LANDMARK_SIGMA = 0.012
_OUTLINE_SIGMA = 0.0035
_OUTLINE_HUBER = 0.003
_OUTLINE_SPACING = 0.004
_GATES = (0.06, 0.045, 0.03, 0.02, 0.016)
_STEPS_A_ROUND = 2
# How far close-fitting clothes stand off the skin, metres.
_CLOTHES_THICKNESS_M = 0.003
_HUBER_LANDMARK = 1.5

# Hair, shoes, fingers: their outline says nothing of the shape.
_OUTLINE_FREE_REGIONS = (
    Region.HEAD,
    Region.LEFT_HAND,
    Region.RIGHT_HAND,
    Region.LEFT_FOOT,
    Region.RIGHT_FOOT,
)


@dataclass(frozen=True, eq=False)
class Sighting:
    """One photo to fit: which view it shows, its size (height, width) in pixels, and the person found in it."""

    view: View
    size: tuple[int, int]
    person: Person


@dataclass(frozen=True)
class Known:
    """What the shopper told: height and, if given, weight."""

    height_cm: float
    weight_kg: float | None


@dataclass(frozen=True, eq=False)
class Fit:
    """The result. parameters: (P,) shape. covariance: (P, P) its uncertainty as the fit sees it.

    views: the fitted photos, in the order of the sightings. outline_gap: each photo's median distance between its
    outline and the model's, as a share of the person's height in it.
    """

    parameters: FloatArray
    covariance: FloatArray
    views: tuple[PosedView, ...]
    outline_gaps: tuple[float, ...] = field(default=())


class Fitter:
    """Fits one body model; holds what no person changes."""

    def __init__(self, topology: Topology) -> None:
        self._edges = EdgeTable.of(topology.faces)
        free = np.isin(topology.face_regions, [int(region) for region in _OUTLINE_FREE_REGIONS])
        self._shapeless = np.zeros(topology.vertex_count, dtype=bool)
        self._shapeless[np.unique(topology.faces[free])] = True

    def fit(self, space: ShapeSpace, prior: GaussianPrior, known: Known, sightings: Sequence[Sighting]) -> Fit:
        """Fit the person. With no sightings: the most likely shape of that height and weight."""
        problem = _Problem(space, prior, known, self._edges, self._shapeless)
        state = _State(np.clip(prior.mean, *space.bounds), ())
        state = problem.settle_shape(state)
        if sightings:
            rest = space.rest_points(state.parameters)
            observed = [_Observed.of(sighting) for sighting in sightings]
            views = tuple(_place(space, rest, seen) for seen in observed)
            state = problem.settle_pose(_State(state.parameters, views), observed)
            for gate in _GATES:
                state = problem.refine(state, observed, gate)
            gaps = tuple(problem.outline_gap(state, i, seen) for i, seen in enumerate(observed))
        else:
            observed, gaps = [], ()
        return Fit(state.parameters, problem.covariance(state, observed), state.views, gaps)


@dataclass(frozen=True, eq=False)
class _State:
    parameters: FloatArray
    views: tuple[PosedView, ...]

    def moved(self, step: FloatArray) -> "_State":
        count = len(self.parameters)
        parameters, views, at = self.parameters + step[:count], [], count
        for view in self.views:
            views.append(view.moved(step[at : at + view.parameter_count]))
            at += view.parameter_count
        return _State(parameters, tuple(views))


@dataclass(frozen=True, eq=False)
class _Observed:
    """A sighting, ready to be compared: its outline, landmarks and the length that makes pixels comparable."""

    sighting: Sighting
    outline: Outline
    person_height_px: float
    facing: FloatArray

    @classmethod
    def of(cls, sighting: Sighting) -> "_Observed":
        rows = np.flatnonzero((sighting.person.mask > 0.5).any(axis=1))
        person_height_px = float(rows[-1] - rows[0] + 1)
        spacing = _OUTLINE_SPACING * person_height_px
        outline = mask_outline(sighting.person.mask, spacing_px=spacing, person_height_px=person_height_px)
        return cls(sighting, outline, person_height_px, _facing_rotation(sighting))


def _facing_rotation(sighting: Sighting) -> FloatArray:
    """(3, 3) from the body frame to a level camera's that the person faces, or shows the side to."""
    towards = np.diag([1.0, -1.0, -1.0])
    if sighting.view is View.FRONT:
        return towards
    turn = np.array([0.0, np.pi / 2 * _facing_sign(sighting.person), 0.0])
    sideways: FloatArray = towards @ rotation_from_vector(turn)
    return sideways


def _place(space: ShapeSpace, rest: RestPoints, seen: _Observed) -> PosedView:
    """A first camera and place from the landmarks, with the rest pose."""
    sighting, rotation = seen.sighting, seen.facing
    height, width = sighting.size
    camera = Camera.with_field_of_view(DEFAULT_FIELD_OF_VIEW_DEG, width_px=width, height_px=height)
    names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_ankle", "right_ankle")
    landmarks = sighting.person.landmarks_px[[MEDIAPIPE_INDEX[name] for name in names]]
    keypoints = _keypoint_rows(space.topology)
    model = rest.surface[[keypoints[name] for name in names]] @ rotation.T
    shown = landmarks - camera.centre_px
    # Least squares of the weak-perspective placement: shown = focal / depth * (model + offset).
    model_extent = model[:, 1] - model[:, 1].mean()
    shown_extent = shown[:, 1] - shown[:, 1].mean()
    scale = float(model_extent @ shown_extent / (model_extent @ model_extent))
    depth = camera.focal_px / max(scale, 1e-6)
    offset = shown.mean(axis=0) / scale - model[:, :2].mean(axis=0)
    joints = _posed_joints(space.topology)
    return PosedView(
        topology=space.topology,
        camera=camera,
        rotation=rotation,
        translation_m=np.array([offset[0], offset[1], depth - model[:, 2].mean()]),
        posed_joints=tuple(joints),
        joint_vectors=np.zeros((len(joints), 3)),
    )


def _facing_sign(person: Person) -> float:
    """+1 if the person in a side photo looks towards the right edge of the photo, -1 towards the left."""
    at = person.landmarks_px[:, 0]
    nose = at[0] - (at[7] + at[8]) / 2.0
    toes = (at[31] + at[32]) / 2.0 - (at[29] + at[30]) / 2.0
    return 1.0 if nose + toes >= 0 else -1.0


def _keypoint_rows(topology: Topology) -> dict[str, int]:
    return {name: topology.vertex_count + index for index, name in enumerate(topology.keypoint_names)}


def _posed_joints(topology: Topology) -> dict[int, float]:
    """Joint index -> one sigma of its turning, radians."""
    sigmas = {topology.joint(f"{name}.{side}"): sigma for name, sigma in POSED_JOINTS.items() for side in "LR"}
    return sigmas | {topology.joint(name): sigma for name, sigma in POSED_MIDDLE_JOINTS.items()}


@dataclass(frozen=True, eq=False)
class _Pairing:
    """Outline pairs of one photo, frozen while a step is taken. offsets_px: (n, 2) the clothes' push outwards."""

    edges: NDArray[np.int32]
    matches: Matches
    weights: FloatArray
    offsets_px: FloatArray


class _Problem:
    """The terms of one person's fit."""

    def __init__(
        self,
        space: ShapeSpace,
        prior: GaussianPrior,
        known: Known,
        edges: EdgeTable,
        shapeless: NDArray[np.bool_],
    ) -> None:
        self._space = space
        self._prior = prior
        self._known = known
        self._edges = edges
        self._shapeless = shapeless
        self._keypoints = _keypoint_rows(space.topology)
        self._joint_sigmas = np.repeat(list(_posed_joints(space.topology).values()), 3)

    # Each method below moves the state; the terms follow.

    def settle_shape(self, state: _State) -> _State:
        """Bring height and weight to what is known, along the prior."""
        for _ in range(8):
            state = self._step(state, [], [], hold_shape=False)
        return state

    def settle_pose(self, state: _State, observed: list[_Observed]) -> _State:
        """Place and pose the person by the landmarks, shape held."""
        pairings: list[_Pairing | None] = [None] * len(observed)
        for _ in range(8):
            state = self._step(state, observed, pairings, hold_shape=True)
        return state

    def refine(self, state: _State, observed: list[_Observed], gate: float) -> _State:
        """Match outlines within the gate, then move everything."""
        pairings = [self._pair(state, i, seen, gate) for i, seen in enumerate(observed)]
        for _ in range(_STEPS_A_ROUND):
            state = self._step(state, observed, pairings, hold_shape=False)
        return state

    def outline_gap(self, state: _State, index: int, seen: _Observed) -> float:
        pairing = self._pair(state, index, seen, _GATES[0])
        rest = self._space.rest_points(state.parameters)
        pixels = state.views[index].pixels(rest)
        gaps = np.abs(_outline_residuals(pixels[pairing.edges].mean(axis=1), pairing))
        return float(np.median(gaps)) / seen.person_height_px if len(gaps) else 1.0

    def covariance(self, state: _State, observed: list[_Observed]) -> FloatArray:
        """(P, P) covariance of the shape, everything else marginalised."""
        pairings = [self._pair(state, i, seen, _GATES[-1]) for i, seen in enumerate(observed)]
        equations = self._equations(state, observed, pairings, hold_shape=False)
        count = len(state.parameters)
        covariance: FloatArray = np.linalg.inv(equations.matrix)[:count, :count]
        return covariance

    def _step(
        self,
        state: _State,
        observed: list[_Observed],
        pairings: Sequence["_Pairing | None"],
        *,
        hold_shape: bool,
    ) -> _State:
        equations = self._equations(state, observed, pairings, hold_shape=hold_shape)
        count = len(state.parameters)
        lower = np.full(equations.size, -np.inf)
        upper = np.full(equations.size, np.inf)
        if hold_shape:
            lower[:count] = upper[:count] = 0.0
        else:
            bounds = self._space.bounds
            lower[:count], upper[:count] = bounds[0] - state.parameters, bounds[1] - state.parameters
        for damping in (1e-6, 1e-3, 1e-2, 1e-1, 1.0):
            moved = state.moved(bounded_step(equations, lower, upper, damping=damping))
            cost = self._equations(moved, observed, pairings, hold_shape=hold_shape, with_jacobian=False).cost
            if cost <= equations.cost:
                return moved
        return state

    def _equations(
        self,
        state: _State,
        observed: list[_Observed],
        pairings: Sequence["_Pairing | None"],
        *,
        hold_shape: bool,
        with_jacobian: bool = True,
    ) -> NormalEquations:
        count = len(state.parameters)
        equations = NormalEquations(count + sum(view.parameter_count for view in state.views))
        rest = self._space.rest_points(state.parameters)
        surface_jacobian, joints_jacobian = None, None
        if with_jacobian and not hold_shape:
            surface_jacobian, joints_jacobian = self._space.rest_jacobian(state.parameters)
        if not hold_shape:
            self._add_prior(equations, state.parameters)
            self._add_height_and_weight(equations, rest, surface_jacobian)
        at = count
        for view, seen, pairing in zip(state.views, observed, pairings, strict=True):
            self._add_view(equations, at, view, seen, pairing, rest, surface_jacobian, joints_jacobian, with_jacobian)
            at += view.parameter_count
        return equations

    def _add_prior(self, equations: NormalEquations, parameters: FloatArray) -> None:
        equations.add_quadratic(slice(0, len(parameters)), self._prior.precision, parameters - self._prior.mean)

    def _add_height_and_weight(
        self, equations: NormalEquations, rest: RestPoints, surface_jacobian: NDArray[np.float32] | None
    ) -> None:
        vertices = rest.surface[: self._space.topology.vertex_count]
        crown, floor = int(vertices[:, 1].argmax()), int(vertices[:, 1].argmin())
        height_cm = 100.0 * (vertices[crown, 1] - vertices[floor, 1])
        gradient = None
        if surface_jacobian is not None:
            gradient = 100.0 * (surface_jacobian[:, crown, 1] - surface_jacobian[:, floor, 1]).astype(np.float64)
        equations.add_scalar(height_cm - self._known.height_cm, gradient, _HEIGHT_SIGMA_CM)
        if self._known.weight_kg is None:
            return
        volume_m3, by_vertex = volume_and_gradient(vertices, self._space.topology.faces)
        if surface_jacobian is not None:
            flat = surface_jacobian[:, : len(vertices)].reshape(len(surface_jacobian), -1)
            gradient = BODY_DENSITY_KG_PER_M3 * (flat @ by_vertex.ravel().astype(np.float32)).astype(np.float64)
        residual = BODY_DENSITY_KG_PER_M3 * volume_m3 - self._known.weight_kg
        equations.add_scalar(residual, gradient, _WEIGHT_SIGMA_KG)

    def _add_view(
        self,
        equations: NormalEquations,
        at: int,
        view: PosedView,
        seen: _Observed,
        pairing: "_Pairing | None",
        rest: RestPoints,
        surface_jacobian: NDArray[np.float32] | None,
        joints_jacobian: FloatArray | None,
        with_jacobian: bool,
    ) -> None:
        landmark_rows = np.array([self._keypoints[name] for name in MEDIAPIPE_INDEX])
        edge_vertices = np.empty(0, dtype=np.int32) if pairing is None else pairing.edges.ravel()
        rows, inverse = np.unique(np.concatenate([landmark_rows, edge_vertices]), return_inverse=True)
        if with_jacobian:
            pixels, _, jacobian = view.pixels_and_jacobian(rest, rows, surface_jacobian, joints_jacobian)
        else:
            pixels, jacobian = view.pixels(rest, rows), None
        shape_count = 0 if surface_jacobian is None else len(surface_jacobian)
        columns = np.concatenate([np.arange(shape_count), np.arange(at, at + view.parameter_count)])

        of_landmarks = inverse[: len(landmark_rows)]
        self._add_landmarks(equations, columns, seen, pixels, jacobian, of_landmarks)
        if pairing is not None and len(pairing.edges):
            ends = inverse[len(landmark_rows) :].reshape(-1, 2)
            self._add_outline(equations, columns, seen, pairing, pixels, jacobian, ends)
        self._add_view_prior(equations, at, view, seen.facing)

    def _add_landmarks(
        self,
        equations: NormalEquations,
        columns: NDArray[np.intp],
        seen: _Observed,
        pixels: FloatArray,
        jacobian: FloatArray | None,
        rows: NDArray[np.intp],
    ) -> None:
        indices = list(MEDIAPIPE_INDEX.values())
        person = seen.sighting.person
        sigma = _LANDMARK_SIGMA * seen.person_height_px
        gaps = (pixels[rows] - person.landmarks_px[indices]) / sigma
        visible = person.visibility[indices]
        equations.add_robust(
            gaps.ravel(),
            None if jacobian is None else jacobian[rows].reshape(2 * len(rows), -1) / sigma,
            columns,
            weights=np.repeat(visible, 2),
            huber=_HUBER_LANDMARK,
        )

    def _add_outline(
        self,
        equations: NormalEquations,
        columns: NDArray[np.intp],
        seen: _Observed,
        pairing: "_Pairing",
        pixels: FloatArray,
        jacobian: FloatArray | None,
        ends: NDArray[np.intp],
    ) -> None:
        sigma = _OUTLINE_SIGMA * seen.person_height_px
        residuals = _outline_residuals(pixels[ends].mean(axis=1), pairing) / sigma
        if jacobian is not None:
            middle = (jacobian[ends[:, 0]] + jacobian[ends[:, 1]]) / (2.0 * sigma)
            normals = pairing.matches.normals[:, :, None]
            jacobian = (middle[pairing.matches.model] * normals).sum(axis=1)
        equations.add_robust(
            residuals, jacobian, columns, weights=pairing.weights, huber=_OUTLINE_HUBER / _OUTLINE_SIGMA
        )

    def _add_view_prior(self, equations: NormalEquations, at: int, view: PosedView, facing: FloatArray) -> None:
        start = Camera.with_field_of_view(
            DEFAULT_FIELD_OF_VIEW_DEG, width_px=view.camera.width_px, height_px=view.camera.height_px
        )
        equations.add_diagonal(at, np.array([np.log(view.camera.focal_px / start.focal_px)]), _LOG_FOCAL_SIGMA)
        # For turns this small, the step's rotation vector adds to the one that already parts the two.
        equations.add_diagonal(at + 1, vector_from_rotation(view.rotation @ facing.T), _TURN_SIGMA_RAD)
        vectors_at = at + RIGID_PARAMETERS
        equations.add_diagonal(vectors_at, view.joint_vectors.ravel(), self._joint_sigmas)

    def _pair(self, state: _State, index: int, seen: _Observed, gate: float) -> "_Pairing":
        view, topology = state.views[index], self._space.topology
        rest = self._space.rest_points(state.parameters)
        points = view.camera_points(rest, slice(0, topology.vertex_count))
        pixels = view.camera.project(points)
        model = model_outline(pixels, topology.faces, self._edges, size=seen.sighting.size)
        depths = points[model.edges, 2].mean(axis=1, keepdims=True)
        offsets = model.outline.normals * (_CLOTHES_THICKNESS_M * view.camera.focal_px / depths)
        pushed = replace(model.outline, points_px=model.outline.points_px + offsets)
        matches = match_outlines(
            pushed, seen.outline, gate_px=gate * seen.person_height_px, person_height_px=seen.person_height_px
        )
        return _Pairing(
            edges=model.edges,
            matches=matches,
            weights=self._match_weights(model, matches, pixels, seen),
            offsets_px=offsets,
        )

    def _match_weights(self, model: ModelOutline, matches: Matches, pixels: FloatArray, seen: _Observed) -> FloatArray:
        """Each direction of matching counts by the length of outline it speaks for; shapeless parts count nothing."""
        lengths = np.linalg.norm(np.diff(pixels[model.edges], axis=1)[:, 0], axis=1)
        shares = np.minimum(lengths / (_OUTLINE_SPACING * seen.person_height_px), 2.0)
        weights = np.ones(len(matches.model))
        weights[: matches.from_model] = shares[matches.model[: matches.from_model]]
        weights[self._shapeless[model.edges].any(axis=1)[matches.model]] = 0.0
        return 0.5 * weights


def _outline_residuals(middles: FloatArray, pairing: _Pairing) -> FloatArray:
    matches = pairing.matches
    gaps = middles[matches.model] + pairing.offsets_px[matches.model] - matches.points_px
    residuals: FloatArray = (gaps * matches.normals).sum(axis=1)
    return residuals
