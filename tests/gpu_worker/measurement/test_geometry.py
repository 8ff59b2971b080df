import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.measurement.geometry import (
    FloatArray,
    Girth,
    IndexArray,
    NothingCut,
    Plane,
    cut,
    girth_gradient,
    path_length_m,
    tape_around,
    taut_path,
    volume_gradient,
    volume_m3,
)
from tests.gpu_worker.measurement.solids import cone, cylinder, ellipse_perimeter, side_by_side, stack

UP = np.array([0.0, 1.0, 0.0])


def girth_at(vertices: FloatArray, faces: IndexArray, height_m: float, normal: FloatArray = UP) -> Girth:
    return tape_around(cut(vertices, faces, Plane.fixed(np.array([0.0, height_m, 0.0]), normal)))


def bumpy() -> tuple[FloatArray, IndexArray]:
    """A body-sized solid without symmetry, its vertices off every simple plane."""
    heights = np.linspace(0.0, 1.0, 12)
    vertices, faces = stack(heights, 0.15 + 0.03 * np.sin(5 * heights), 0.11 + 0.02 * np.cos(3 * heights))
    return vertices + np.random.default_rng(7).normal(0.0, 1e-4, vertices.shape), faces


def test_tape_around_a_cylinder_is_its_circumference() -> None:
    vertices, faces = cylinder(half_width_m=0.2, half_depth_m=0.2)
    assert girth_at(vertices, faces, 0.43).perimeter_m == pytest.approx(2 * np.pi * 0.2, rel=1e-5)


def test_tape_around_an_elliptic_cylinder_is_the_ellipse() -> None:
    vertices, faces = cylinder(half_width_m=0.19, half_depth_m=0.11)
    assert girth_at(vertices, faces, 0.5).perimeter_m == pytest.approx(ellipse_perimeter(0.19, 0.11), rel=1e-5)


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.8])
def test_tape_around_a_cone_cut_at_an_angle_is_the_conic(slope: float) -> None:
    vertices, faces = cone(radius_m=0.3, height_m=1.5)
    narrowing, below_tip = 0.3 / 1.5, 1.5 - 0.6
    squeeze = 1.0 - (narrowing * slope) ** 2
    along = narrowing * below_tip / squeeze * np.hypot(1.0, slope)
    across = narrowing * below_tip / np.sqrt(squeeze)
    girth = girth_at(vertices, faces, 0.6, np.array([-slope, 1.0, 0.0]))
    assert girth.perimeter_m == pytest.approx(ellipse_perimeter(along, across), rel=2e-4)


def test_the_other_leg_is_left_out() -> None:
    leg = cylinder(half_width_m=0.08, half_depth_m=0.08)
    thicker = cylinder(half_width_m=0.09, half_depth_m=0.09)
    vertices, faces = side_by_side(leg, thicker, apart_m=0.25)
    section = cut(vertices, faces, Plane.fixed(np.array([0.0, 0.5, 0.0]), UP))
    of_leg = section.segment_faces < len(leg[1])
    alone = tape_around(section, section.component_with_most(of_leg)).perimeter_m
    assert alone == pytest.approx(2 * np.pi * 0.08, rel=1e-5)
    assert tape_around(section, section.component_with_most(~of_leg)).perimeter_m == pytest.approx(
        2 * np.pi * 0.09, rel=1e-5
    )


def test_a_tape_around_both_legs_bridges_the_gap() -> None:
    leg = cylinder(half_width_m=0.08, half_depth_m=0.08)
    vertices, faces = side_by_side(leg, leg, apart_m=0.25)
    assert girth_at(vertices, faces, 0.5).perimeter_m == pytest.approx(2 * np.pi * 0.08 + 2 * 0.25, rel=1e-5)


def test_a_plane_beside_the_mesh_cuts_nothing() -> None:
    vertices, faces = cylinder(half_width_m=0.1, half_depth_m=0.1)
    with pytest.raises(NothingCut):
        girth_at(vertices, faces, 2.0)


def test_section_points_lie_on_the_plane_and_on_their_edges() -> None:
    vertices, faces = bumpy()
    plane = Plane.fixed(np.array([0.0, 0.47, 0.0]), np.array([0.2, 1.0, -0.1]))
    section = cut(vertices, faces, plane)
    first, second = vertices[section.edges[:, 0]], vertices[section.edges[:, 1]]
    np.testing.assert_allclose((section.points - plane.origin) @ plane.normal, 0.0, atol=1e-12)
    np.testing.assert_allclose(first + section.weights[:, None] * (second - first), section.points, atol=1e-12)
    assert ((section.weights >= 0.0) & (section.weights <= 1.0)).all()
    assert np.bincount(section.segments.ravel()).tolist() == [2] * len(section.points)


@pytest.mark.parametrize("normal", [(0.0, 1.0, 0.0), (0.3, 1.0, 0.2)])
def test_girth_gradient_agrees_with_finite_differences(normal: tuple[float, float, float]) -> None:
    vertices, faces = bumpy()
    plane = Plane.fixed(np.array([0.0, 0.52, 0.0]), np.array(normal))
    value, indices, gradient = girth_gradient(tape_around(cut(vertices, faces, plane)), vertices)
    rng = np.random.default_rng(0)
    for _ in range(5):
        direction, step = rng.normal(size=vertices.shape), 1e-9
        ahead, behind = (
            tape_around(cut(vertices + sign * step * direction, faces, plane)).perimeter_m for sign in (1, -1)
        )
        assert (gradient * direction[indices]).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-4)
    assert value == tape_around(cut(vertices, faces, plane)).perimeter_m


def test_girth_gradient_follows_the_level() -> None:
    vertices, faces = bumpy()
    setters = np.array([10, 2000, 4000], dtype=np.int32)
    shares = np.array([0.2, 0.5, 0.3])

    def taken(moved: FloatArray) -> Girth:
        return tape_around(cut(moved, faces, Plane(shares @ moved[setters], UP, setters, shares)))

    _, indices, gradient = girth_gradient(taken(vertices), vertices, level_follows=True)
    # Raising the level by moving only what sets it changes the girth as the solid's own taper does.
    direction, step = np.zeros_like(vertices), 1e-6
    direction[setters, 1] = 1.0
    slope = (taken(vertices + step * direction).perimeter_m - taken(vertices - step * direction).perimeter_m) / (
        2 * step
    )
    assert abs(slope) > 0.05
    assert (gradient * direction[indices]).sum() == pytest.approx(slope, rel=1e-3)


@given(scale=st.floats(0.2, 5.0), height=st.floats(0.05, 0.95))
def test_girth_grows_with_scale(scale: float, height: float) -> None:
    vertices, faces = bumpy()
    girth = girth_at(vertices, faces, height).perimeter_m
    assert girth_at(vertices * scale, faces, height * scale).perimeter_m == pytest.approx(girth * scale, rel=1e-9)


@given(turn=st.floats(-np.pi, np.pi), x=st.floats(-2.0, 2.0), z=st.floats(-2.0, 2.0))
def test_girth_is_the_same_turned_about_the_vertical_and_moved(turn: float, x: float, z: float) -> None:
    vertices, faces = bumpy()
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = vertices @ np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]]) + np.array([x, 0.0, z])
    assert girth_at(turned, faces, 0.3).perimeter_m == pytest.approx(
        girth_at(vertices, faces, 0.3).perimeter_m, rel=1e-9
    )


def test_a_taut_tape_over_a_dome_is_two_tangents_and_an_arc() -> None:
    angles = np.linspace(0.0, np.pi, 2000)
    dome = np.stack([0.5 + 0.2 * np.cos(angles), 0.2 * np.sin(angles), np.zeros(2000)], axis=1)
    path = taut_path(dome, np.zeros(3), np.array([1.0, 0.0, 0.0]), UP)
    exact = 2 * np.sqrt(0.5**2 - 0.2**2) + 0.2 * (np.pi - 2 * np.arccos(0.2 / 0.5))
    assert path_length_m(path) == pytest.approx(exact, rel=1e-5)
    np.testing.assert_allclose(path[[0, -1]], [[0, 0, 0], [1, 0, 0]], atol=1e-12)


def test_a_taut_tape_bridges_a_hollow() -> None:
    hollow = np.stack([np.linspace(0, 1, 50), -0.1 * np.ones(50), np.zeros(50)], axis=1)
    path = taut_path(hollow, np.zeros(3), np.array([1.0, 0.0, 0.0]), UP)
    assert path_length_m(path) == pytest.approx(1.0)


@pytest.mark.parametrize(("past_ends", "length"), [(False, 1.0), (True, 0.5 + np.hypot(1.4, 0.3))])
def test_what_lies_past_the_ends_counts_only_if_asked(past_ends: bool, length: float) -> None:
    overhang = np.array([[-0.4, 0.3, 0.0]])
    path = taut_path(overhang, np.zeros(3), np.array([1.0, 0.0, 0.0]), UP, past_ends=past_ends)
    assert path_length_m(path) == pytest.approx(length)


def test_volume_of_an_elliptic_cylinder() -> None:
    vertices, faces = cylinder(half_width_m=0.2, half_depth_m=0.1, height_m=1.5)
    assert volume_m3(vertices, faces) == pytest.approx(np.pi * 0.2 * 0.1 * 1.5, rel=1e-4)
    assert volume_m3(vertices + np.array([3.0, -1.0, 2.0]), faces) == pytest.approx(
        volume_m3(vertices, faces), rel=1e-9
    )


def test_volume_gradient_agrees_with_finite_differences() -> None:
    vertices, faces = bumpy()
    value, gradient = volume_gradient(vertices, faces)
    direction, step = np.random.default_rng(1).normal(size=vertices.shape), 1e-6
    ahead, behind = (volume_m3(vertices + sign * step * direction, faces) for sign in (1, -1))
    assert value == volume_m3(vertices, faces)
    assert (gradient * direction).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)
