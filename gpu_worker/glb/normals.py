"""Smooth vertex normals, which both the GLB file and the preview pictures shade with."""

import numpy as np

from gpu_worker.body.body import FloatArray, IndexArray


def vertex_normals(vertices: FloatArray, faces: IndexArray) -> FloatArray:
    """Unit normals, (V, 3), each the mean of the vertex's face normals weighted by the face's angle there.

    Angle weighting (Thürmer and Wüthrich 1998) makes the result independent of how a surface happens to be
    triangulated. vertices: (V, 3). faces: (F, 3), counter-clockwise seen from outside. A vertex without a face, or
    whose faces have no area, gets +Y, so that every normal has unit length.
    """
    corners = vertices[faces]
    face_normals = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    sums = np.zeros_like(vertices)
    for corner in range(3):
        onward = _unit(corners[:, (corner + 1) % 3] - corners[:, corner])
        backward = _unit(corners[:, (corner + 2) % 3] - corners[:, corner])
        angles = np.arccos(np.clip(np.einsum("ij,ij->i", onward, backward), -1.0, 1.0))
        for axis in range(3):
            sums[:, axis] += np.bincount(faces[:, corner], angles * face_normals[:, axis], minlength=len(vertices))
    lengths = np.linalg.norm(sums, axis=1)
    return np.where(lengths[:, None] > 1e-9, _unit(sums), (0.0, 1.0, 0.0))


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(lengths, np.finfo(np.float64).tiny)
    return unit
