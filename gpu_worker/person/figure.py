"""Plain measures of a figure in a photo, shared by everything that judges one."""

import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.detection import Landmark

# MediaPipe gives 0.95 and more to joints it sees, 0.3 to 0.7 to those behind the body, under 0.3 to those it invents.
SEEN = 0.5


def height_px(mask: NDArray[np.float32]) -> int:
    """Rows that an outline (H, W) spans; 0 where it is empty."""
    rows = np.flatnonzero((mask > 0.5).any(axis=1))
    return 0 if rows.size == 0 else int(rows[-1] - rows[0] + 1)


def trunk_length_px(landmarks_px: NDArray[np.float64]) -> float:
    """From the middle of the shoulders to the middle of the hips, at least 1; about 0.28 of the height standing."""
    trunk = landmark_middle_px(landmarks_px, "SHOULDER") - landmark_middle_px(landmarks_px, "HIP")
    return max(1.0, float(np.linalg.norm(trunk)))


def shoulder_ratio(landmarks_px: NDArray[np.float64]) -> float:
    """Breadth of the shoulders over length of the trunk as seen; negative when seen from the back."""
    breadth = landmarks_px[Landmark.LEFT_SHOULDER, 0] - landmarks_px[Landmark.RIGHT_SHOULDER, 0]
    return float(breadth / trunk_length_px(landmarks_px))


def landmark_middle_px(landmarks_px: NDArray[np.float64], joint: str) -> NDArray[np.float64]:
    """(2,) point midway between the left and the right joint, such as "HIP"."""
    both = landmarks_px[[Landmark[f"LEFT_{joint}"], Landmark[f"RIGHT_{joint}"]]]
    middle: NDArray[np.float64] = both.mean(axis=0)
    return middle


def seen_by_either_side(visibility: NDArray[np.float64], joint: str, least: float = SEEN) -> bool:
    """Whether the left or the right joint is seen: in a side photo one of them is behind the body."""
    return bool(max(visibility[Landmark[f"LEFT_{joint}"]], visibility[Landmark[f"RIGHT_{joint}"]]) >= least)
