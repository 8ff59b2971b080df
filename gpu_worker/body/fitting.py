"""Fits a body to a person: first place and pose by the landmarks, then everything by the outlines as well."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpu_worker.body.body import FloatArray, Region
from gpu_worker.body.fit_problem import Known, OutlineParts, Problem, State
from gpu_worker.body.posed_view import PosedView
from gpu_worker.body.prior import GaussianPrior
from gpu_worker.body.shape_space import ShapeSpace, Topology
from gpu_worker.body.sighting import Observed, Sighting, place
from gpu_worker.body.silhouette import EdgeTable

_SHAPE_STEPS = 8
_POSE_STEPS = 8
# How far apart outlines may be to be matched, round by round, as a share of the person's height in the photo.
_GATES = (0.06, 0.045, 0.03, 0.02, 0.016)
_STEPS_A_ROUND = 2

# How much the outline of a part counts against that of trunk and limbs. Hair and shoes hide the head's and the feet's,
# yet crown and soles carry the scale; fingers move too much to be matched.
_OUTLINE_WEIGHTS = {
    Region.HEAD: 0.2,
    Region.LEFT_HAND: 0.0,
    Region.RIGHT_HAND: 0.0,
    Region.LEFT_FOOT: 0.4,
    Region.RIGHT_FOOT: 0.4,
}
# How far close-fitting clothes stand off the skin, metres; parts left out are bare more often than not.
_CLOTHES_M = {
    Region.UPPER_TRUNK: 0.003,
    Region.LOWER_TRUNK: 0.003,
    Region.LEFT_THIGH: 0.003,
    Region.RIGHT_THIGH: 0.003,
    Region.LEFT_UPPER_ARM: 0.0015,
    Region.RIGHT_UPPER_ARM: 0.0015,
    Region.LEFT_LOWER_LEG: 0.0005,
    Region.RIGHT_LOWER_LEG: 0.0005,
}


@dataclass(frozen=True, eq=False)
class Start:
    """A person placed and posed in each photo, with the likeliest shape of what is known; `Fitter.refine` goes on."""

    problem: Problem
    state: State
    observed: tuple[Observed, ...]


@dataclass(frozen=True, eq=False)
class Fit:
    """The result. parameters: (P,) shape. covariance: (P, P) its uncertainty as the fit sees it.

    views: the fitted photos, in the order of the sightings. outline_gaps: each photo's median distance between its
    outline and the model's, as a share of the person's height in it.
    """

    parameters: FloatArray
    covariance: FloatArray
    views: tuple[PosedView, ...]
    outline_gaps: tuple[float, ...]


class Fitter:
    """Fits one body model; holds what no person changes."""

    def __init__(self, topology: Topology) -> None:
        self._edges = EdgeTable.of(topology.faces)
        self._outline_parts = _outline_parts(topology)

    def start(self, space: ShapeSpace, prior: GaussianPrior, known: Known, sightings: Sequence[Sighting]) -> Start:
        """Bring the prior to the known height and weight, and the person's place and pose to the landmarks."""
        problem = Problem(space, prior, known, self._edges, self._outline_parts)
        state = State(np.clip(prior.mean, *space.bounds), ())
        for _ in range(_SHAPE_STEPS):
            state = problem.step(state, (), (), hold_shape=False)
        observed = tuple(Observed.of(sighting) for sighting in sightings)
        rest = space.rest_points(state.parameters)
        state = State(state.parameters, tuple(place(space, rest, seen) for seen in observed))
        if observed:
            for _ in range(_POSE_STEPS):
                state = problem.step(state, observed, [None] * len(observed), hold_shape=True)
        return Start(problem, state, observed)

    def refine(self, start: Start) -> Fit:
        """Match outlines ever more closely and move shape, pose and camera together."""
        problem, state, observed = start.problem, start.state, start.observed
        if not observed:
            return Fit(state.parameters, problem.covariance(state, (), ()), (), ())
        for gate in _GATES:
            pairings = problem.pair_all(state, observed, gate)
            for _ in range(_STEPS_A_ROUND):
                state = problem.step(state, observed, pairings, hold_shape=False)
        closest = problem.pair_all(state, observed, _GATES[-1])
        gaps = tuple(
            problem.outline_gap(state, index, pairing, observed[index])
            for index, pairing in enumerate(problem.pair_all(state, observed, _GATES[0]))
        )
        return Fit(state.parameters, problem.covariance(state, observed, closest), state.views, gaps)


def _outline_parts(topology: Topology) -> OutlineParts:
    weights, clothes_m = np.ones(topology.vertex_count), np.zeros(topology.vertex_count)
    for region in Region:
        vertices = np.unique(topology.faces[topology.face_regions == region])
        weights[vertices] = np.minimum(weights[vertices], _OUTLINE_WEIGHTS.get(region, 1.0))
        clothes_m[vertices] = np.maximum(clothes_m[vertices], _CLOTHES_M.get(region, 0.0))
    return OutlineParts(weights, clothes_m)
