"""One photo to fit: what is seen in it, and a first guess of camera, place and facing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray
from gpu_worker.body.camera import DEFAULT_FIELD_OF_VIEW_DEG, Camera
from gpu_worker.body.kinematics import rotation_from_vector
from gpu_worker.body.landmarks import MEDIAPIPE_INDEX
from gpu_worker.body.posed_view import PosedView
from gpu_worker.body.shape_space import RestPoints, ShapeSpace, Topology
from gpu_worker.body.silhouette import Outline, mask_outline
from gpu_worker.person.person import Person, View

# Joints that turn in a photo, with how far a standing person turns them from the rest pose: one sigma in radians about
# the body's axes, which are bending forward or back (X), twisting (Y) and leaning or spreading sideways (Z).
POSED_JOINTS: dict[str, tuple[float, float, float]] = {
    "shoulder01": (0.1, 0.1, 0.12),
    "upperarm01": (0.5, 0.4, 0.5),
    "lowerarm01": (0.35, 0.35, 0.35),
    "upperleg01": (0.07, 0.12, 0.1),
    "lowerleg01": (0.06, 0.04, 0.03),
    "foot": (0.1, 0.15, 0.1),
}
POSED_MIDDLE_JOINTS: dict[str, tuple[float, float, float]] = {
    "spine04": (0.05, 0.05, 0.03),
    "spine02": (0.05, 0.05, 0.03),
    "neck01": (0.15, 0.1, 0.08),
    "head": (0.15, 0.1, 0.08),
}
# Distance between outline points, as a share of the person's height in the photo.
OUTLINE_SPACING = 0.004
# How far from a hand's middle line the outline is the hand's, as a share of the person's height: 6 cm on 170 cm.
_HAND_REACH = 0.035
# MediaPipe's wrist, and its first knuckles of little and index finger, left and right.
_HAND_LANDMARKS = ((15, (17, 19)), (16, (18, 20)))


@dataclass(frozen=True, eq=False)
class Sighting:
    """One photo to fit: which view it shows, its size (height, width) in pixels, and the person found in it."""

    view: View
    size: tuple[int, int]
    person: Person


@dataclass(frozen=True, eq=False)
class Observed:
    """A sighting, ready to be compared.

    outline: of the mask; of_body: (n,) False for its points beside a hand, which hides what is behind it.
    person_height_px: makes pixels comparable. facing: (3, 3) the rotation a person who faces as asked would have.
    """

    sighting: Sighting
    outline: Outline
    of_body: NDArray[np.bool_]
    person_height_px: float
    facing: FloatArray

    @classmethod
    def of(cls, sighting: Sighting) -> "Observed":
        rows = np.flatnonzero((sighting.person.mask > 0.5).any(axis=1))
        person_height_px = float(rows[-1] - rows[0] + 1)
        spacing = OUTLINE_SPACING * person_height_px
        outline = mask_outline(sighting.person.mask, spacing_px=spacing, person_height_px=person_height_px)
        of_body = ~_beside_hands(outline.points_px, sighting.person, _HAND_REACH * person_height_px)
        return cls(sighting, outline, of_body, person_height_px, facing_rotation(sighting))


def _beside_hands(points_px: FloatArray, person: Person, reach_px: float) -> NDArray[np.bool_]:
    """(n,) which points lie within reach of a hand: of the way from the wrist past the knuckles, as far again."""
    beside = np.zeros(len(points_px), dtype=bool)
    for wrist, knuckles in _HAND_LANDMARKS:
        start = person.landmarks_px[wrist]
        way = 2.0 * (person.landmarks_px[list(knuckles)].mean(axis=0) - start)
        along = np.clip((points_px - start) @ way / max(float(way @ way), 1e-9), 0.0, 1.0)
        beside |= np.linalg.norm(points_px - start - along[:, None] * way, axis=1) < reach_px
    return beside


def facing_rotation(sighting: Sighting) -> FloatArray:
    """(3, 3) from the body frame to a level camera's that the person faces, or shows the side to."""
    towards = np.diag([1.0, -1.0, -1.0])
    if sighting.view is View.FRONT:
        return towards
    turn = np.array([0.0, np.pi / 2 * _facing_sign(sighting.person), 0.0])
    sideways: FloatArray = towards @ rotation_from_vector(turn)
    return sideways


def place(space: ShapeSpace, rest: RestPoints, seen: Observed) -> PosedView:
    """A first camera and place from the landmarks, with the rest pose."""
    sighting, rotation = seen.sighting, seen.facing
    height, width = sighting.size
    camera = Camera.with_field_of_view(DEFAULT_FIELD_OF_VIEW_DEG, width_px=width, height_px=height)
    names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_ankle", "right_ankle")
    landmarks = sighting.person.landmarks_px[[MEDIAPIPE_INDEX[name] for name in names]]
    keypoints = keypoint_rows(space.topology)
    model = rest.surface[[keypoints[name] for name in names]] @ rotation.T
    shown = landmarks - camera.centre_px
    # Least squares of the weak-perspective placement: shown = focal / depth * (model + offset).
    model_extent = model[:, 1] - model[:, 1].mean()
    shown_extent = shown[:, 1] - shown[:, 1].mean()
    scale = float(model_extent @ shown_extent / (model_extent @ model_extent))
    depth = camera.focal_px / max(scale, 1e-6)
    offset = shown.mean(axis=0) / scale - model[:, :2].mean(axis=0)
    joints = posed_joint_sigmas(space.topology)
    return PosedView(
        topology=space.topology,
        camera=camera,
        rotation=rotation,
        translation_m=np.array([offset[0], offset[1], depth - model[:, 2].mean()]),
        posed_joints=tuple(joints),
        joint_vectors=np.zeros((len(joints), 3)),
    )


def _facing_sign(person: Person) -> float:
    """+1 if the person in a side photo looks towards the right edge of the photo, -1 towards the left."""
    at = person.landmarks_px[:, 0]
    nose = at[0] - (at[7] + at[8]) / 2.0
    toes = (at[31] + at[32]) / 2.0 - (at[29] + at[30]) / 2.0
    return 1.0 if nose + toes >= 0 else -1.0


def keypoint_rows(topology: Topology) -> dict[str, int]:
    return {name: topology.vertex_count + index for index, name in enumerate(topology.keypoint_names)}


def posed_joint_sigmas(topology: Topology) -> dict[int, tuple[float, float, float]]:
    """Joint index -> one sigma of its turning about X, Y and Z, radians."""
    sigmas = {topology.joint(f"{name}.{side}"): sigma for name, sigma in POSED_JOINTS.items() for side in "LR"}
    return sigmas | {topology.joint(name): sigma for name, sigma in POSED_MIDDLE_JOINTS.items()}
