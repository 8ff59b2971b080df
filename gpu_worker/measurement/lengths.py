"""Lengths, heights and the breadth of the shoulders, in metres, as a tape or a measuring rod would take them."""

import numpy as np

from gpu_worker.body.body import Region
from gpu_worker.measurement.geometry import FloatArray, path_length_m, taut_path
from gpu_worker.measurement.subject import TRUNK, UP, Limbs, Subject

# Half the width of a tape over stature (1 cm on 170 cm). A tape between the legs lies on both edges of the cleft
# between the buttocks and cannot follow its bottom.
_TAPE_HALF_WIDTH = 0.006

_BACK = np.array([0.0, 0.0, -1.0])


def height(subject: Subject) -> float:
    return subject.stature_m


def waist_height(subject: Subject) -> float:
    return float(subject.waist.origin[1])


def hip_height(subject: Subject) -> float:
    return float(subject.hip.origin[1])


def knee_height(subject: Subject) -> float:
    return float(np.mean([subject.joint(limbs.landmarks.knee_joint)[1] for limbs in subject.sides]))


def inside_leg_height(subject: Subject) -> float:
    return float(subject.crotch[1])


def shoulder_breadth(subject: Subject) -> float:
    """Acromion to C7 and on to the other acromion, taut over the back."""
    parts = (Region.UPPER_TRUNK, Region.NECK, Region.LEFT_UPPER_ARM, Region.RIGHT_UPPER_ARM)
    nape = subject.landmarks.nape
    halves = (subject.tape_between(limbs.landmarks.acromion, nape, *parts) for limbs in subject.sides)
    return sum(path_length_m(half) for half in halves)


def back_neck_to_waist(subject: Subject) -> float:
    return path_length_m(back_neck_to_waist_tape(subject))


def back_neck_to_waist_tape(subject: Subject) -> FloatArray:
    """(k, 3) from C7 down the spine to the waist, taut: it bridges the hollow between them."""
    nape = subject.vertex(subject.landmarks.nape)
    waist = subject.midline(subject.waist, front=False)
    faces = subject.faces_of(*TRUNK, Region.NECK)
    return taut_path(subject.body.vertices_m, faces, nape, waist, _BACK)


def arm_length(subject: Subject) -> float:
    """Acromion over the tip of the slightly bent elbow to the wrist bone; the mean of both arms."""

    def one(limbs: Limbs) -> float:
        side = limbs.landmarks
        upper = subject.tape_between(side.acromion, side.olecranon, Region.UPPER_TRUNK, *limbs.arm)
        lower = subject.tape_between(side.olecranon, side.wrist_bone, *limbs.arm)
        return path_length_m(upper) + path_length_m(lower)

    return float(np.mean([one(limbs) for limbs in subject.sides]))


def crotch_length(subject: Subject) -> float:
    return path_length_m(crotch_tape(subject))


def crotch_tape(subject: Subject) -> FloatArray:
    """(k, 3) from the waist in front, between the legs, to the waist behind.

    Taut in the body's middle plane, on the further out of what the tape's two edges touch: it bridges the cleft between
    the buttocks as far as a tape of its width does, and the hollow of the back above them.
    """
    front, behind = (subject.midline(subject.waist, front=side) for side in (True, False))
    edges = [
        _flattened_slice(subject, offset * _TAPE_HALF_WIDTH * subject.stature_m, front, behind)
        for offset in (-1.0, 1.0)
    ]
    return max(edges, key=path_length_m)


def _flattened_slice(subject: Subject, offset_m: float, front: FloatArray, behind: FloatArray) -> FloatArray:
    aside = np.array([offset_m, 0.0, 0.0])
    faces = subject.faces_of(*TRUNK)
    return taut_path(subject.body.vertices_m, faces, front + aside, behind + aside, -UP, past_ends=True)
