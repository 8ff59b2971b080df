"""The terms of one person's fit: what the photos, the scale and the prior say of a state, summed for Gauss-Newton."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray
from gpu_worker.body.camera import DEFAULT_FIELD_OF_VIEW_DEG, Camera
from gpu_worker.body.kinematics import vector_from_rotation
from gpu_worker.body.landmarks import MEDIAPIPE_INDEX
from gpu_worker.body.normal_equations import NormalEquations, bounded_step
from gpu_worker.body.posed_view import RIGID_PARAMETERS, PosedView
from gpu_worker.body.prior import GaussianPrior
from gpu_worker.body.shape_space import RestPoints, ShapeSpace
from gpu_worker.body.sighting import OUTLINE_SPACING, Observed, keypoint_rows, posed_joint_sigmas
from gpu_worker.body.silhouette import EdgeTable, Matches, ModelOutline, match_outlines, model_outline
from gpu_worker.measurement.definitions import BODY_DENSITY_KG_M3
from gpu_worker.measurement.geometry import volume_gradient
from shared.rejections import WarningReason

# One sigma of each observation and of the camera.
_HEIGHT_SIGMA_CM = 0.3
_WEIGHT_SIGMA_KG = 1.5
_LOG_FOCAL_SIGMA = 0.08
_TURN_SIGMA_RAD = np.radians([6.0, 15.0, 3.0])  # pitch, yaw, roll of the person against the camera
# Shares of the person's height in the photo.
_LANDMARK_SIGMA = 0.025
_OUTLINE_HUBER = 0.003
# The outline's, by the number of photos. One photo shows no depth: trusted to a fraction of a pixel, its small misfits
# would be paid for in depth, where nothing opposes them. Two photos check each other. Found on rendered people.
_OUTLINE_SIGMA = {1: 0.012, 2: 0.0026}
# Loose clothes hide the outline, so it counts this much less and the shape falls back towards the prior.
_LOOSE_CLOTHES_FACTOR = 30.0
_HUBER_LANDMARK = 1.5
_DAMPINGS = (1e-6, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Known:
    """What the shopper told: height and, if given, weight."""

    height_cm: float
    weight_kg: float | None


@dataclass(frozen=True, eq=False)
class State:
    parameters: FloatArray
    views: tuple[PosedView, ...]

    def moved(self, step: FloatArray) -> "State":
        count = len(self.parameters)
        parameters, views, at = self.parameters + step[:count], [], count
        for view in self.views:
            views.append(view.moved(step[at : at + view.parameter_count]))
            at += view.parameter_count
        return State(parameters, tuple(views))


@dataclass(frozen=True, eq=False)
class OutlineParts:
    """What each vertex's part of the body does to the outline.

    weights: (V,) how much its outline counts. clothes_m: (V,) how far close-fitting clothes stand off the skin, metres.
    """

    weights: FloatArray
    clothes_m: FloatArray


@dataclass(frozen=True, eq=False)
class Pairing:
    """Outline pairs of one photo, frozen while a step is taken.

    edges: (n, 2) vertices of the model's outline. offsets_px: (n, 2) the clothes' push outwards. weights: one a pair.
    sigma: of a pair's gap, as a share of the person's height.
    """

    edges: NDArray[np.int32]
    matches: Matches
    weights: FloatArray
    offsets_px: FloatArray
    sigma: float


class Problem:
    """The terms of one person's fit."""

    def __init__(
        self,
        space: ShapeSpace,
        prior: GaussianPrior,
        known: Known,
        edges: EdgeTable,
        outline_parts: OutlineParts,
    ) -> None:
        self._space = space
        self._prior = prior
        self._known = known
        self._edges = edges
        self._outline_parts = outline_parts
        self._keypoints = keypoint_rows(space.topology)
        self._joint_sigmas = np.array(list(posed_joint_sigmas(space.topology).values())).ravel()

    def pair_all(self, state: State, observed: Sequence[Observed], gate: float) -> list[Pairing]:
        """Match every photo's outline with the model's; gate: a share of the person's height in the photo."""
        return [self._pair(view, state, seen, gate) for view, seen in zip(state.views, observed, strict=True)]

    def step(
        self, state: State, observed: Sequence[Observed], pairings: Sequence[Pairing | None], *, hold_shape: bool
    ) -> State:
        """One Gauss-Newton step that does not raise the cost; the state as it was where there is none."""
        equations = self._equations(state, observed, pairings, hold_shape=hold_shape)
        count = len(state.parameters)
        lower = np.full(equations.size, -np.inf)
        upper = np.full(equations.size, np.inf)
        if hold_shape:
            lower[:count] = upper[:count] = 0.0
        else:
            bounds = self._space.bounds
            lower[:count], upper[:count] = bounds[0] - state.parameters, bounds[1] - state.parameters
        for damping in _DAMPINGS:
            moved = state.moved(bounded_step(equations, lower, upper, damping=damping))
            cost = self._equations(moved, observed, pairings, hold_shape=hold_shape, with_jacobian=False).cost
            if cost <= equations.cost:
                return moved
        return state

    def covariance(self, state: State, observed: Sequence[Observed], pairings: Sequence[Pairing | None]) -> FloatArray:
        """(P, P) covariance of the shape, everything else marginalised."""
        equations = self._equations(state, observed, pairings, hold_shape=False)
        count = len(state.parameters)
        covariance: FloatArray = np.linalg.inv(equations.matrix)[:count, :count]
        return covariance

    def outline_gap(self, state: State, index: int, pairing: Pairing, seen: Observed) -> float:
        """Median distance of matched outlines, as a share of the person's height in the photo; infinite without any."""
        if not len(pairing.matches.model):
            return float("inf")
        pixels = state.views[index].pixels(self._space.rest_points(state.parameters))
        gaps = np.abs(_outline_residuals(pixels[pairing.edges].mean(axis=1), pairing))
        return float(np.median(gaps)) / seen.person_height_px

    def _equations(
        self,
        state: State,
        observed: Sequence[Observed],
        pairings: Sequence[Pairing | None],
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
        volume_m3, by_vertex = volume_gradient(vertices, self._space.topology.faces)
        if surface_jacobian is not None:
            flat = surface_jacobian[:, : len(vertices)].reshape(len(surface_jacobian), -1)
            gradient = BODY_DENSITY_KG_M3 * (flat @ by_vertex.ravel().astype(np.float32)).astype(np.float64)
        residual = BODY_DENSITY_KG_M3 * volume_m3 - self._known.weight_kg
        equations.add_scalar(residual, gradient, _WEIGHT_SIGMA_KG)

    def _add_view(
        self,
        equations: NormalEquations,
        at: int,
        view: PosedView,
        seen: Observed,
        pairing: Pairing | None,
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
        seen: Observed,
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
        seen: Observed,
        pairing: Pairing,
        pixels: FloatArray,
        jacobian: FloatArray | None,
        ends: NDArray[np.intp],
    ) -> None:
        sigma = pairing.sigma * seen.person_height_px
        residuals = _outline_residuals(pixels[ends].mean(axis=1), pairing) / sigma
        if jacobian is not None:
            middle = (jacobian[ends[:, 0]] + jacobian[ends[:, 1]]) / (2.0 * sigma)
            normals = pairing.matches.normals[:, :, None]
            jacobian = (middle[pairing.matches.model] * normals).sum(axis=1)
        huber = _OUTLINE_HUBER / pairing.sigma
        equations.add_robust(residuals, jacobian, columns, weights=pairing.weights, huber=huber)

    def _add_view_prior(self, equations: NormalEquations, at: int, view: PosedView, facing: FloatArray) -> None:
        start = Camera.with_field_of_view(
            DEFAULT_FIELD_OF_VIEW_DEG, width_px=view.camera.width_px, height_px=view.camera.height_px
        )
        equations.add_diagonal(at, np.array([np.log(view.camera.focal_px / start.focal_px)]), _LOG_FOCAL_SIGMA)
        # For turns this small, the step's rotation vector adds to the one that already parts the two.
        equations.add_diagonal(at + 1, vector_from_rotation(view.rotation @ facing.T), _TURN_SIGMA_RAD)
        vectors_at = at + RIGID_PARAMETERS
        equations.add_diagonal(vectors_at, view.joint_vectors.ravel(), self._joint_sigmas)

    def _pair(self, view: PosedView, state: State, seen: Observed, gate: float) -> Pairing:
        topology = self._space.topology
        rest = self._space.rest_points(state.parameters)
        points = view.camera_points(rest, slice(0, topology.vertex_count))
        pixels = view.camera.project(points)
        model = model_outline(pixels, topology.faces, self._edges, size=seen.sighting.size)
        depths = points[model.edges, 2].mean(axis=1, keepdims=True)
        thickness_m = self._outline_parts.clothes_m[model.edges].mean(axis=1, keepdims=True)
        offsets = model.outline.normals * (thickness_m * view.camera.focal_px / depths)
        pushed = replace(model.outline, points_px=model.outline.points_px + offsets)
        matches = match_outlines(
            pushed, seen.outline, gate_px=gate * seen.person_height_px, person_height_px=seen.person_height_px
        )
        return Pairing(
            edges=model.edges,
            matches=matches,
            weights=self._match_weights(model, matches, pixels, seen),
            offsets_px=offsets,
            sigma=_OUTLINE_SIGMA[len(state.views)] * (_LOOSE_CLOTHES_FACTOR if _is_loosely_clad(seen) else 1.0),
        )

    def _match_weights(self, model: ModelOutline, matches: Matches, pixels: FloatArray, seen: Observed) -> FloatArray:
        """Each direction of matching counts by the length of outline it speaks for, and by the part it shows."""
        lengths = np.linalg.norm(np.diff(pixels[model.edges], axis=1)[:, 0], axis=1)
        shares = np.minimum(lengths / (OUTLINE_SPACING * seen.person_height_px), 2.0)
        weights = np.ones(len(matches.model))
        weights[: matches.from_model] = shares[matches.model[: matches.from_model]]
        weights *= self._outline_parts.weights[model.edges].min(axis=1)[matches.model] * seen.of_body[matches.image]
        return 0.5 * weights


def _is_loosely_clad(seen: Observed) -> bool:
    return WarningReason.LOOSE_CLOTHES in seen.sighting.person.warnings


def _outline_residuals(middles: FloatArray, pairing: Pairing) -> FloatArray:
    matches = pairing.matches
    gaps = middles[matches.model] + pairing.offsets_px[matches.model] - matches.points_px
    residuals: FloatArray = (gaps * matches.normals).sum(axis=1)
    return residuals
