import numpy as np
import pytest

from bench.people.bodies import BodyModel, RestBody, Shape, neutral_phenotypes
from bench.people.posing import Arm, Pose, PosedBody, stand


@pytest.fixture(scope="module")
def body(body_model: BodyModel) -> RestBody:
    return body_model.rest(Shape(neutral_phenotypes()))


def _arm_angle_deg(model: BodyModel, posed: PosedBody, side: str) -> float:
    shoulder, elbow = (
        posed.joints_m[model.bone_names.index(f"{bone}.{side}")] for bone in ("upperarm01", "lowerarm01")
    )
    along = elbow - shoulder
    return float(np.degrees(np.arctan2(abs(along[0]), np.hypot(along[1], along[2]))))


@pytest.mark.slow
class TestStand:
    def test_feet_are_on_the_floor(self, body_model: BodyModel, body: RestBody) -> None:
        posed = stand(body_model, body, Pose(slouch_deg=15, stance_deg=4, left_knee_bend_deg=12))
        assert posed.vertices_m[:, 2].min() == pytest.approx(0, abs=1e-9)
        left, right = (posed.vertices_m[posed.vertices_m[:, 0] * side > 0, 2].min() for side in (1, -1))
        assert abs(left - right) < 0.02

    def test_bones_keep_their_lengths(self, body_model: BodyModel, body: RestBody) -> None:
        posed = stand(body_model, body, Pose(left_arm=Arm(60, 30, -20, 70), slouch_deg=20, head_turn_deg=30))
        child = np.array([bone for bone, parent in enumerate(body_model.bone_parents) if parent >= 0])
        parent = np.array(body_model.bone_parents)[child]
        np.testing.assert_allclose(
            np.linalg.norm(posed.joints_m[child] - posed.joints_m[parent], axis=1),
            np.linalg.norm(body.joints_m[child] - body.joints_m[parent], axis=1),
            atol=1e-9,
        )

    def test_arms_hang_at_the_angle_asked_for(self, body_model: BodyModel, body: RestBody) -> None:
        pose = Pose(left_arm=Arm(out_deg=35), right_arm=Arm(out_deg=22), keep_arms_clear=False)
        posed = stand(body_model, body, pose)
        assert _arm_angle_deg(body_model, posed, "L") == pytest.approx(35, abs=0.1)
        assert _arm_angle_deg(body_model, posed, "R") == pytest.approx(22, abs=0.1)

    def test_arms_that_would_enter_the_trunk_are_swung_out(self, body_model: BodyModel) -> None:
        heavy = body_model.rest(Shape(neutral_phenotypes() | {"weight": 1.0}))
        inside = Arm(out_deg=0, forearm_out_deg=-10, forward_deg=0, forearm_forward_deg=0)
        posed = stand(body_model, heavy, Pose(left_arm=inside, right_arm=inside))
        assert _arm_angle_deg(body_model, posed, "L") > 5
