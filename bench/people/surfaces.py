"""Geometry of cloth and hair: patches cut from the body along smooth lines, which follow it into any pose."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from bench.people.bodies import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class Patch:
    """Part of a body's surface whose border crosses triangles, so that hems are smooth lines.

    ends, share: (N, 2) and (N,); vertex n lies on the body's edge ends[n], share[n] of the way along it.
    faces: (F, 3) indices of the patch's own vertices.
    """

    ends: IndexArray
    share: FloatArray
    faces: IndexArray

    def carry(self, values: FloatArray) -> FloatArray:
        """(N, ...) values given on the body's vertices (V, ...), interpolated on the patch's."""
        share = self.share.reshape(-1, *([1] * (values.ndim - 1)))
        return np.asarray(values[self.ends[:, 0]] * (1 - share) + values[self.ends[:, 1]] * share, dtype=np.float64)


def cut(faces: IndexArray, keep: FloatArray) -> Patch:
    """The part of the surface where `keep`, (V,) linear on each triangle, is positive.

    Raises ValueError when nothing is.
    """
    inside = keep > 0
    corner_count = inside[faces].sum(axis=1)
    pieces = [np.stack([faces, faces], axis=-1)[corner_count == 3]]
    # Rotate each crossed triangle so that its odd corner comes first.
    for count, lone_is_inside in ((1, True), (2, False)):
        crossed = faces[corner_count == count]
        lone = (inside[crossed] == lone_is_inside).argmax(axis=1)
        a, b, c = (crossed[np.arange(len(crossed)), (lone + turn) % 3] for turn in range(3))
        points = {"a": (a, a), "b": (b, b), "c": (c, c), "ab": (a, b), "ac": (a, c)}
        triangles = (("a", "ab", "ac"),) if lone_is_inside else (("ab", "b", "c"), ("ab", "c", "ac"))
        for triangle in triangles:
            pieces.append(np.stack([np.stack(points[name], axis=-1) for name in triangle], axis=1))
    corners = np.sort(np.concatenate(pieces).reshape(-1, 2), axis=1)
    if not len(corners):
        raise ValueError("the patch is empty")
    ends, index = np.unique(corners, axis=0, return_inverse=True)
    first, second = keep[ends[:, 0]], keep[ends[:, 1]]
    same = ends[:, 0] == ends[:, 1]
    share = np.where(same, 0.0, first / np.where(same, 1.0, first - second))
    return Patch(ends.astype(np.int64), share, index.reshape(-1, 3).astype(np.int64))


def vertex_normals(vertices: FloatArray, faces: IndexArray) -> FloatArray:
    """(V, 3) unit normals, each the mean of the faces around it weighted by area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12), dtype=np.float64)


def neighbour_mean(faces: IndexArray, count: int) -> csr_array:
    """Sparse (count, count) matrix that replaces each vertex by the mean of its neighbours.

    A vertex on the border has only its neighbours along the border, so that a hem keeps its place.
    """
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, uses = np.unique(edges, axis=0, return_counts=True)
    on_border = np.zeros(count, dtype=bool)
    on_border[unique[uses == 1]] = True
    both_ways = np.concatenate([unique, unique[:, ::-1]])
    border_edge = np.tile(uses == 1, 2)
    both_ways = both_ways[border_edge | ~on_border[both_ways[:, 0]]]
    ones = np.ones(len(both_ways))
    adjacency = csr_array(coo_array((ones, (both_ways[:, 0], both_ways[:, 1])), shape=(count, count)))
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    # An isolated vertex stays where it is.
    lonely = diags_array((degree == 0).astype(np.float64))
    return csr_array(diags_array(1 / np.maximum(degree, 1)) @ adjacency + lonely)


def smooth(faces: IndexArray, vertices: FloatArray, *, rounds: int, grain_m: float) -> FloatArray:
    """(V, 3) vertices drawn towards the mean of their neighbours, half way where edges are shorter than the grain.

    Where the mesh is coarser each round moves them less, by the square of edge length, as diffusion would.
    """
    mean = neighbour_mean(faces, len(vertices))
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    length_sum = np.bincount(starts, np.linalg.norm(vertices[starts] - vertices[ends], axis=1), len(vertices))
    edge_length = length_sum / np.maximum(np.bincount(starts, minlength=len(vertices)), 1)
    step = 0.5 * np.minimum((grain_m / np.maximum(edge_length, 1e-6)) ** 2, 1.0)[:, None]
    for _ in range(rounds):
        vertices = np.asarray((1 - step) * vertices + step * (mean @ vertices), dtype=np.float64)
    return vertices


def drape(
    patch_faces: IndexArray,
    skin: FloatArray,
    normals: FloatArray,
    *,
    ease_m: FloatArray,
    least_m: float,
    rounds: int,
) -> FloatArray:
    """Where cloth lies over skin: pushed out by its ease, pulled taut over hollows, never nearer than `least_m`.

    skin, normals: (N, 3) the skin beneath each point of the cloth; ease_m: (N,). Returns (N, 3).
    """
    if not rounds:
        return np.asarray(skin + normals * np.maximum(ease_m, least_m)[:, None], dtype=np.float64)
    # Loose cloth shows none of the body's small forms: it keeps its ease from a smoother body.
    form = smooth(patch_faces, skin, rounds=60, grain_m=0.01)
    form_normals = vertex_normals(form, patch_faces)
    cloth = np.asarray(form + form_normals * ease_m[:, None], dtype=np.float64)
    mean = neighbour_mean(patch_faces, len(skin))
    for _ in range(rounds):
        cloth = 0.4 * cloth + 0.6 * (mean @ cloth)
        for under, outwards, gap in ((form, form_normals, 0.75 * ease_m), (skin, normals, least_m)):
            height = np.einsum("ij,ij->i", cloth - under, outwards)
            cloth += outwards * np.maximum(gap - height, 0.0)[:, None]
    return np.asarray(cloth, dtype=np.float64)
