"""Notices what makes a measurement less certain without making it impossible: light, sharpness, arms, clothes.

Each function looks at one thing, is tuned to stay silent in doubt, and never judges a body: heavy legs are no skirt,
dark skin is no dark photo.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.detection import Landmark
from gpu_worker.person.figure import height_px, landmark_middle_px, trunk_length_px

# Hands on the hips are about 0.3 trunk lengths from the hip joint and bend the elbow; hanging hands do not.
HAND_TO_HIP_RATIO = 0.55
BENT_ELBOW_DEG = 140.0
# Background must show between arm and trunk at this share of the levels from above the elbow to the wrist.
LEVELS_WITH_GAP = 0.3
# An arm further from the vertical than this is lifted, and free of the trunk whatever the levels show.
LIFTED_ARM_DEG = 50.0
# The brightest tenth of a photo taken in a lit room is far above this, whatever the person wears or looks like.
DARK_LEVEL = 70.0
LIT_LEVEL = 170.0
# Sharp photos smear an edge over 0.3 % of the height; over 1 % (1.7 cm) the outline moves more than with clothes.
BLURRED_EDGE_RATIO = 0.010
# Only edges with this much contrast, and this many of them, tell how sharp they are.
EDGE_CONTRAST_LEVELS = 25.0
LEAST_EDGES = 50
# Knees and calves of heavy people reach 0.12 of the height; wide trousers and skirts are wider.
LOOSE_LEG_RATIO = 0.15
# Shins this far apart, as a share of the height, leave a gap between any pair of bare calves.
STANCE_RATIO = 0.12
# Forearms, four fifths of the way to the wrist, are 0.025 to 0.040 of the height wide at any weight, the sleeves of a
# hoodie 0.049 and more. Beyond the upper limit the arm has merged with what is behind it.
WIDE_SLEEVE_RATIO = (0.045, 0.085)

Points = NDArray[np.float64]
Mask = NDArray[np.float32]


def has_hands_on_hips(landmarks_px: Points) -> bool:
    """Whether, seen from the front, a hand rests on the hip with the elbow pointing outwards."""
    trunk = trunk_length_px(landmarks_px)
    middle_px = landmark_middle_px(landmarks_px, "HIP")[0]
    for shoulder, elbow, wrist, hip in _both_sides(landmarks_px, "SHOULDER", "ELBOW", "WRIST", "HIP"):
        near = np.linalg.norm(wrist - hip) < HAND_TO_HIP_RATIO * trunk
        outwards = abs(elbow[0] - middle_px) > abs(wrist[0] - middle_px)
        if near and outwards and _angle_deg(shoulder - elbow, wrist - elbow) < BENT_ELBOW_DEG:
            return True
    return False


def has_arms_against_trunk(landmarks_px: Points, mask: Mask) -> bool:
    """Whether, seen from the front, hardly any background shows between the trunk and a hanging arm."""
    middle_px = (landmark_middle_px(landmarks_px, "SHOULDER")[0] + landmark_middle_px(landmarks_px, "HIP")[0]) / 2
    for shoulder, elbow, wrist in _both_sides(landmarks_px, "SHOULDER", "ELBOW", "WRIST"):
        if _angle_deg(wrist - shoulder, np.array([0.0, 1.0])) > LIFTED_ARM_DEG:
            continue
        above_elbow = shoulder + 0.6 * (elbow - shoulder)
        arm = np.concatenate((np.linspace(above_elbow, elbow, 8), np.linspace(elbow, wrist, 16)))
        if np.mean([_has_background(mask, y_px, x_px, middle_px) for x_px, y_px in arm]) < LEVELS_WITH_GAP:
            return True
    return False


def is_dark(photo_rgb: NDArray[np.uint8]) -> bool:
    """Whether the photo as a whole lacks light; the person alone would tell of skin and clothes."""
    return bool(np.percentile(cv2.cvtColor(photo_rgb, cv2.COLOR_RGB2GRAY), 90) < DARK_LEVEL)


def lit(photo_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A dark photo made as bright as most are, so that the networks find who is in it."""
    brightest = max(1.0, float(np.percentile(cv2.cvtColor(photo_rgb, cv2.COLOR_RGB2GRAY), 90)))
    brightened: NDArray[np.uint8] = (photo_rgb * (LIT_LEVEL / brightest)).clip(0, 255).astype(np.uint8)
    return brightened


def is_blurred(photo_rgb: NDArray[np.uint8], mask: Mask) -> bool:
    """Whether the person's edge is smeared over so much of their height that the outline is uncertain."""
    width_px = edge_width_px(photo_rgb, mask)
    return width_px is not None and width_px > BLURRED_EDGE_RATIO * height_px(mask)


def edge_width_px(photo_rgb: NDArray[np.uint8], mask: Mask) -> float | None:
    """Median width of the light-dark step across the person's outline: contrast over steepest slope.

    A Gaussian blur of standard deviation s makes it 2.5 s. None where too little of the outline has contrast.
    """
    points, normals = _outline(mask)
    reach = np.arange(-0.025, 0.0251, 0.0025) * height_px(mask)
    spots = (points[:, None, :] + reach[None, :, None] * normals[:, None, :]).astype(np.float32)
    grey = cv2.cvtColor(photo_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    profile = np.asarray(cv2.remap(grey, spots[..., 0], spots[..., 1], cv2.INTER_LINEAR), dtype=np.float64)
    contrast = np.abs(profile[:, :3].mean(axis=1) - profile[:, -3:].mean(axis=1))
    clear = contrast > EDGE_CONTRAST_LEVELS
    if clear.sum() < LEAST_EDGES:
        return None
    slope = np.abs(np.diff(profile[clear], axis=1)).max(axis=1) / (reach[1] - reach[0])
    return float(np.median(contrast[clear] / slope))


def has_loose_clothes(landmarks_px: Points, mask: Mask) -> bool:
    """Whether, seen from the front, a skirt, very wide trousers or wide long sleeves hide the body.

    Loose clothes on the trunk alone look like a larger trunk and cannot be told apart.
    """
    return _hides_legs(landmarks_px, mask) or _has_wide_sleeves(landmarks_px, mask)


def _hides_legs(landmarks_px: Points, mask: Mask) -> bool:
    height = height_px(mask)
    middle_px = landmark_middle_px(landmarks_px, "ANKLE")[0]
    shins = [(knee + ankle) / 2 for knee, ankle in _both_sides(landmarks_px, "KNEE", "ANKLE")]
    half_widths = [_run_length(mask, y_px, x_px, outwards=x_px - middle_px) for x_px, y_px in shins]
    left, right = shins
    apart = abs(left[0] - right[0]) > STANCE_RATIO * height
    filled = not _has_background(mask, (left[1] + right[1]) / 2, left[0], right[0])
    return min(half_widths) > LOOSE_LEG_RATIO / 2 * height or (apart and filled)


def _has_wide_sleeves(landmarks_px: Points, mask: Mask) -> bool:
    least, most = (ratio * height_px(mask) for ratio in WIDE_SLEEVE_RATIO)
    return all(
        least < _width_across(mask, elbow + 0.8 * (wrist - elbow), wrist - elbow, most) < most
        for elbow, wrist in _both_sides(landmarks_px, "ELBOW", "WRIST")
    )


def _both_sides(landmarks_px: Points, *joints: str) -> list[list[Points]]:
    return [[landmarks_px[Landmark[f"{side}_{joint}"]] for joint in joints] for side in ("LEFT", "RIGHT")]


def _angle_deg(first: Points, second: Points) -> float:
    lengths = max(1e-9, float(np.linalg.norm(first) * np.linalg.norm(second)))
    return float(np.degrees(np.arccos(np.clip(first @ second / lengths, -1.0, 1.0))))


def _row(mask: Mask, y_px: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = mask[int(np.clip(y_px, 0, mask.shape[0] - 1))] > 0.5
    return inside


def _has_background(mask: Mask, y_px: float, from_x_px: float, to_x_px: float) -> bool:
    first, last = sorted((max(0, int(from_x_px)), max(0, int(to_x_px))))
    return not _row(mask, y_px)[first : last + 1].all()


def _run_length(mask: Mask, y_px: float, x_px: float, *, outwards: float) -> int:
    """Pixels of person along a row, from a point in the direction of the sign of `outwards`."""
    row = _row(mask, y_px)
    start = int(np.clip(x_px, 0, len(row) - 1))
    ray = row[start:] if outwards > 0 else row[start::-1]
    return ray.size if ray.all() else int(np.argmin(ray))


def _width_across(mask: Mask, point: Points, along: Points, reach_px: float) -> float:
    """Pixels of person on the line through a point across a limb, up to reach_px to either side."""
    across = np.array([-along[1], along[0]]) / max(1e-9, float(np.linalg.norm(along)))
    steps_px = np.arange(0.0, reach_px, 0.5)
    width_px = 0.0
    for direction in (across, -across):
        columns, rows = np.floor(point + steps_px[:, None] * direction).astype(int).T
        within = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
        person = np.zeros(len(steps_px), dtype=bool)
        person[within] = mask[rows[within], columns[within]] > 0.5
        width_px += 0.5 * (len(steps_px) if person.all() else int(np.argmin(person)))
    return width_px


def _outline(mask: Mask) -> tuple[Points, Points]:
    """Every third point (N, 2) of the longest contour, in pixel indices, and the normals (N, 2) there."""
    contours, _ = cv2.findContours((mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return np.zeros((0, 2)), np.zeros((0, 2))
    points = max(contours, key=len)[::3, 0].astype(np.float64)
    along = np.roll(points, -2, axis=0) - np.roll(points, 2, axis=0)
    lengths = np.linalg.norm(along, axis=1)
    normals = np.stack((along[:, 1], -along[:, 0]), axis=1) / np.maximum(lengths, 1e-9)[:, None]
    return points[lengths > 0], normals[lengths > 0]
