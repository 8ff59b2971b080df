"""Landmarks and outline of a drawn figure whose joints can be put anywhere, to try one check at a time."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.detection import Landmark

WIDTH_PX, HEIGHT_PX = 400, 600

# Half of a standing figure 500 px tall, seen from the front: x to the person's left from the middle, y down.
_LEFT_JOINTS: dict[str, tuple[float, float]] = {
    "EYE_INNER": (6, 82),
    "EYE": (10, 82),
    "EYE_OUTER": (14, 82),
    "EAR": (20, 86),
    "SHOULDER": (50, 150),
    "ELBOW": (85, 220),
    "WRIST": (110, 285),
    "PINKY": (116, 300),
    "INDEX": (112, 305),
    "THUMB": (106, 298),
    "HIP": (28, 290),
    "KNEE": (36, 415),
    "ANKLE": (42, 525),
    "HEEL": (40, 538),
    "TOES": (52, 545),
}
_LIMBS = (
    (("SHOULDER", "ELBOW"), 30),
    (("ELBOW", "WRIST"), 18),
    (("WRIST", "INDEX"), 20),
    (("HIP", "KNEE"), 46),
    (("KNEE", "ANKLE"), 32),
    (("ANKLE", "TOES"), 20),
)


@dataclass(frozen=True, eq=False)
class StickFigure:
    """landmarks_px (33, 2), visibility (33,) and mask (600, 400) as the pose network would give them."""

    landmarks_px: NDArray[np.float64]
    visibility: NDArray[np.float64]
    mask: NDArray[np.float32]


def stick_figure(
    *,
    moved: dict[str, tuple[float, float]] | None = None,
    squeezed: float = 1.0,
    shift_px: tuple[float, float] = (0, 0),
) -> StickFigure:
    """The standing figure with joints of both sides moved (in the coordinates above), its breadth squeezed, shifted."""
    joints = _LEFT_JOINTS | (moved or {})
    landmarks = np.zeros((33, 2))
    landmarks[Landmark.NOSE] = (0.0, 92.0)
    landmarks[Landmark.MOUTH_LEFT] = (7.0, 104.0)
    landmarks[Landmark.MOUTH_RIGHT] = (-7.0, 104.0)
    for joint, (x_px, y_px) in joints.items():
        for side, sign in (("LEFT", 1.0), ("RIGHT", -1.0)):
            landmarks[Landmark[f"{side}_{joint}"]] = (sign * x_px, y_px)
    landmarks = landmarks * np.array([squeezed, 1.0]) + np.array([WIDTH_PX / 2, 0.0]) + np.array(shift_px)
    return StickFigure(landmarks, np.full(33, 0.99), _outline(landmarks))


def _outline(landmarks_px: NDArray[np.float64]) -> NDArray[np.float32]:
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=np.uint8)

    def point(name: str) -> tuple[int, int]:
        x_px, y_px = landmarks_px[Landmark[name]]
        return round(x_px), round(y_px)

    nose = point("NOSE")
    cv2.ellipse(mask, (nose[0], nose[1] - 6), (22, 34), 0, 0, 360, (1.0,), -1)
    cv2.line(mask, nose, (nose[0], nose[1] + 60), (1.0,), 24)
    trunk = [point(name) for name in ("LEFT_SHOULDER", "RIGHT_SHOULDER", "RIGHT_HIP", "LEFT_HIP")]
    cv2.fillConvexPoly(mask, np.array(trunk), (1.0,))
    cv2.polylines(mask, [np.array(trunk)], True, (1.0,), 30)
    for side in ("LEFT", "RIGHT"):
        for (start, end), thickness in _LIMBS:
            cv2.line(mask, point(f"{side}_{start}"), point(f"{side}_{end}"), (1.0,), thickness)
    return mask.astype(np.float32)
