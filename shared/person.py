"""What a shopper may tell about themselves, and what of it can be true; shared by every side of the wire."""

from enum import StrEnum

from shared.rejections import RejectionReason

# Adults from the shortest healthy ones to the tallest; below or above, a unit was mistaken.
HEIGHT_RANGE_CM = (120.0, 230.0)
# Body mass indices of living adults who stand for a photo; beyond them, height and weight do not belong together.
BMI_RANGE_KG_PER_M2 = (12.0, 75.0)
AGE_RANGE_YEARS = (18, 100)


class Sex(StrEnum):
    """The sex whose body shapes fit best; a shopper need not say."""

    FEMALE = "female"
    MALE = "male"


def check_plausible(*, height_cm: float, weight_kg: float | None) -> RejectionReason | None:
    """Why these figures cannot be an adult's, or None if they can. NaN and infinities cannot."""
    if not HEIGHT_RANGE_CM[0] <= height_cm <= HEIGHT_RANGE_CM[1]:
        return RejectionReason.IMPLAUSIBLE_HEIGHT
    if weight_kg is None:
        return None
    bmi = weight_kg / (height_cm / 100.0) ** 2
    if not BMI_RANGE_KG_PER_M2[0] <= bmi <= BMI_RANGE_KG_PER_M2[1]:
        return RejectionReason.IMPLAUSIBLE_WEIGHT
    return None
