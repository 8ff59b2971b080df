"""The rasterizer draws exactly the pixels whose centres lie in a face, once, nearest face first."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.body.body import Body
from gpu_worker.preview.rasterizer import contour_edges, front_faces, rasterize_mask, rasterize_values
from tests.gpu_worker.anny_person import anny_person
from tests.gpu_worker.procedural_body import capsule_person

# Anticlockwise as a viewer sees them, with y down.
_RECTANGLE_FACES = np.array([[0, 2, 1], [1, 2, 3]], dtype=np.int32)


def _rectangle(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    return np.array([[left, top], [right, top], [left, bottom], [right, bottom]])


def _seen_from_the_front(body: Body, size: tuple[int, int]) -> NDArray[np.float64]:
    width, height = size
    px_per_m = 0.9 * height / float(np.ptp(body.vertices_m[:, 1]))
    x, y = body.vertices_m[:, 0], body.vertices_m[:, 1]
    return np.stack([width / 2 + px_per_m * x, 0.95 * height - px_per_m * y], axis=1)


def _covered_one_by_one(
    points_px: NDArray[np.float64], faces: NDArray[np.int32], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """By the definition: each pixel centre against each face."""
    columns, rows = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    covered = np.zeros(columns.shape, dtype=bool)
    for face in faces:
        inside = np.ones(columns.shape, dtype=bool)
        for (x0, y0), (x1, y1) in zip(points_px[face], points_px[np.roll(face, -1)], strict=True):
            inside &= (x1 - x0) * (rows - y0) - (y1 - y0) * (columns - x0) < 0.0
        covered |= inside
    return covered


@pytest.mark.parametrize(
    ("corners", "columns", "rows"),
    [
        ((2.0, 1.0, 5.0, 3.0), slice(2, 5), slice(1, 3)),
        ((2.4, 1.4, 5.6, 3.6), slice(2, 6), slice(1, 4)),
        ((2.6, 1.6, 4.4, 2.4), slice(3, 4), slice(2, 2)),
        ((-50.0, -3.0, 2.0, 100.0), slice(0, 2), slice(0, 6)),
        ((6.0, 4.0, 90.0, 5.0), slice(6, 8), slice(4, 5)),
        ((20.0, 1.0, 30.0, 3.0), slice(0, 0), slice(0, 0)),
    ],
)
def test_a_rectangle_covers_the_pixels_whose_centres_it_holds(
    corners: tuple[float, float, float, float], columns: slice, rows: slice
) -> None:
    expected = np.zeros((6, 8), dtype=np.uint8)
    expected[rows, columns] = 255
    points_px = _rectangle(*corners)
    np.testing.assert_array_equal(rasterize_mask(points_px, _RECTANGLE_FACES, (8, 6)), expected)
    _, coverage = rasterize_values(points_px, np.ones(4), _RECTANGLE_FACES, np.ones(4), (8, 6))
    np.testing.assert_array_equal(coverage, expected > 0)


def test_loose_triangles_cover_what_the_definition_says() -> None:
    random = np.random.default_rng(5)
    points_px = random.uniform(-8.0, 40.0, (60, 2))
    faces = np.arange(60, dtype=np.int32).reshape(20, 3)
    expected = _covered_one_by_one(points_px, faces, (32, 32))
    assert 0.2 < expected.mean() < 0.95
    np.testing.assert_array_equal(rasterize_mask(points_px, faces, (32, 32)) > 0, expected)
    _, coverage = rasterize_values(points_px, np.ones(60), faces, np.ones(60), (32, 32))
    np.testing.assert_array_equal(coverage, expected)


@pytest.mark.parametrize("make_body", [capsule_person, anny_person])
def test_a_bodys_silhouette_is_what_its_faces_cover(make_body: Callable[[], Body]) -> None:
    body = make_body()
    size = (240, 320)
    points_px = _seen_from_the_front(body, size)
    mask = rasterize_mask(points_px, body.faces, size)
    _, coverage = rasterize_values(points_px, -body.vertices_m[:, 2], body.faces, body.vertices_m[:, 1], size)
    # Two ways, by contour and by face; a crack between faces would show in the second.
    np.testing.assert_array_equal(mask > 0, coverage)
    rows = np.flatnonzero(mask.any(axis=1))
    assert rows[0] == pytest.approx(0.05 * 320, abs=1.0)
    assert rows[-1] == pytest.approx(0.95 * 320, abs=1.0)


def test_values_run_linearly_over_faces() -> None:
    points_px = np.array([[1.3, 0.7], [29.1, 4.2], [6.6, 22.8], [27.0, 23.5]])
    values = 3.0 * points_px[:, 0] - 2.0 * points_px[:, 1] + 5.0
    picture, coverage = rasterize_values(points_px, np.zeros(4), _RECTANGLE_FACES, values, (32, 24))
    columns, rows = np.meshgrid(np.arange(32) + 0.5, np.arange(24) + 0.5)
    assert coverage.sum() > 300
    np.testing.assert_allclose(picture[coverage], (3.0 * columns - 2.0 * rows + 5.0)[coverage], atol=1e-3)
    assert (picture[~coverage] == 0.0).all()


def test_surfaces_that_cross_are_cut_where_they_cross() -> None:
    # One sheet recedes to the right and the other to the left; they meet in the middle column.
    points_px = np.concatenate([_rectangle(0, 0, 20, 10)] * 2)
    distances = np.array([0.0, 20.0, 0.0, 20.0, 20.0, 0.0, 20.0, 0.0])
    faces = np.concatenate([_RECTANGLE_FACES, _RECTANGLE_FACES + 4])
    picture, _ = rasterize_values(points_px, distances, faces, np.repeat([1.0, 2.0], 4), (20, 10))
    assert (picture[:, :10] == 1.0).all()
    assert (picture[:, 10:] == 2.0).all()


def test_faces_that_look_away_are_not_drawn() -> None:
    away = _RECTANGLE_FACES[:, ::-1]
    points_px = _rectangle(1, 1, 5, 5)
    assert len(front_faces(points_px, away)) == 0
    assert not rasterize_mask(points_px, away, (8, 8)).any()
    picture, coverage = rasterize_values(points_px, np.ones(4), away, np.ones(4), (8, 8))
    assert not coverage.any()
    assert not picture.any()


def test_the_contour_of_a_rectangle_is_its_border_run_with_the_inside_on_the_left() -> None:
    edges = contour_edges(_rectangle(0, 0, 4, 3), _RECTANGLE_FACES)
    assert sorted(edges.tolist()) == [[0, 2], [1, 0], [2, 3], [3, 1]]


def test_a_bodys_contour_is_closed_and_parts_front_from_back() -> None:
    body = capsule_person()
    points_px = _seen_from_the_front(body, (240, 320))
    edges = contour_edges(points_px, body.faces)
    assert len(edges) > 200
    np.testing.assert_array_equal(np.bincount(edges[:, 0], minlength=9), np.bincount(edges[:, 1], minlength=9))
    front = {frozenset(pair) for face in front_faces(points_px, body.faces).tolist() for pair in _sides(face)}
    back = {frozenset(pair) for face in front_faces(points_px, body.faces[:, ::-1]).tolist() for pair in _sides(face)}
    assert {frozenset(edge) for edge in edges.tolist()} <= front
    assert front & back <= {frozenset(edge) for edge in edges.tolist()}


def _sides(face: list[int]) -> list[tuple[int, int]]:
    return [(face[0], face[1]), (face[1], face[2]), (face[2], face[0])]
