"""Outlines of circles, rings and solids whose outlines are known, and what may be matched with what."""

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray
from gpu_worker.body.camera import Camera
from gpu_worker.body.silhouette import (
    EdgeTable,
    ModelOutline,
    Outline,
    mask_outline,
    match_outlines,
    model_outline,
)

CENTRE = np.array([61.3, 58.8])
SIZE = (120, 130)


def pixel_centres(size: tuple[int, int]) -> FloatArray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.stack([columns + 0.5, rows + 0.5], axis=2)


def soft(signed_distance_px: FloatArray) -> NDArray[np.float32]:
    """The share of each pixel that lies inside, to first order; distances are positive inside."""
    return np.clip(signed_distance_px + 0.5, 0.0, 1.0).astype(np.float32)


def circle_mask(radius_px: float, hole_px: float = 0.0) -> NDArray[np.float32]:
    distance = np.linalg.norm(pixel_centres(SIZE) - CENTRE, axis=2)
    return soft(np.minimum(radius_px - distance, distance - hole_px))


def outline_of(mask: NDArray[np.float32], person_height_px: float = 90.0) -> Outline:
    return mask_outline(mask, spacing_px=1.5, person_height_px=person_height_px)


class TestMaskOutline:
    def test_a_circle_is_found_to_a_tenth_of_a_pixel(self) -> None:
        outline = outline_of(circle_mask(40.0))
        from_centre = outline.points_px - CENTRE
        radii = np.linalg.norm(from_centre, axis=1)
        np.testing.assert_allclose(radii, 40.0, atol=0.1)
        assert ((outline.normals * from_centre).sum(axis=1) / radii).min() > 0.99
        assert len(outline.points_px) == pytest.approx(2 * np.pi * 40.0 / 1.5, abs=2)

    def test_an_ellipse_drawn_by_shares_of_pixels_is_found_nearly_as_well(self) -> None:
        fine = 8
        offsets = pixel_centres((fine, fine)).reshape(-1, 2) / fine - 0.5
        samples = (pixel_centres(SIZE)[:, :, None] + offsets - CENTRE) / [25.0, 45.0]
        mask = ((samples**2).sum(axis=3) < 1.0).mean(axis=2).astype(np.float32)
        outline = outline_of(mask)
        scaled = (outline.points_px - CENTRE) / [25.0, 45.0]
        gradients = scaled / [25.0, 45.0]
        steepness = np.linalg.norm(gradients, axis=1)
        distances = ((scaled**2).sum(axis=1) - 1.0) / (2.0 * steepness)
        # The half level of an area's share strays a little where the edge runs diagonally.
        assert np.percentile(np.abs(distances), 90) < 0.1
        assert np.abs(distances).max() < 0.15
        assert ((outline.normals * gradients).sum(axis=1) / steepness).min() > 0.98

    def test_the_edge_of_a_hole_points_into_the_hole(self) -> None:
        outline = outline_of(circle_mask(45.0, hole_px=20.0))
        from_centre = outline.points_px - CENTRE
        radii = np.linalg.norm(from_centre, axis=1)
        inner = radii < 32.0
        np.testing.assert_allclose(radii, np.where(inner, 20.0, 45.0), atol=0.1)
        outwardness = (outline.normals * from_centre).sum(axis=1) / radii
        assert outwardness[~inner].min() > 0.99
        assert outwardness[inner].max() < -0.99
        assert inner.sum() > 50

    def test_pixel_centres_lie_at_half_integers(self) -> None:
        mask = np.zeros((60, 50), dtype=np.float32)
        mask[10:40, 15:35] = 1.0
        points = outline_of(mask, 30.0).points_px
        np.testing.assert_allclose(points.min(axis=0), [15.0, 10.0], atol=1e-6)
        np.testing.assert_allclose(points.max(axis=0), [35.0, 40.0], atol=1e-6)

    def test_a_person_who_leaves_the_photo_ends_at_its_border(self) -> None:
        mask = np.zeros((60, 50), dtype=np.float32)
        mask[20:, 15:35] = 1.0
        points = outline_of(mask, 40.0).points_px
        assert points[:, 1].max() == pytest.approx(60.0, abs=1e-6)

    def test_specks_and_pinholes_are_left_out(self) -> None:
        mask = circle_mask(40.0)
        mask[3, 3] = 1.0
        mask[int(CENTRE[1]), int(CENTRE[0])] = 0.0
        np.testing.assert_allclose(outline_of(mask).points_px, outline_of(circle_mask(40.0)).points_px)

    def test_nobody_has_no_outline(self) -> None:
        outline = outline_of(np.zeros(SIZE, dtype=np.float32))
        assert outline.points_px.shape == outline.normals.shape == (0, 2)


class TestEdgeTable:
    def test_each_edge_of_a_closed_mesh_knows_its_two_faces_and_the_corners_across(self) -> None:
        faces = np.asarray(trimesh.creation.icosphere(subdivisions=1).faces, dtype=np.int32)
        table = EdgeTable.of(faces)
        assert len(table.vertices) == len(faces) * 3 // 2
        assert len(np.unique(np.sort(table.vertices, axis=1), axis=0)) == len(table.vertices)
        for edge, owners, corners in zip(table.vertices, table.faces, table.opposite, strict=True):
            assert owners[0] != owners[1]
            for owner, corner in zip(owners, corners, strict=True):
                assert {*edge.tolist(), int(corner)} == set(faces[owner].tolist())

    def test_borders_and_fans_are_left_out(self) -> None:
        # Two triangles share the edge 1-2; three share 4-5.
        faces = np.array([[0, 1, 2], [2, 1, 3], [4, 5, 6], [4, 5, 7], [5, 4, 8]], dtype=np.int32)
        assert EdgeTable.of(faces).vertices.tolist() == [[1, 2]]


def seen(mesh: trimesh.Trimesh, distance_m: float = 3.0) -> tuple[ModelOutline, Camera]:
    """The outline of a mesh whose frame is the camera's, moved away from it."""
    camera = Camera(focal_px=400.0, width_px=300, height_px=320)
    # The camera's frame is right-handed too, so outside stays outside.
    pixels = camera.project(mesh.vertices + np.array([0.0, 0.0, distance_m]))
    faces = np.asarray(mesh.faces, dtype=np.int32)
    outline = model_outline(pixels, faces, EdgeTable.of(faces), size=(320, 300))
    assert np.allclose(pixels[outline.edges].mean(axis=1), outline.outline.points_px)
    return outline, camera


def together(*meshes: trimesh.Trimesh) -> trimesh.Trimesh:
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return trimesh.Trimesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets[:-1], strict=True)]),
        process=False,
    )


def polar(outline: Outline, camera: Camera) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Radius and angle of each point about the photo's middle, and how far its normal points away from it."""
    from_centre = outline.points_px - camera.centre_px
    radii = np.linalg.norm(from_centre, axis=1)
    return radii, np.arctan2(*from_centre.T[::-1]), (outline.normals * from_centre).sum(axis=1) / radii


class TestModelOutline:
    def test_a_sphere_is_a_circle(self) -> None:
        found, camera = seen(trimesh.creation.icosphere(subdivisions=4, radius=0.6))
        radii, turns, outwardness = polar(found.outline, camera)
        # A sphere's horizon is nearer than its middle: tangent rays, not the equator.
        expected = 400.0 * 0.6 / np.sqrt(3.0**2 - 0.6**2)
        np.testing.assert_allclose(radii, expected, atol=0.6)
        assert outwardness.min() > 0.9
        assert np.diff(np.sort(turns)).max() < 0.2

    def test_a_capsule_is_a_stadium(self) -> None:
        capsule = trimesh.creation.capsule(height=0.8, radius=0.25, count=[64, 64])
        upright = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
        capsule.apply_transform(upright)
        capsule.apply_translation(-capsule.bounds.mean(axis=0))
        found, camera = seen(capsule, distance_m=6.0)
        points = (found.outline.points_px - camera.centre_px) / camera.focal_px * 6.0
        beyond = points - np.stack([np.zeros(len(points)), np.clip(points[:, 1], -0.4, 0.4)], axis=1)
        np.testing.assert_allclose(np.linalg.norm(beyond, axis=1), 0.25, atol=0.01)
        assert ((found.outline.normals * beyond).sum(axis=1) / 0.25).min() > 0.9

    def test_background_seen_through_a_ring_has_an_outline(self) -> None:
        found, camera = seen(trimesh.creation.torus(0.6, 0.15, 96, 32))
        radii, turns, outwardness = polar(found.outline, camera)
        inner = radii < 0.6 * 400.0 / 3.0
        assert outwardness[~inner].min() > 0.9
        assert outwardness[inner].max() < -0.9
        for part in (inner, ~inner):
            assert np.diff(np.sort(turns[part])).max() < 0.2
        np.testing.assert_allclose(radii[inner], 0.45 * 400.0 / 3.0, rtol=0.02)

    def test_a_part_in_front_of_another_has_no_outline_of_its_own(self) -> None:
        large = trimesh.creation.icosphere(subdivisions=4, radius=0.8)
        small = trimesh.creation.icosphere(subdivisions=3, radius=0.2).apply_translation([0.1, 0.0, -0.9])
        found, camera = seen(together(large, small))
        radii, _, _ = polar(found.outline, camera)
        assert radii.min() > 0.95 * 400.0 * 0.8 / 3.0

    def test_a_part_that_sticks_out_has_one(self) -> None:
        large = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
        small = trimesh.creation.icosphere(subdivisions=3, radius=0.2).apply_translation([0.6, 0.0, -0.1])
        found, camera = seen(together(large, small))
        assert found.outline.points_px[:, 0].max() - camera.centre_px[0] > 0.78 * 400.0 / 3.0

    def test_what_lies_outside_the_photo_does_no_harm(self) -> None:
        sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.6).apply_translation([1.3, 0.0, 0.0])
        found, camera = seen(sphere)
        assert len(found.edges) > 20
        assert found.outline.points_px[:, 0].max() > camera.width_px


def line(x_px: float, direction: float, count: int = 50) -> Outline:
    """A vertical outline whose normals point right (+1) or left (-1)."""
    points = np.stack([np.full(count, x_px), np.linspace(0.0, 100.0, count)], axis=1)
    return Outline(points, np.tile([direction, 0.0], (count, 1)))


class TestMatching:
    def test_outlines_within_the_gate_match_both_ways(self) -> None:
        matches = match_outlines(line(50.0, 1.0, 20), line(53.0, 1.0, 50), gate_px=5.0, person_height_px=400.0)
        assert matches.from_model == 20
        assert len(matches.model) == 20 + 50
        assert set(matches.model[matches.from_model :].tolist()) == set(range(20))
        np.testing.assert_allclose(matches.points_px[:, 0], 53.0)
        np.testing.assert_allclose(np.abs(matches.points_px[:, 1] - np.linspace(0, 100, 20)[matches.model]), 0, atol=3)

    def test_outlines_beyond_the_gate_do_not(self) -> None:
        matches = match_outlines(line(50.0, 1.0), line(57.0, 1.0), gate_px=5.0, person_height_px=400.0)
        assert len(matches.model) == matches.from_model == 0
        assert matches.points_px.shape == matches.normals.shape == (0, 2)

    def test_the_far_side_of_a_thin_limb_is_not_taken_for_the_near_one(self) -> None:
        left, right = line(46.0, -1.0), line(58.0, 1.0)
        limb = Outline(np.concatenate([left.points_px, right.points_px]), np.concatenate([left.normals, right.normals]))
        matches = match_outlines(line(50.0, 1.0), limb, gate_px=20.0, person_height_px=400.0)
        np.testing.assert_allclose(matches.points_px[: matches.from_model, 0], 58.0)

    def test_each_pair_takes_the_normal_of_the_side_that_was_searched(self) -> None:
        tilted = line(52.0, 1.0)
        tilted = Outline(tilted.points_px, np.tile([0.6, 0.8], (len(tilted.points_px), 1)))
        matches = match_outlines(line(50.0, 1.0), tilted, gate_px=20.0, person_height_px=400.0)
        np.testing.assert_allclose(matches.normals[: matches.from_model], [[0.6, 0.8]] * matches.from_model)
        assert (matches.normals[matches.from_model :] == [1.0, 0.0]).all()

    @pytest.mark.parametrize("nothing_first", [True, False])
    def test_an_outline_without_points_matches_nothing(self, nothing_first: bool) -> None:
        pair = [Outline(np.empty((0, 2)), np.empty((0, 2))), line(50.0, 1.0)]
        model, image = pair if nothing_first else pair[::-1]
        matches = match_outlines(model, image, gate_px=5.0, person_height_px=400.0)
        assert len(matches.model) == 0
