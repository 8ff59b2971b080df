"""The names of everything we measure on a body, shared by every side of the wire."""

from enum import StrEnum


class MeasurementKey(StrEnum):
    """One tailor's measurement. The suffix is the unit: `_cm` centimetres, `_l` litres, `_kg` kilograms."""

    HEIGHT = "height_cm"
    CHEST_GIRTH = "chest_girth_cm"
    UNDERBUST_GIRTH = "underbust_girth_cm"
    WAIST_GIRTH = "waist_girth_cm"
    HIP_GIRTH = "hip_girth_cm"
    ABDOMEN_GIRTH = "abdomen_girth_cm"
    NECK_GIRTH = "neck_girth_cm"
    UPPER_ARM_GIRTH = "upper_arm_girth_cm"
    ELBOW_GIRTH = "elbow_girth_cm"
    WRIST_GIRTH = "wrist_girth_cm"
    THIGH_GIRTH = "thigh_girth_cm"
    KNEE_GIRTH = "knee_girth_cm"
    CALF_GIRTH = "calf_girth_cm"
    ANKLE_GIRTH = "ankle_girth_cm"
    HEAD_GIRTH = "head_girth_cm"
    SHOULDER_BREADTH = "shoulder_breadth_cm"
    BACK_NECK_TO_WAIST = "back_neck_to_waist_cm"
    ARM_LENGTH = "arm_length_cm"
    INSIDE_LEG_HEIGHT = "inside_leg_height_cm"
    WAIST_HEIGHT = "waist_height_cm"
    HIP_HEIGHT = "hip_height_cm"
    KNEE_HEIGHT = "knee_height_cm"
    CROTCH_LENGTH = "crotch_length_cm"
    BODY_VOLUME = "body_volume_l"
    WEIGHT = "weight_kg"
