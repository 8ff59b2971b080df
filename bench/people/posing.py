"""How the person stands: a few angles a photographer would name, turned into a skinned mesh on the floor."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from bench.people.bodies import BodyModel, FloatArray, RestBody

LEFT, RIGHT = 1.0, -1.0
FOREARM_TO_TRUNK_GAP_M = 0.012


@dataclass(frozen=True)
class Arm:
    """One arm, in degrees from hanging straight down; the trunk's frame, out is away from the trunk's middle.

    out_deg, forward_deg: the upper arm. forearm_out_deg, forearm_forward_deg: the forearm; negative out is inwards.
    """

    out_deg: float = 20.0
    forward_deg: float = 2.0
    forearm_out_deg: float = 14.0
    forearm_forward_deg: float = 12.0


HAND_ON_HIP = Arm(out_deg=46.0, forward_deg=-14.0, forearm_out_deg=-54.0, forearm_forward_deg=20.0)


@dataclass(frozen=True)
class Pose:
    """A standing person, angles in degrees.

    stance_deg: legs apart, each from where Anny's rest pose has it (negative: closer). slouch_deg: bend of the upper
    back. lean_deg: the whole body sideways. keep_arms_clear: swing the arms out until no forearm or hand enters the
    trunk; off where they should touch.
    """

    left_arm: Arm = Arm()
    right_arm: Arm = Arm()
    stance_deg: float = -2.0
    left_knee_bend_deg: float = 2.0
    right_knee_bend_deg: float = 2.0
    slouch_deg: float = 0.0
    lean_deg: float = 0.0
    head_turn_deg: float = 0.0
    head_nod_deg: float = 0.0
    finger_curl_deg: float = 14.0
    keep_arms_clear: bool = True


@dataclass(frozen=True, eq=False)
class PosedBody:
    """vertices_m: (V, 3), joints_m: (B, 3); metres, Z up, facing -Y, lowest point on Z = 0, pelvis above the origin."""

    vertices_m: FloatArray
    joints_m: FloatArray


def stand(model: BodyModel, body: RestBody, pose: Pose) -> PosedBody:
    """The body in this pose, feet on the floor, by linear blend skinning."""
    for _ in range(12 if pose.keep_arms_clear else 1):
        posed = _skin(model, body, pose)
        entering = [side for side in (LEFT, RIGHT) if pose.keep_arms_clear and _arm_enters_trunk(model, posed, side)]
        if not entering:
            break
        if LEFT in entering:
            pose = replace(pose, left_arm=_swung_out(pose.left_arm))
        if RIGHT in entering:
            pose = replace(pose, right_arm=_swung_out(pose.right_arm))
    return posed


def _swung_out(arm: Arm) -> Arm:
    return replace(arm, out_deg=arm.out_deg + 2.5, forearm_out_deg=arm.forearm_out_deg + 2.5)


def _arm_enters_trunk(model: BodyModel, posed: PosedBody, side: float) -> bool:
    """Whether a forearm or hand lies inside the trunk and thighs, level by level, seen from the front."""
    outward = posed.vertices_m[:, 0] * side
    suffix = ".L" if side == LEFT else ".R"
    forearm = model.weight_of("lowerarm02" + suffix, "wrist" + suffix, "finger", "metacarpal") > 0.5
    forearm &= outward > 0
    trunk = model.arm_weight < 0.05
    level = np.floor(posed.vertices_m[:, 2] / 0.02).astype(int)
    for band in np.unique(level[forearm]):
        at_band = level == band
        arm_y = posed.vertices_m[forearm & at_band, 1]
        beside = trunk & at_band & (posed.vertices_m[:, 1] > arm_y.min() - 0.01)
        beside &= posed.vertices_m[:, 1] < arm_y.max() + 0.01
        gap = outward[forearm & at_band].min() - outward[beside].max(initial=-1.0)
        if gap < FOREARM_TO_TRUNK_GAP_M:
            return True
    return False


def _skin(model: BodyModel, body: RestBody, pose: Pose) -> PosedBody:
    turns = _joint_turns(model, body, pose)
    count = len(model.bone_names)
    rotations = np.empty((count, 3, 3))
    positions = np.empty((count, 3))
    for bone, (name, parent) in enumerate(zip(model.bone_names, model.bone_parents, strict=True)):
        if parent < 0:
            rotations[bone], positions[bone] = turns.get(name, np.eye(3)), body.joints_m[bone]
            continue
        rotations[bone] = rotations[parent] @ turns.get(name, np.eye(3))
        positions[bone] = positions[parent] + rotations[parent] @ (body.joints_m[bone] - body.joints_m[parent])
    offsets = positions - np.einsum("bij,bj->bi", rotations, body.joints_m)
    blended = np.einsum("vk,vkij->vij", model.skin_weights, rotations[model.skin_bones])
    vertices = np.einsum("vij,vj->vi", blended, body.vertices_m)
    vertices += np.einsum("vk,vki->vi", model.skin_weights, offsets[model.skin_bones])
    origin = np.array([positions[0, 0], positions[0, 1], vertices[:, 2].min()])
    return PosedBody(vertices - origin, positions - origin)


def _joint_turns(model: BodyModel, body: RestBody, pose: Pose) -> dict[str, FloatArray]:
    """Rotation of each moved bone relative to its parent, in the axes of the rest pose."""
    turns = {"root": _about("y", pose.lean_deg)}
    for spine in ("spine03", "spine02", "spine01"):
        turns[spine] = _about("x", pose.slouch_deg / 3)
    turns["neck01"] = _about("x", pose.slouch_deg * 0.35)
    turns["neck03"] = _about("x", -pose.slouch_deg * 1.1)
    turns["head"] = _about("z", pose.head_turn_deg) @ _about("x", pose.head_nod_deg)
    for side, suffix, arm in ((LEFT, ".L", pose.left_arm), (RIGHT, ".R", pose.right_arm)):
        turns |= _arm_turns(model, body, side, suffix, arm)
        turns |= _finger_turns(model, body, suffix, pose.finger_curl_deg)
        knee_bend = pose.left_knee_bend_deg if side == LEFT else pose.right_knee_bend_deg
        # The hip swings out and forward, the knee back, the ankle undoes both, so that the sole stays flat.
        turns["upperleg01" + suffix] = _about("y", -side * pose.stance_deg) @ _about("x", -knee_bend / 2)
        turns["lowerleg01" + suffix] = _about("x", knee_bend)
        turns["foot" + suffix] = _about("x", -knee_bend / 2) @ _about("y", side * pose.stance_deg - pose.lean_deg)
    return turns


def _arm_turns(model: BodyModel, body: RestBody, side: float, suffix: str, arm: Arm) -> dict[str, FloatArray]:
    shoulder, elbow, wrist = (model.joint(body, bone + suffix) for bone in ("upperarm01", "lowerarm01", "wrist"))
    upper = _align(elbow - shoulder, _direction(side, arm.out_deg, arm.forward_deg))
    forearm_now = upper @ (wrist - elbow)
    fore = _align(forearm_now, _direction(side, arm.forearm_out_deg, arm.forearm_forward_deg))
    # Expressed relative to the upper arm, whose own turn the skeleton applies first.
    return {"upperarm01" + suffix: upper, "lowerarm01" + suffix: upper.T @ fore @ upper}


def _finger_turns(model: BodyModel, body: RestBody, suffix: str, curl_deg: float) -> dict[str, FloatArray]:
    first, last, wrist = (model.joint(body, bone + suffix) for bone in ("finger2-1", "finger5-1", "wrist"))
    knuckles = last - first
    palm = np.cross(first - wrist, knuckles)
    # Curling turns the fingertips to the palm, which in Anny's rest pose faces down and backwards.
    axis = knuckles / np.linalg.norm(knuckles) * (1.0 if palm[2] * knuckles[1] > 0 else -1.0)
    curl = Rotation.from_rotvec(np.radians(curl_deg) * axis).as_matrix()
    return {f"finger{finger}-{segment}{suffix}": curl for finger in (2, 3, 4, 5) for segment in (1, 2, 3)}


def _direction(side: float, out_deg: float, forward_deg: float) -> FloatArray:
    """Unit vector of a limb hanging down, first swung forward, then out to the side."""
    out, forward = np.radians([out_deg, forward_deg])
    return np.array([side * np.sin(out), -np.sin(forward) * np.cos(out), -np.cos(forward) * np.cos(out)])


def _about(axis: str, angle_deg: float) -> FloatArray:
    return np.asarray(Rotation.from_euler(axis, angle_deg, degrees=True).as_matrix(), dtype=np.float64)


def _align(source: FloatArray, target: FloatArray) -> FloatArray:
    """The smallest rotation that turns one direction into another."""
    a, b = source / np.linalg.norm(source), target / np.linalg.norm(target)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        return np.eye(3)
    angle = float(np.arctan2(sine, a @ b))
    return np.asarray(Rotation.from_rotvec(axis / sine * angle).as_matrix(), dtype=np.float64)
