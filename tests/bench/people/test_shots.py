import json

import numpy as np
import pytest

from bench.people.bodies import Shape
from bench.people.posing import Arm, Pose
from bench.people.shots import Camera, Figure, Finish, Room, Shot, frame, project, shot_from_json


def test_a_shot_survives_its_file() -> None:
    figure = Figure(
        Shape({"gender": 1.0}, {"head-fat-incr": 0.2}), pose=Pose(left_arm=Arm(out_deg=31.5)), facing_deg=90
    )
    shot = Shot((figure, figure), Camera(roll_deg=1.5), room=Room(wall="brick", clutter=4), finish=Finish(blur_px=0.5))
    assert shot_from_json(json.loads(json.dumps(shot.to_json()))) == shot


def test_the_point_aimed_at_is_the_middle_of_the_picture() -> None:
    camera, finish = Camera(x_m=0.3, aim_x_m=-0.1, aim_z_m=0.7, roll_deg=3), Finish(width_px=600, height_px=800)
    np.testing.assert_allclose(project(camera, finish, np.array([[-0.1, 0.0, 0.7]])), [[300, 400]], atol=1e-9)


def test_the_edge_of_the_field_of_view_is_the_edge_of_the_picture() -> None:
    camera = Camera(vertical_fov_deg=60, height_m=1.0, aim_z_m=1.0, distance_m=2.0)
    top = project(camera, Finish(), np.array([[0.0, 0.0, 1.0 + 2.0 * np.tan(np.radians(30))]]))
    np.testing.assert_allclose(top, [[360, 0]], atol=1e-9)


@pytest.mark.parametrize(("fov_deg", "height_m"), [(48.0, 0.9), (56.0, 1.5), (70.0, 1.55)])
def test_framing_fills_the_picture_as_asked(fov_deg: float, height_m: float) -> None:
    camera = frame(Camera(vertical_fov_deg=fov_deg, height_m=height_m), 1.75, fill=0.8, sink=0.01)
    toes, crown = project(camera, Finish(), np.array([[0.0, -0.18, 0.0], [0.0, 0.0, 1.75]]))[:, 1] / 960
    assert toes - crown == pytest.approx(0.8, abs=0.002)
    assert (toes + crown) / 2 == pytest.approx(0.51, abs=0.002)
