import numpy as np
import pytest

from bench.people.bodies import FloatArray, IndexArray
from bench.people.surfaces import cut, drape, neighbour_mean, smooth, vertex_normals


def _sheet(size: int = 9) -> tuple[FloatArray, IndexArray]:
    """A flat square of side 1 on Z = 0, facing up."""
    across, along = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    vertices = np.stack([across.ravel(), along.ravel(), np.zeros(size * size)], axis=1)
    index = np.arange(size * size).reshape(size, size)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return vertices, np.concatenate([np.stack([a, b, c], axis=-1), np.stack([b, d, c], axis=-1)]).reshape(-1, 3)


def _area(vertices: FloatArray, faces: IndexArray) -> float:
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_cut_follows_the_line_between_vertices() -> None:
    vertices, faces = _sheet()
    patch = cut(faces, vertices[:, 0] + 0.3 * vertices[:, 1] - 0.4)
    kept = patch.carry(vertices)
    # The line x + 0.3 y = 0.4 leaves 1 - (0.4 + 0.1) / 2 of the unit square.
    assert _area(kept, patch.faces) == pytest.approx(0.75)
    assert (kept[:, 0] + 0.3 * kept[:, 1]).min() == pytest.approx(0.4)


def test_cut_keeps_the_side_that_faces_outwards() -> None:
    vertices, faces = _sheet()
    patch = cut(faces, 0.35 - vertices[:, 0])
    np.testing.assert_allclose(vertex_normals(patch.carry(vertices), patch.faces), [[0, 0, 1]] * len(patch.ends))


def test_cut_of_nothing_is_refused() -> None:
    vertices, faces = _sheet()
    with pytest.raises(ValueError, match="empty"):
        cut(faces, vertices[:, 0] - 2)


def test_border_is_averaged_along_the_border_only() -> None:
    vertices, faces = _sheet()
    averaged = neighbour_mean(faces, len(vertices)) @ vertices
    left_edge = (vertices[:, 0] == 0) & (vertices[:, 1] > 0) & (vertices[:, 1] < 1)
    np.testing.assert_allclose(averaged[left_edge, 0], 0)


def test_loose_cloth_never_enters_the_skin() -> None:
    vertices, faces = _sheet(21)
    bumpy = vertices + np.stack([0 * vertices[:, 0], 0 * vertices[:, 0], 0.05 * np.sin(12 * vertices[:, 0])], axis=1)
    normals = vertex_normals(bumpy, faces)
    cloth = drape(faces, bumpy, normals, ease_m=np.full(len(bumpy), 0.03), least_m=0.003, rounds=30)
    assert np.einsum("ij,ij->i", cloth - bumpy, normals).min() > 0.0029
    assert np.ptp(cloth[:, 2]) < np.ptp(bumpy[:, 2])


def test_smoothing_flattens_small_forms_and_leaves_large_ones() -> None:
    vertices, faces = _sheet(41)
    spike = vertices.copy()
    spike[20 * 41 + 20, 2] = 0.1
    assert smooth(faces, spike, rounds=40, grain_m=0.05)[:, 2].max() < 0.02
    assert smooth(faces, spike, rounds=40, grain_m=0.001)[:, 2].max() > 0.09
