"""Where the tape goes around the body for each girth: one function each, a `Girth` a side."""

from collections.abc import Callable

import numpy as np

from gpu_worker.body.body import Region
from gpu_worker.measurement.geometry import FloatArray, Girth, Plane, unit
from gpu_worker.measurement.subject import ACROSS, Limbs, Subject

_SWEEP_STEPS = 9
# Shares of the way from knee to ankle between which the calf's bulge and the slimmest place above the ankle lie. The
# knee itself, which can be the larger, ends above the first.
_CALF_SHARES = (0.2, 0.55)
_ANKLE_SHARES = (0.6, 0.92)


def chest(subject: Subject) -> tuple[Girth, ...]:
    return (subject.trunk_girth(subject.bust),)


def under_bust(subject: Subject) -> tuple[Girth, ...]:
    return (subject.trunk_girth(subject.under_bust),)


def waist(subject: Subject) -> tuple[Girth, ...]:
    return (subject.trunk_girth(subject.waist),)


def abdomen(subject: Subject) -> tuple[Girth, ...]:
    return (subject.trunk_girth(subject.abdomen),)


def hip(subject: Subject) -> tuple[Girth, ...]:
    return (subject.trunk_girth(subject.hip),)


def neck(subject: Subject) -> tuple[Girth, ...]:
    landmarks = subject.landmarks
    axis = subject.limb_axis(landmarks.neck_joint, landmarks.head_joint)
    plane = Plane.fixed(subject.vertex(landmarks.throat), axis)
    return (subject.girth(plane, Region.NECK, Region.HEAD, Region.UPPER_TRUNK, around=(Region.NECK,)),)


def head(subject: Subject) -> tuple[Girth, ...]:
    forehead, occiput = (subject.vertex(index) for index in (subject.landmarks.forehead, subject.landmarks.occiput))
    plane = Plane.fixed(forehead, np.cross(forehead - occiput, ACROSS))
    return (subject.girth(plane, Region.HEAD, around=(Region.HEAD,)),)


def upper_arm(subject: Subject) -> tuple[Girth, ...]:
    def one(limbs: Limbs) -> Girth:
        side = limbs.landmarks
        middle = (subject.vertex(side.acromion) + subject.vertex(side.olecranon)) / 2.0
        plane = Plane.fixed(middle, subject.limb_axis(side.shoulder_joint, side.elbow_joint))
        return subject.girth(plane, *limbs.arm, around=limbs.arm[:1])

    return _both(subject, one)


def elbow(subject: Subject) -> tuple[Girth, ...]:
    def one(limbs: Limbs) -> Girth:
        side = limbs.landmarks
        upper = subject.limb_axis(side.shoulder_joint, side.elbow_joint)
        lower = subject.limb_axis(side.elbow_joint, side.wrist_joint)
        plane = Plane.fixed(subject.joint(side.elbow_joint), upper + lower)
        return subject.girth(plane, *limbs.arm, around=limbs.arm[:2])

    return _both(subject, one)


def wrist(subject: Subject) -> tuple[Girth, ...]:
    def one(limbs: Limbs) -> Girth:
        side = limbs.landmarks
        plane = Plane.fixed(subject.vertex(side.wrist_bone), subject.limb_axis(side.elbow_joint, side.wrist_joint))
        return subject.girth(plane, *limbs.arm, around=limbs.arm[1:])

    return _both(subject, one)


def thigh(subject: Subject) -> tuple[Girth, ...]:
    level = subject.thigh_level()
    trunk = (Region.LOWER_TRUNK, Region.LEFT_THIGH, Region.RIGHT_THIGH)
    return _both(subject, lambda limbs: subject.girth(level, *trunk, around=limbs.leg[:1]))


def knee(subject: Subject) -> tuple[Girth, ...]:
    def one(limbs: Limbs) -> Girth:
        side = limbs.landmarks
        axis = subject.limb_axis(side.hip_joint, side.knee_joint) + subject.limb_axis(side.knee_joint, side.ankle_joint)
        return _around_leg(subject, limbs, subject.vertex(side.kneecap), axis)

    return _both(subject, one)


def calf(subject: Subject) -> tuple[Girth, ...]:
    return _both(subject, lambda limbs: _extreme_below_knee(subject, limbs, _CALF_SHARES, largest=True))


def ankle(subject: Subject) -> tuple[Girth, ...]:
    return _both(subject, lambda limbs: _extreme_below_knee(subject, limbs, _ANKLE_SHARES, largest=False))


def _both(subject: Subject, one: Callable[[Limbs], Girth]) -> tuple[Girth, ...]:
    return tuple(one(limbs) for limbs in subject.sides)


def _around_leg(subject: Subject, limbs: Limbs, origin: FloatArray, axis: FloatArray) -> Girth:
    return subject.girth(Plane.fixed(origin, axis), *limbs.leg)


def _extreme_below_knee(subject: Subject, limbs: Limbs, shares: tuple[float, float], *, largest: bool) -> Girth:
    """Sweep the lower leg, then look once more at the top of the parabola through the best place and its neighbours."""
    knee, ankle = subject.joint(limbs.landmarks.knee_joint), subject.joint(limbs.landmarks.ankle_joint)
    axis = unit(ankle - knee)
    sign = 1.0 if largest else -1.0

    def at(share: float) -> Girth:
        return _around_leg(subject, limbs, knee + share * (ankle - knee), axis)

    places = np.linspace(*shares, _SWEEP_STEPS)
    girths = [at(float(place)) for place in places]
    lengths = sign * np.array([girth.perimeter_m for girth in girths])
    best = int(lengths.argmax())
    if 0 < best < len(places) - 1:
        before, here, after = lengths[best - 1 : best + 2]
        offset = 0.5 * (before - after) / (before - 2.0 * here + after)
        girths.append(at(float(places[best] + offset * (places[1] - places[0]))))
    return max(girths, key=lambda girth: sign * girth.perimeter_m)
