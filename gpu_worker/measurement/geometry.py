"""Planes through meshes, the tape around what they cut, taut paths over a surface, and volume, with derivatives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int32]

_SMALLEST_OFFSET_M = 1e-6


class NothingCut(ValueError):
    """A plane that should cut a part of the body misses it: the mesh or its regions are not those of a person."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in space. origin: (3,) metres. normal: (3,) unit length.

    set_by, set_weights: (k,) vertices and their weights (sum 1) whose weighted mean lies on the plane, for a plane that
    moves along its normal with them (a level); both empty for a plane that stays.
    """

    origin: FloatArray
    normal: FloatArray
    set_by: IndexArray
    set_weights: FloatArray

    @classmethod
    def fixed(cls, origin: FloatArray, direction: FloatArray) -> "Plane":
        """The plane through `origin` perpendicular to `direction` (any length but zero)."""
        return cls(origin, unit(direction), np.empty(0, dtype=np.int32), np.empty(0))


@dataclass(frozen=True, eq=False)
class Section:
    """What a plane cuts from a mesh: n points on mesh edges, joined by m straight segments, one a face.

    edges: (n, 2) vertex indices; weights: (n,) share of the second vertex, so that the point is
    `(1 - weight) * vertices[first] + weight * vertices[second]`; points: (n, 3) metres; segments: (m, 2) indices into
    the points; segment_faces: (m,) indices into the faces that were given to `cut`.
    """

    plane: Plane
    edges: IndexArray
    weights: FloatArray
    points: FloatArray
    segments: IndexArray
    segment_faces: IndexArray

    def component_with_most(self, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) True for the points of the one connected piece with the most `wanted` segments (m,)."""
        count = len(self.points)
        links = coo_array((np.ones(len(self.segments)), tuple(self.segments.T)), (count, count))
        _, labels = connected_components(links, directed=False)
        votes = np.bincount(labels[self.segments[wanted, 0]], minlength=1)
        chosen: NDArray[np.bool_] = labels == votes.argmax()
        return chosen


@dataclass(frozen=True, eq=False)
class Girth:
    """A tape around a section: the corners of its convex hull, in order around it.

    perimeter_m: the tape's length. edges: (h, 2), weights: (h,), points: (h, 3) as in `Section`.
    """

    plane: Plane
    perimeter_m: float
    edges: IndexArray
    weights: FloatArray
    points: FloatArray


def unit(vector: FloatArray) -> FloatArray:
    """The vector (3,) at length 1."""
    return vector / np.linalg.norm(vector)


def cut(vertices: FloatArray, faces: IndexArray, plane: Plane) -> Section:
    """What `plane` cuts from the triangles `faces` (F, 3) over `vertices` (V, 3).

    Raises NothingCut if it misses them.
    """
    distances = (vertices - plane.origin) @ plane.normal
    above = distances >= 0.0
    first_above, second_above, third_above = above[faces[:, 0]], above[faces[:, 1]], above[faces[:, 2]]
    crossed = np.flatnonzero((first_above != second_above) | (second_above != third_above))
    if not len(crossed):
        raise NothingCut(f"a plane through {plane.origin.round(3)} misses the part it should cut")
    triangles = faces[crossed]
    following = triangles[:, [1, 2, 0]]
    # A crossed triangle has exactly two crossed edges, so the rows come in pairs, one pair a face.
    crossing = above[triangles] != above[following]
    ends = np.stack([triangles[crossing], following[crossing]], axis=1)
    ends.sort(axis=1)
    keys, where = np.unique(ends[:, 0].astype(np.int64) * len(vertices) + ends[:, 1], return_inverse=True)
    edges = np.stack([keys // len(vertices), keys % len(vertices)], axis=1).astype(np.int32)
    first, second = distances[edges[:, 0]], distances[edges[:, 1]]
    weights = first / (first - second)
    points = vertices[edges[:, 0]] * (1.0 - weights[:, None]) + vertices[edges[:, 1]] * weights[:, None]
    return Section(plane, edges, weights, points, where.reshape(-1, 2).astype(np.int32), crossed.astype(np.int32))


def tape_around(section: Section, chosen: NDArray[np.bool_] | None = None) -> Girth:
    """The tape around a section, or around its `chosen` (n,) points: it bridges hollows, as a real one does.

    Raises NothingCut where fewer than three points remain.
    """
    candidates = np.arange(len(section.points)) if chosen is None else np.flatnonzero(chosen)
    if len(candidates) < 3:
        raise NothingCut("too little was cut to put a tape around")
    flat = section.points[candidates] @ _plane_axes(section.plane.normal).T
    hull = candidates[ConvexHull(flat).vertices]
    points = section.points[hull]
    perimeter = float(np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1).sum())
    return Girth(section.plane, perimeter, section.edges[hull], section.weights[hull], points)


def girth_gradient(
    girth: Girth, vertices: FloatArray, *, level_follows: bool = False
) -> tuple[float, IndexArray, FloatArray]:
    """A girth and how it changes with the vertices: (metres, (k,) vertex indices, (k, 3) metres a metre).

    By default the plane is held still. With `level_follows` it rises and falls with the mean of the vertices that set
    it (their choice and the plane's tilt are held). A corner sits where the edge a-b meets the plane with normal n:
    p = a + t (b - a), t = ((o - a) . n) / ((b - a) . n), so
    dp = (I - (b - a) n^T / ((b - a) . n)) ((1 - t) da + t db).
    """
    along = np.roll(girth.points, -1, axis=0) - girth.points
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    pull = np.roll(along, 1, axis=0) - along
    first, second = girth.edges[:, 0], girth.edges[:, 1]
    edge = vertices[second] - vertices[first]
    slope = edge / (edge @ girth.plane.normal)[:, None]
    lift = (pull * slope).sum(axis=1)
    held = pull - lift[:, None] * girth.plane.normal
    indices = np.concatenate([first, second])
    gradient = np.concatenate([held * (1.0 - girth.weights[:, None]), held * girth.weights[:, None]])
    if level_follows:
        indices = np.concatenate([indices, girth.plane.set_by])
        gradient = np.concatenate([gradient, lift.sum() * girth.plane.set_weights[:, None] * girth.plane.normal])
    unique, where = np.unique(indices, return_inverse=True)
    summed = np.zeros((len(unique), 3))
    np.add.at(summed, where, gradient)
    return girth.perimeter_m, unique.astype(np.int32), summed


def taut_path(
    candidates: FloatArray, start: FloatArray, end: FloatArray, outward: FloatArray, *, past_ends: bool = False
) -> FloatArray:
    """The way of a tape pulled taut over a surface from `start` to `end`: (k, 3) points from start to end, metres.

    candidates: (n, 3) points of the surface that the tape may touch, which count as if they lay in the plane of both
    ends and the direction `outward` (3,). The tape stays in that plane, on the outward side of the straight line
    between the ends: it lies on what sticks out and bridges hollows. Where nothing sticks out it is that line. What
    lies beyond the ends is left out unless `past_ends`, for a tape that swings out around a belly.
    """
    chord = end - start
    length = float(np.linalg.norm(chord))
    forward = chord / length
    up = unit(outward - (outward @ forward) * forward)
    flat = (candidates - start) @ np.stack([forward, up], axis=1)
    outside = flat[:, 1] > _SMALLEST_OFFSET_M
    if not past_ends:
        outside &= (flat[:, 0] > 0.0) & (flat[:, 0] < length)
    if not outside.any():
        return np.stack([start, end])
    corners = np.concatenate([[[0.0, 0.0], [length, 0.0]], flat[outside]])
    # Both ends lie lowest, so both are corners; counter-clockwise from the end, the hull climbs and comes to the start.
    around = ConvexHull(corners).vertices
    around = np.roll(around, -int(np.flatnonzero(around == 1)[0]))
    way = corners[around[: int(np.flatnonzero(around == 0)[0]) + 1]][::-1]
    points: FloatArray = start + way @ np.stack([forward, up])
    return points


def path_length_m(points: FloatArray) -> float:
    """The length of the polyline through points (k, 3)."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def volume_m3(vertices: FloatArray, faces: IndexArray) -> float:
    """The volume a closed mesh encloses, by the divergence theorem: signed tetrahedra over the origin."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return float((a * np.cross(b, c)).sum() / 6.0)


def volume_gradient(vertices: FloatArray, faces: IndexArray) -> tuple[float, FloatArray]:
    """The volume (m3) of a closed mesh and its derivative (V, 3) by the vertices, in m3 a metre."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    gradient = np.zeros_like(vertices)
    for corner, others in ((0, (b, c)), (1, (c, a)), (2, (a, b))):
        share = np.cross(*others) / 6.0
        for axis in range(3):
            gradient[:, axis] += np.bincount(faces[:, corner], share[:, axis], minlength=len(vertices))
    return volume_m3(vertices, faces), gradient


def _plane_axes(normal: FloatArray) -> FloatArray:
    """(2, 3) two unit vectors in the plane, perpendicular to each other."""
    helper = np.eye(3)[np.abs(normal).argmin()]
    first = unit(np.cross(normal, helper))
    return np.stack([first, np.cross(normal, first)])
