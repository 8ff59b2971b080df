from functools import cache

import numpy as np
import pytest
from anny.anthropometry import BASE_MESH_WAIST_VERTICES

from gpu_worker.body.anny_cache import load_tables
from gpu_worker.body.anny_model import AnnyModel
from gpu_worker.body.body import Body, Region
from gpu_worker.measurement.landmarks import LANDMARKS
from gpu_worker.measurement.subject import Subject

pytestmark = pytest.mark.xdist_group("anny")

ANNY = LANDMARKS["anny"]
# MakeHuman's body vertices without the nipples, which Anny takes away.
KEPT = np.setdiff1d(np.arange(13380), np.r_[1778:1794, 8450:8466])


@cache
def bodies() -> tuple[Body, ...]:
    model = AnnyModel(load_tables())
    shapes = [model.shape_space(gender=gender, age_years=30.0) for gender in (0.0, 1.0)]
    chosen = [{"muscle": 0.5, "weight": weight, "height": 0.5, "proportions": 0.5} for weight in (0.2, 0.9, 1.5)]
    return tuple(
        space.body(np.array([phenotypes.get(name, 0.0) for name in space.parameter_names]), height_cm=170.0)
        for space in shapes
        for phenotypes in chosen
    )


def test_waist_loop_is_the_one_of_anny() -> None:
    assert KEPT[ANNY.waist].tolist() == BASE_MESH_WAIST_VERTICES


def test_bust_points_are_the_rings_around_the_nipples() -> None:
    assert KEPT[ANNY.bust_points].tolist() == [*range(1762, 1778), *range(8434, 8450)]


@pytest.mark.parametrize("name", ["acromion", "olecranon", "wrist_bone", "kneecap"])
def test_left_and_right_landmarks_mirror_each_other(name: str) -> None:
    left, right = getattr(ANNY.left, name), getattr(ANNY.right, name)
    for body in bodies():
        np.testing.assert_allclose(body.vertices_m[left], body.vertices_m[right] * [-1, 1, 1], atol=0.002)
        assert body.vertices_m[left, 0] > 0.05


def test_midline_landmarks_lie_on_the_midline() -> None:
    midline = [ANNY.nape, ANNY.throat, ANNY.forehead, ANNY.occiput, *ANNY.crotch]
    for body in bodies():
        np.testing.assert_allclose(body.vertices_m[midline, 0], 0.0, atol=0.002)


def test_bust_points_are_the_most_forward_of_a_womans_chest() -> None:
    for body in bodies()[3:]:
        chest = np.unique(body.faces[body.face_regions == Region.UPPER_TRUNK])
        chest = chest[np.abs(body.vertices_m[chest, 1] - Subject(body).bust.origin[1]) < 0.06]
        forward = body.vertices_m[chest, 2].max()
        assert body.vertices_m[ANNY.bust_points, 2].mean() > forward - 0.01


def test_the_crotch_is_the_lowest_point_of_the_midline_of_the_trunk() -> None:
    for body in bodies():
        trunk = np.unique(body.faces[body.face_regions == Region.LOWER_TRUNK])
        midline = trunk[np.abs(body.vertices_m[trunk, 0]) < 0.002]
        assert Subject(body).crotch[1] == pytest.approx(body.vertices_m[midline, 1].min(), abs=0.002)


def test_the_occiput_is_the_rearmost_point_of_the_head() -> None:
    for body in bodies():
        head = np.unique(body.faces[body.face_regions == Region.HEAD])
        assert body.vertices_m[ANNY.occiput, 2] == pytest.approx(body.vertices_m[head, 2].min(), abs=0.003)


# Mean landmark heights of ANSUR II's men and women over stature.
@pytest.mark.parametrize(("name", "share"), [("acromion", 0.820), ("nape", 0.860), ("bust", 0.727), ("kneecap", 0.277)])
def test_landmarks_keep_the_proportions_of_real_people(name: str, share: float) -> None:
    shares = []
    for body in bodies():
        subject = Subject(body)
        heights = {
            "acromion": subject.vertex(ANNY.left.acromion)[1],
            "nape": subject.vertex(ANNY.nape)[1],
            "bust": subject.bust.origin[1],
            "kneecap": subject.vertex(ANNY.left.kneecap)[1],
        }
        shares.append(heights[name] / subject.stature_m)
    assert np.mean(shares) == pytest.approx(share, abs=0.015)
