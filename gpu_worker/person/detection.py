"""MediaPipe's pose and face networks behind plain arrays: loaded once, the same answer for the same photo."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.native_logs import quiet_native_logs

# MediaPipe's own threshold for a detection; people before a busy background fall below it and are found at the second.
CONFIDENCE = 0.5
FAINT_CONFIDENCE = 0.25


class Landmark(IntEnum):
    """Rows of `landmarks_px`, in MediaPipe Pose's order; left is the person's own."""

    NOSE = 0
    LEFT_EYE_INNER = 1
    LEFT_EYE = 2
    LEFT_EYE_OUTER = 3
    RIGHT_EYE_INNER = 4
    RIGHT_EYE = 5
    RIGHT_EYE_OUTER = 6
    LEFT_EAR = 7
    RIGHT_EAR = 8
    MOUTH_LEFT = 9
    MOUTH_RIGHT = 10
    LEFT_SHOULDER = 11
    RIGHT_SHOULDER = 12
    LEFT_ELBOW = 13
    RIGHT_ELBOW = 14
    LEFT_WRIST = 15
    RIGHT_WRIST = 16
    LEFT_PINKY = 17
    RIGHT_PINKY = 18
    LEFT_INDEX = 19
    RIGHT_INDEX = 20
    LEFT_THUMB = 21
    RIGHT_THUMB = 22
    LEFT_HIP = 23
    RIGHT_HIP = 24
    LEFT_KNEE = 25
    RIGHT_KNEE = 26
    LEFT_ANKLE = 27
    RIGHT_ANKLE = 28
    LEFT_HEEL = 29
    RIGHT_HEEL = 30
    LEFT_TOES = 31
    RIGHT_TOES = 32


@dataclass(frozen=True, eq=False)
class Pose:
    """One body as MediaPipe sees it, before anything is checked.

    landmarks_px: (33, 2) x, y in pixels; invented where the body cannot be seen, also outside the photo.
    visibility: (33,) in [0, 1]. mask: (H, W) float32 in [0, 1], soft over several pixels.
    """

    landmarks_px: NDArray[np.float64]
    visibility: NDArray[np.float64]
    mask: NDArray[np.float32]


@dataclass(frozen=True)
class Face:
    """A face: centre and the longer side of its box in pixels, score in [0, 1]."""

    x_px: float
    y_px: float
    size_px: float
    score: float


class Detector:
    """Holds the networks; building one takes about three seconds, a photo about a tenth of one."""

    def __init__(self) -> None:
        with quiet_native_logs():
            # Importing MediaPipe takes two seconds, which a run without a photo need not wait for.
            from mediapipe.python.solutions.face_detection import FaceDetection
            from mediapipe.python.solutions.pose import Pose as PoseSolution

            # Complexities 0 and 2 would be downloaded; 1 is in the wheel.
            self._pose, self._faint_pose = (
                PoseSolution(
                    static_image_mode=True,
                    model_complexity=1,
                    enable_segmentation=True,
                    min_detection_confidence=confidence,
                )
                for confidence in (CONFIDENCE, FAINT_CONFIDENCE)
            )
            # The short-range network sees faces that fill the photo, the full-range one those a few metres away.
            self._faces = tuple(FaceDetection(model_selection=selection) for selection in (0, 1))
            # The graphs start in the background; a first picture waits for them and takes their messages.
            blank = np.zeros((64, 64, 3), dtype=np.uint8)
            for network in (self._pose, self._faint_pose, *self._faces):
                network.process(blank)

    def pose(self, photo_rgb: NDArray[np.uint8], *, faint: bool = False) -> Pose | None:
        """The most prominent body in an (H, W, 3) photo, None where there is none.

        With `faint`, detections are taken that are as often a pattern as a person: check what comes back.
        """
        height_px, width_px = photo_rgb.shape[:2]
        with quiet_native_logs():
            found = (self._faint_pose if faint else self._pose).process(photo_rgb)
        if found.pose_landmarks is None or found.segmentation_mask is None:
            return None
        points = found.pose_landmarks.landmark
        return Pose(
            landmarks_px=np.array([(point.x * width_px, point.y * height_px) for point in points]),
            visibility=np.array([point.visibility for point in points]),
            mask=np.array(found.segmentation_mask, dtype=np.float32),
        )

    def faces(self, photo_rgb: NDArray[np.uint8]) -> list[Face]:
        """Every face both networks find; the same face may be listed twice."""
        height_px, width_px = photo_rgb.shape[:2]
        faces: list[Face] = []
        for network in self._faces:
            with quiet_native_logs():
                found = network.process(photo_rgb)
            for detection in found.detections or ():
                box = detection.location_data.relative_bounding_box
                box_width_px, box_height_px = box.width * width_px, box.height * height_px
                faces.append(
                    Face(
                        x_px=box.xmin * width_px + box_width_px / 2,
                        y_px=box.ymin * height_px + box_height_px / 2,
                        size_px=max(box_width_px, box_height_px),
                        score=float(detection.score[0]),
                    )
                )
        return faces
