"""Which MediaPipe Pose landmark shows which keypoint of a body model."""

# Keypoint name -> index of MediaPipe Pose's 33 landmarks (their order is part of MediaPipe's public documentation).
# MediaPipe's foot index is the tip of the big toe. Mouth, hands and inner eyes have no keypoint to meet.
MEDIAPIPE_INDEX: dict[str, int] = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    "left_shoulder": 11,
    "right_shoulder": 12,
    "left_elbow": 13,
    "right_elbow": 14,
    "left_wrist": 15,
    "right_wrist": 16,
    "left_hip": 23,
    "right_hip": 24,
    "left_knee": 25,
    "right_knee": 26,
    "left_ankle": 27,
    "right_ankle": 28,
    "left_heel": 29,
    "right_heel": 30,
    "left_big_toe": 31,
    "right_big_toe": 32,
}
