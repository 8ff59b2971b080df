"""What each measurement is: one frozen entry a key, with the rule by which it is taken on a mesh.

Clauses of ISO 8559-1:2017 are given where two sources that do not draw on each other name the same one (a table of body
scanning measurements by Bodygram, and the `clad-body` package); where they differ, or only one names it, it is None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gpu_worker.measurement import girths, lengths
from gpu_worker.measurement.geometry import Girth
from gpu_worker.measurement.subject import Subject
from shared.measurements import MeasurementKey

# Density of a whole body, lungs part filled, as `anny.anthropometry` assumes and as the truth of our accuracy set does.
BODY_DENSITY_KG_M3 = 980.0


class Kind(StrEnum):
    """What sort of quantity a measurement is."""

    GIRTH = "girth"
    LENGTH = "length"
    HEIGHT = "height"
    BREADTH = "breadth"
    VOLUME = "volume"
    MASS = "mass"


class BodyPart(StrEnum):
    """Where on the body a measurement is taken, for grouping in a list."""

    WHOLE = "whole"
    HEAD = "head"
    TRUNK = "trunk"
    ARM = "arm"
    LEG = "leg"


@dataclass(frozen=True)
class Definition:
    """One measurement.

    iso_clause: of ISO 8559-1:2017, or None. rule: how it is taken on the mesh. take: its value in the key's unit.
    tapes: for a girth, the tape of each side (one for the trunk); its value is their mean.
    """

    key: MeasurementKey
    label: str
    iso_clause: str | None
    kind: Kind
    region: BodyPart
    rule: str
    take: Callable[[Subject], float]
    tapes: Callable[[Subject], tuple[Girth, ...]] | None = None


def _girth(
    key: MeasurementKey,
    label: str,
    iso_clause: str | None,
    region: BodyPart,
    rule: str,
    tapes: Callable[[Subject], tuple[Girth, ...]],
) -> Definition:
    def take(subject: Subject) -> float:
        return 100.0 * float(np.mean([tape.perimeter_m for tape in tapes(subject)]))

    return Definition(key, label, iso_clause, Kind.GIRTH, region, rule, take, tapes)


def _length(
    key: MeasurementKey,
    label: str,
    iso_clause: str | None,
    kind: Kind,
    region: BodyPart,
    rule: str,
    length_m: Callable[[Subject], float],
) -> Definition:
    return Definition(key, label, iso_clause, kind, region, rule, lambda subject: 100.0 * length_m(subject))


_Key = MeasurementKey
_HEIGHT, _LENGTH, _BREADTH = Kind.HEIGHT, Kind.LENGTH, Kind.BREADTH
_WHOLE, _HEAD, _TRUNK, _ARM, _LEG = BodyPart.WHOLE, BodyPart.HEAD, BodyPart.TRUNK, BodyPart.ARM, BodyPart.LEG

# fmt: off
_ENTRIES = (
    _length(_Key.HEIGHT, "Height", None, _HEIGHT, _WHOLE,
            "Floor to crown.", lengths.height),
    _girth(_Key.CHEST_GIRTH, "Chest or bust girth", "5.3.4", _TRUNK,
           "Horizontal, at the level of the bust points; arms left out.", girths.chest),
    _girth(_Key.UNDERBUST_GIRTH, "Under-bust girth", None, _TRUNK,
           "Horizontal, just under the crease below the breasts; arms left out.", girths.under_bust),
    _girth(_Key.WAIST_GIRTH, "Waist girth", "5.3.10", _TRUNK,
           "Horizontal, at the mean level of the body model's waist line.", girths.waist),
    _girth(_Key.HIP_GIRTH, "Hip girth", "5.3.13", _TRUNK,
           "Horizontal, at the level of the rearmost point of the buttocks.", girths.hip),
    _girth(_Key.ABDOMEN_GIRTH, "Abdomen girth", None, _TRUNK,
           "Horizontal, at the belly's most forward point near and below the waist.", girths.abdomen),
    _girth(_Key.NECK_GIRTH, "Neck girth", "5.3.2", _HEAD,
           "Perpendicular to the neck's axis, just below the Adam's apple.", girths.neck),
    _girth(_Key.UPPER_ARM_GIRTH, "Upper-arm girth", "5.3.16", _ARM,
           "Perpendicular to the arm, midway between acromion and elbow; mean of both.", girths.upper_arm),
    _girth(_Key.ELBOW_GIRTH, "Elbow girth", None, _ARM,
           "Through the elbow joint, halving the angle of the slightly bent arm; mean of both.", girths.elbow),
    _girth(_Key.WRIST_GIRTH, "Wrist girth", "5.3.19", _ARM,
           "Perpendicular to the forearm, over the wrist bone; mean of both.", girths.wrist),
    _girth(_Key.THIGH_GIRTH, "Thigh girth", "5.3.20", _LEG,
           "Horizontal, below the crotch by a twentieth of the way to the knee; mean of both.", girths.thigh),
    _girth(_Key.KNEE_GIRTH, "Knee girth", None, _LEG,
           "Perpendicular to the leg, at the centre of the kneecap; mean of both.", girths.knee),
    _girth(_Key.CALF_GIRTH, "Calf girth", None, _LEG,
           "Perpendicular to the lower leg, the largest between knee and ankle; mean of both.", girths.calf),
    _girth(_Key.ANKLE_GIRTH, "Ankle girth", None, _LEG,
           "Perpendicular to the lower leg, the smallest above the ankle; mean of both.", girths.ankle),
    _girth(_Key.HEAD_GIRTH, "Head girth", None, _HEAD,
           "Above the brow ridges and over the rearmost point of the head.", girths.head),
    _length(_Key.SHOULDER_BREADTH, "Shoulder breadth over the back", None, _BREADTH, _TRUNK,
            "Acromion to C7 to acromion, a taut tape over the back.", lengths.shoulder_breadth),
    _length(_Key.BACK_NECK_TO_WAIST, "Back neck to waist", "5.4.5", _LENGTH, _TRUNK,
            "C7 down the middle of the back to the waist level, a taut tape.", lengths.back_neck_to_waist),
    _length(_Key.ARM_LENGTH, "Arm length", "5.7.8", _LENGTH, _ARM,
            "Acromion to elbow to wrist bone, a taut tape over the slightly bent arm; mean of both.",
            lengths.arm_length),
    _length(_Key.INSIDE_LEG_HEIGHT, "Inside leg height", None, _HEIGHT, _LEG,
            "Crotch to floor.", lengths.inside_leg_height),
    _length(_Key.WAIST_HEIGHT, "Waist height", None, _HEIGHT, _TRUNK,
            "Waist level to floor.", lengths.waist_height),
    _length(_Key.HIP_HEIGHT, "Hip height", None, _HEIGHT, _TRUNK,
            "Hip level to floor.", lengths.hip_height),
    _length(_Key.KNEE_HEIGHT, "Knee height", None, _HEIGHT, _LEG,
            "Centre of the kneecap to floor; mean of both.", lengths.knee_height),
    _length(_Key.CROTCH_LENGTH, "Crotch length", None, _LENGTH, _TRUNK,
            "Front waist to crotch to back waist, a taut tape in the body's middle plane.", lengths.crotch_length),
    Definition(_Key.BODY_VOLUME, "Body volume", None, Kind.VOLUME, _WHOLE, "Volume of the mesh.",
               lambda subject: 1000.0 * subject.volume_m3),
    Definition(_Key.WEIGHT, "Weight", None, Kind.MASS, _WHOLE, "Volume of the mesh times 980 kg/m3.",
               lambda subject: BODY_DENSITY_KG_M3 * subject.volume_m3),
)
# fmt: on

DEFINITIONS: dict[MeasurementKey, Definition] = {entry.key: entry for entry in _ENTRIES}
