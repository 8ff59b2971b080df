"""Solids whose girths and volumes have closed forms, as triangle meshes standing on Y = 0."""

import numpy as np

from gpu_worker.measurement.geometry import FloatArray, IndexArray

AROUND = 720


def stack(heights_m: FloatArray, half_widths_m: FloatArray, half_depths_m: FloatArray) -> tuple[FloatArray, IndexArray]:
    """A closed solid of elliptic rings (in X and Z) at the given heights, capped at both ends: (V, 3), (F, 3)."""
    angles = np.linspace(0.0, 2.0 * np.pi, AROUND, endpoint=False)
    rings = [
        np.stack([width * np.cos(angles), np.full(AROUND, height), depth * np.sin(angles)], axis=1)
        for height, width, depth in zip(heights_m, half_widths_m, half_depths_m, strict=True)
    ]
    centres = np.array([[0.0, heights_m[0], 0.0], [0.0, heights_m[-1], 0.0]])
    here = np.arange(AROUND)
    following = (here + 1) % AROUND
    faces = []
    for ring in range(len(rings) - 1):
        low, high = ring * AROUND, (ring + 1) * AROUND
        faces.append(np.stack([low + here, high + here, low + following], axis=1))
        faces.append(np.stack([low + following, high + here, high + following], axis=1))
    top = (len(rings) - 1) * AROUND
    floor_centre, top_centre = len(rings) * AROUND, len(rings) * AROUND + 1
    faces.append(np.stack([here, following, np.full(AROUND, floor_centre)], axis=1))
    faces.append(np.stack([top + following, top + here, np.full(AROUND, top_centre)], axis=1))
    return np.concatenate([*rings, centres]), np.concatenate(faces).astype(np.int32)


def cylinder(*, half_width_m: float, half_depth_m: float, height_m: float = 1.0) -> tuple[FloatArray, IndexArray]:
    heights = np.linspace(0.0, height_m, 8)
    return stack(heights, np.full(8, half_width_m), np.full(8, half_depth_m))


def cone(*, radius_m: float, height_m: float) -> tuple[FloatArray, IndexArray]:
    """A cone cut off just below its tip."""
    heights = np.linspace(0.0, 0.999 * height_m, 40)
    radii = radius_m * (1.0 - heights / height_m)
    return stack(heights, radii, radii)


def side_by_side(
    first: tuple[FloatArray, IndexArray], second: tuple[FloatArray, IndexArray], *, apart_m: float
) -> tuple[FloatArray, IndexArray]:
    """Two solids in one mesh, their axes `apart_m` apart along X, the first at X = 0."""
    (vertices, faces), (others, other_faces) = first, second
    moved = others + np.array([apart_m, 0.0, 0.0])
    return np.concatenate([vertices, moved]), np.concatenate([faces, other_faces + len(vertices)]).astype(np.int32)


def ellipse_perimeter(a: float, b: float) -> float:
    """Ramanujan's second approximation, right to parts in a million for such ellipses."""
    h = ((a - b) / (a + b)) ** 2
    return float(np.pi * (a + b) * (1.0 + 3.0 * h / (10.0 + np.sqrt(4.0 - 3.0 * h))))
