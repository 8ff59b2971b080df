"""Looks for a second person, since the pose network reports one however many there are."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.detection import Face, Landmark, Pose
from gpu_worker.person.figure import (
    height_px,
    landmark_middle_px,
    seen_by_either_side,
    trunk_length_px,
)

# Someone under a quarter of the shopper's height is a passer-by far behind, and does not touch the outline.
SMALLEST_HEIGHT_RATIO = 0.25
# A whole body stands out with joints seen this clearly. Portraits on a wall, cushions and half-hidden figures do not
# reach it at the knees and ankles.
CONVINCING_VISIBILITY = 0.65
# A body found mostly where the first one was painted over is its ghost.
LARGEST_GHOST_OVERLAP = 0.75
# People are between these, as the length of the trunk over the height of the outline (0.27 to 0.30 standing).
PLAUSIBLE_TRUNK_RATIO = (0.18, 0.50)

# A second face at the outline belongs to someone touching the shopper. The network's boxes are 0.2 to 0.4 trunk
# lengths wide for a head as near as the shopper's; prints on clothes lie close to the middle of the trunk.
CONVINCING_FACE_SCORE = 0.6
FACE_TRUNK_RATIO = (0.12, 0.80)
OWN_HEAD_TRUNK_RATIO = 0.35
PRINT_TRUNK_RATIO = 0.40

_FILL_SIDE_PX = 240
_FILL_MARGIN = 0.02


def paint_over(photo_rgb: NDArray[np.uint8], mask: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The photo without the person: surroundings flow in smoothly. Gives the picture and the pixels painted (H, W).

    Averages over ever larger neighbourhoods, each filling what the finer ones could not see (Gortler et al., "The
    Lumigraph", 1996, section 3.4: pull-push).
    """
    height, width = mask.shape
    radius = max(2, round(_FILL_MARGIN * height_px(mask)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    # Also where the network was in doubt: hair and blurred hands would leave a figure behind.
    painted = cv2.dilate((mask > 0.1).astype(np.uint8), kernel) > 0
    scale = min(1.0, _FILL_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    known = 1.0 - painted.astype(np.float32)
    weight = _float32(cv2.resize(known, size, interpolation=cv2.INTER_AREA))
    colour = _float32(cv2.resize(photo_rgb * known[..., None], size, interpolation=cv2.INTER_AREA))
    fill = cv2.resize(_pull_push(colour, weight), (width, height), interpolation=cv2.INTER_LINEAR)
    picture: NDArray[np.uint8] = np.where(painted[..., None], fill.round(), photo_rgb).clip(0, 255).astype(np.uint8)
    return picture, painted


def is_convincing_second(first: Pose, second: Pose, painted: NDArray[np.bool_]) -> bool:
    """Whether the body found after painting over the first is another whole person of comparable size."""
    body = second.mask > 0.5
    height, first_height = height_px(second.mask), height_px(first.mask)
    if height == 0 or height < SMALLEST_HEIGHT_RATIO * first_height:
        return False
    joints = ("SHOULDER", "HIP", "KNEE", "ANKLE")
    least, most = PLAUSIBLE_TRUNK_RATIO
    return (
        all(seen_by_either_side(second.visibility, joint, CONVINCING_VISIBILITY) for joint in joints)
        and least <= trunk_length_px(second.landmarks_px) / height <= most
        and float(painted[body].mean()) <= LARGEST_GHOST_OVERLAP
    )


def has_second_face(first: Pose, faces: Sequence[Face], painted: NDArray[np.bool_]) -> bool:
    """Whether a face that is neither the first person's nor printed on their clothes touches their outline.

    faces: those of the photo, and those seen once the first person is painted over. A portrait further off is harmless.
    """
    trunk = trunk_length_px(first.landmarks_px)
    own = first.landmarks_px[Landmark.NOSE : Landmark.MOUTH_RIGHT + 1].mean(axis=0)
    shoulders, hips = (landmark_middle_px(first.landmarks_px, joint) for joint in ("SHOULDER", "HIP"))
    least, most = FACE_TRUNK_RATIO
    return any(
        face.score >= CONVINCING_FACE_SCORE
        and least * trunk <= face.size_px <= most * trunk
        and _distance(face, own) >= OWN_HEAD_TRUNK_RATIO * trunk
        and _distance_to_segment(face, shoulders, hips) >= PRINT_TRUNK_RATIO * trunk
        and _touches(face, painted)
        for face in faces
    )


def _touches(face: Face, painted: NDArray[np.bool_]) -> bool:
    left, top = max(0, int(face.x_px - face.size_px / 2)), max(0, int(face.y_px - face.size_px / 2))
    right, bottom = int(face.x_px + face.size_px / 2) + 1, int(face.y_px + face.size_px / 2) + 1
    return bool(painted[top:bottom, left:right].any())


def _pull_push(colour: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    levels = [(colour, weight)]
    while min(levels[-1][1].shape) > 2:
        levels.append((_float32(cv2.pyrDown(levels[-1][0])), _float32(cv2.pyrDown(levels[-1][1]))))
    colour, weight = levels.pop()
    fill: NDArray[np.float32] = colour / np.maximum(weight, 1e-4)[..., None]
    for colour, weight in reversed(levels):
        coarse = _float32(cv2.resize(fill, weight.shape[::-1], interpolation=cv2.INTER_LINEAR))
        share = np.minimum(1.0, 4.0 * weight)[..., None]
        fill = share * colour / np.maximum(weight, 1e-3)[..., None] + (1.0 - share) * coarse
    return fill


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    # OpenCV's type stubs know no dtype.
    return values.astype(np.float32, copy=False)


def _distance(face: Face, point: NDArray[np.float64]) -> float:
    return float(np.hypot(face.x_px - point[0], face.y_px - point[1]))


def _distance_to_segment(face: Face, start: NDArray[np.float64], end: NDArray[np.float64]) -> float:
    along = end - start
    share = ((face.x_px - start[0]) * along[0] + (face.y_px - start[1]) * along[1]) / max(1e-9, float(along @ along))
    return _distance(face, start + float(np.clip(share, 0.0, 1.0)) * along)
