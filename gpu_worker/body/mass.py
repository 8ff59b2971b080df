"""The volume a closed mesh encloses, what it weighs, and how both change with the vertices."""

import numpy as np

from gpu_worker.body.body import FloatArray, IndexArray

# Anny's own figure (anny.anthropometry); whole bodies with air in the lungs lie between 950 and 1010 kg/m3.
BODY_DENSITY_KG_PER_M3 = 980.0


def volume_and_gradient(vertices_m: FloatArray, faces: IndexArray) -> tuple[float, FloatArray]:
    """Volume in m3 of a closed mesh, vertices (V, 3) and outward faces (F, 3), and its derivative (V, 3), in m2.

    By the divergence theorem the volume is the sum of a . (b x c) / 6 over the faces.
    """
    a, b, c = (vertices_m[faces[:, corner]] for corner in range(3))
    by_corner = [np.cross(b, c), np.cross(c, a), np.cross(a, b)]
    volume = float((a * by_corner[0]).sum() / 6.0)
    gradient = np.zeros_like(vertices_m)
    for axis in range(3):
        for corner in range(3):
            gradient[:, axis] += np.bincount(
                faces[:, corner], weights=by_corner[corner][:, axis], minlength=len(vertices_m)
            )
    return volume, gradient / 6.0
