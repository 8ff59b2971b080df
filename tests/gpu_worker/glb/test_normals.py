"""Smooth normals follow the surface, not the way it was cut into triangles."""

import numpy as np
import trimesh

from gpu_worker.glb.normals import vertex_normals


def test_a_sphere_has_radial_normals() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=3)
    normals = vertex_normals(np.asarray(sphere.vertices), np.asarray(sphere.faces))
    assert np.einsum("ij,ij->i", normals, sphere.vertices).min() > np.cos(np.radians(0.5))


def test_a_box_has_diagonal_normals_however_its_sides_are_cut() -> None:
    # Each side's corners meet one triangle or two, so weighting by face count or by area would lean.
    box = trimesh.creation.box(extents=(1.0, 2.0, 3.0))
    normals = vertex_normals(np.asarray(box.vertices), np.asarray(box.faces))
    np.testing.assert_allclose(normals, np.sign(box.vertices) / np.sqrt(3.0), atol=1e-12)


def test_vertices_without_a_surface_still_get_a_unit_normal() -> None:
    vertices = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [5.0, 5.0, 5.0]])
    normals = vertex_normals(vertices, np.array([[0, 1, 2]], dtype=np.int32))
    np.testing.assert_array_equal(normals, np.tile((0.0, 1.0, 0.0), (4, 1)))
