"""Why a request can be refused or answered with a warning, and what the shopper can do about it."""

from enum import StrEnum


class RejectionReason(StrEnum):
    """A reason the worker refuses an input; stable, part of the wire contract."""

    NOT_AN_IMAGE = "not_an_image"
    IMAGE_TOO_SMALL = "image_too_small"
    IMAGE_TOO_LARGE = "image_too_large"
    NO_PERSON = "no_person"
    SEVERAL_PEOPLE = "several_people"
    BODY_CUT_OFF = "body_cut_off"
    TURNED_AWAY = "turned_away"
    PERSON_TOO_SMALL = "person_too_small"
    IMPLAUSIBLE_HEIGHT = "implausible_height"
    IMPLAUSIBLE_WEIGHT = "implausible_weight"
    FIT_FAILED = "fit_failed"


class WarningReason(StrEnum):
    """A reason the result is less certain than it could be; the job still succeeds."""

    HANDS_ON_HIPS = "hands_on_hips"
    ARMS_AGAINST_TRUNK = "arms_against_trunk"
    TOO_DARK = "too_dark"
    BLURRED = "blurred"
    LOOSE_CLOTHES = "loose_clothes"
    WEIGHT_DISAGREES = "weight_disagrees"


REJECTION_ADVICE: dict[RejectionReason, str] = {
    RejectionReason.NOT_AN_IMAGE: "We could not open this file as a photo. Please send a JPEG, PNG, WebP or HEIC file.",
    RejectionReason.IMAGE_TOO_SMALL: "This photo is too small to measure from. Please send the original photo.",
    RejectionReason.IMAGE_TOO_LARGE: "This photo is too large. Please send one of at most 25 MB and 40 megapixels.",
    RejectionReason.NO_PERSON: "We could not find a person. Stand in full view and in good light, nearly filling "
    "the photo from top to bottom.",
    RejectionReason.SEVERAL_PEOPLE: "We see more than one person. Please take the photo with nobody else in view.",
    RejectionReason.BODY_CUT_OFF: "Please step back until the photo shows all of you, from head to feet.",
    RejectionReason.TURNED_AWAY: "Please face the camera for the front photo, and make a quarter turn for the side "
    "photo.",
    RejectionReason.PERSON_TOO_SMALL: "You are too far from the camera. Step closer, until you nearly fill the photo "
    "from top to bottom.",
    RejectionReason.IMPLAUSIBLE_HEIGHT: "Please check your height and give it in centimetres, between 120 and 230.",
    RejectionReason.IMPLAUSIBLE_WEIGHT: "Your height and weight do not seem to belong together. Please check both.",
    RejectionReason.FIT_FAILED: "We could not make out your outline well enough. Try a plain background, good light "
    "and close-fitting clothes.",
}

WARNING_ADVICE: dict[WarningReason, str] = {
    WarningReason.HANDS_ON_HIPS: "Your hands seem to rest on your hips. Let them hang a little away from your body.",
    WarningReason.ARMS_AGAINST_TRUNK: "Your arms are close to your body. Holding them a hand's width away helps.",
    WarningReason.TOO_DARK: "The photo is dark. More light gives a better result.",
    WarningReason.BLURRED: "The photo is blurred. Hold the camera still, or stand it on something.",
    WarningReason.LOOSE_CLOTHES: "Your clothes look loose. Close-fitting clothes give a better result.",
    WarningReason.WEIGHT_DISAGREES: "The weight you gave does not match the outline in the photo. Please check it.",
}
