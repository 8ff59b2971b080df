"""Lengths, heights and the breadth of the shoulders, in metres, as a tape or a measuring rod would take them."""

import numpy as np

from gpu_worker.body.body import Region
from gpu_worker.measurement.geometry import FloatArray, path_length_m, taut_path
from gpu_worker.measurement.subject import TRUNK, Limbs, Subject

# Half the width of a tape over stature (1 cm on 170 cm). A tape between the legs lies on both edges of the cleft
# between the buttocks and cannot follow its bottom.
_TAPE_HALF_WIDTH = 0.006

BACKWARD = np.array([0.0, 0.0, -1.0])


def height(subject: Subject) -> float:
    return subject.stature_m


def waist_height(subject: Subject) -> float:
    return float(subject.waist.origin[1])


def hip_height(subject: Subject) -> float:
    return float(subject.hip.origin[1])


def knee_height(subject: Subject) -> float:
    return float(np.mean([subject.vertex(limbs.landmarks.kneecap)[1] for limbs in subject.sides]))


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
    return taut_path(subject.sagittal_points(0.0, *TRUNK, Region.NECK), nape, waist, BACKWARD)


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
    """(k, 3) from the waist in front to the crotch and up to the waist behind, in the body's middle plane.

    In front it is taut over the middle of the belly. Behind it is taut over what its two edges touch: a tape bridges
    the cleft between the buttocks as far as its width lets it, and the hollow of the back above them. What lies below
    the crotch, such as thighs that touch, is out of its way.
    """
    front, behind = (subject.midline(subject.waist, front=side) for side in (True, False))
    half_width = _TAPE_HALF_WIDTH * subject.stature_m
    middle = _between_crotch_and_waist(subject, 0.0)
    edges = np.concatenate([_between_crotch_and_waist(subject, side * half_width) for side in (-1.0, 1.0)])
    descent = taut_path(middle, front, subject.crotch, -BACKWARD, past_ends=True)
    ascent = taut_path(edges, subject.crotch, behind, BACKWARD, past_ends=True)
    return np.concatenate([descent, ascent[1:]])


def _between_crotch_and_waist(subject: Subject, offset_m: float) -> FloatArray:
    points = subject.sagittal_points(offset_m, *TRUNK)
    inside: FloatArray = points[(points[:, 1] > subject.crotch[1]) & (points[:, 1] < subject.waist.origin[1])]
    return inside
