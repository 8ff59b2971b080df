"""Decides whether a photo can be measured from at all: large enough, all of the body in view, turned the right way.

Each function looks at one thing and knows nothing of the networks, so that it can be tried on drawn figures. Lengths
are compared with the trunk or with the height of the outline, never with people of one build.
"""

import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.detection import Landmark
from gpu_worker.person.figure import SEEN, height_px, landmark_middle_px, seen_by_either_side, shoulder_ratio
from gpu_worker.person.person import View

# Below this a pixel is more than 7 mm of the body, more than the accuracy that is promised.
SMALLEST_PERSON_PX = 240
# A joint that only the background suggests scores lower than this even where the network is surest.
LEAST_PERSON_VISIBILITY = 0.7
# Shoulders are 0.66 to 0.77 trunk lengths apart from the front, at most 0.20 from the side. A front photo is refused
# when turned by about 45 degrees, a side photo when off by about 35.
LEAST_FRONT_RATIO = 0.48
LARGEST_SIDE_RATIO = 0.40
# An outline that runs along the border of the photo for this share of its own height goes on beyond it.
BORDER_RUN = 0.01


def is_credible_person(visibility: NDArray[np.float64]) -> bool:
    """Whether head and shoulders, at least, are there to be seen."""
    upper = visibility[[Landmark.NOSE, Landmark.LEFT_SHOULDER, Landmark.RIGHT_SHOULDER]]
    return bool(np.sort(upper)[1] >= LEAST_PERSON_VISIBILITY)


def is_whole_person(visibility: NDArray[np.float64]) -> bool:
    """Whether a person is seen from head to feet; asked before a faint detection is believed."""
    joints = ("SHOULDER", "HIP", "KNEE", "ANKLE")
    return is_credible_person(visibility) and all(
        seen_by_either_side(visibility, joint, LEAST_PERSON_VISIBILITY) for joint in joints
    )


def is_far_away(mask: NDArray[np.float32]) -> bool:
    """Whether too few pixels show the person."""
    return height_px(mask) < SMALLEST_PERSON_PX


def wrong_side(landmarks_px: NDArray[np.float64], view: View) -> str | None:
    """The side of the person that a photo shows instead of `view`: "front", "side" or "back"; None if all is well."""
    ratio = shoulder_ratio(landmarks_px)
    if view is View.FRONT and ratio >= LEAST_FRONT_RATIO:
        return None
    if view is View.SIDE and abs(ratio) <= LARGEST_SIDE_RATIO:
        return None
    if ratio < -LARGEST_SIDE_RATIO:
        return "back"
    return "side" if view is View.FRONT else "front"


def parts_cut_off(
    landmarks_px: NDArray[np.float64], visibility: NDArray[np.float64], mask: NDArray[np.float32]
) -> tuple[str, ...]:
    """Names of the parts of the body that are outside the photo or hidden; empty when all of it is in view."""
    photo_height_px, photo_width_px = mask.shape
    inside = mask > 0.5
    run = max(2.0, BORDER_RUN * height_px(mask))
    head = slice(Landmark.NOSE, Landmark.RIGHT_EAR + 1)
    feet = slice(Landmark.LEFT_ANKLE, Landmark.RIGHT_TOES + 1)
    parts = []
    if inside[0].sum() >= run or landmarks_px[head, 1].min() < 0.0 or visibility[head].max() < SEEN:
        parts.append("head")
    if not seen_by_either_side(visibility, "KNEE") or landmark_middle_px(landmarks_px, "KNEE")[1] > photo_height_px:
        parts.append("legs")
    elif (
        inside[-1].sum() >= run
        or landmarks_px[feet, 1].max() > photo_height_px
        or not seen_by_either_side(visibility, "ANKLE")
    ):
        parts.append("feet")
    seen_x_px = landmarks_px[visibility > SEEN, 0]
    for side, border, beyond in (
        ("left", inside[:, 0], (seen_x_px < 0.0).any()),
        ("right", inside[:, -1], (seen_x_px > photo_width_px).any()),
    ):
        if beyond or border.sum() >= run:
            parts.append(f"arm or hand at the {side} edge of the photo")
    return tuple(parts)
