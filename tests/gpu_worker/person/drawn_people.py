"""Draws shaded people in any pose and from any side, with the exact outline, so that the finder has somebody to find.

Run as `python -m tests.gpu_worker.person.drawn_people` to draw the pictures in tests/fixtures/photos anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.body.anny_cache import load_tables
from gpu_worker.body.anny_model import AnnyModel
from gpu_worker.body.body import Region
from gpu_worker.body.kinematics import forward_kinematics, rotation_between, skin_points

WIDTH_PX, HEIGHT_PX = 480, 640
FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "photos"

_OVERSAMPLING = 4
_CAMERA_HEIGHT_M, _CAMERA_DISTANCE_M, _FIELD_OF_VIEW_DEG = 1.0, 3.0, 42.0
_TOP = np.array([70.0, 110.0, 170.0])
_TROUSERS = np.array([60.0, 62.0, 70.0])
_SKIN = np.array([205.0, 160.0, 135.0])
_DRESSED_TOP = {Region.UPPER_TRUNK, Region.LOWER_TRUNK, Region.LEFT_UPPER_ARM, Region.RIGHT_UPPER_ARM}
_DRESSED_LEGS = {Region.LEFT_THIGH, Region.RIGHT_THIGH}


@dataclass(frozen=True)
class Figure:
    """turned_deg: 0 faces the camera, 90 shows the person's right side, 180 the back. Directions of the left upper arm
    and forearm (the right ones mirrored): outwards, up, forwards."""

    turned_deg: float = 0.0
    upper_arm: tuple[float, float, float] = (0.8, -1.0, 0.1)
    forearm: tuple[float, float, float] = (0.7, -1.0, 0.2)
    legs_apart_deg: float = 8.0
    phenotypes: Mapping[str, float] = field(default_factory=dict)


def draw(figure: Figure) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The photo (H, W, 3) and the exact share of each pixel that the person covers (H, W)."""
    model = AnnyModel(load_tables())
    vertices, faces, regions = _posed(model, figure)
    angle = np.radians(figure.turned_deg)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    vertices = vertices @ turn.T
    seen = vertices - [0.0, _CAMERA_HEIGHT_M, _CAMERA_DISTANCE_M]
    height, width = HEIGHT_PX * _OVERSAMPLING, WIDTH_PX * _OVERSAMPLING
    focal = height / 2 / np.tan(np.radians(_FIELD_OF_VIEW_DEG) / 2)
    points = np.stack(
        (width / 2 - focal * seen[:, 0] / seen[:, 2], height / 2 + focal * seen[:, 1] / seen[:, 2]), axis=1
    )
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light = np.array([0.4, 0.6, 0.8]) / np.linalg.norm([0.4, 0.6, 0.8])
    shade = 0.45 + 0.55 * (normals @ light).clip(0.0, 1.0)
    colours = np.array([_colour(Region(region)) for region in regions]) * shade[:, None]

    photo = _room(width, height)
    mask = np.zeros((height, width), dtype=np.uint8)
    facing = (normals * (corners.mean(axis=1) - [0.0, _CAMERA_HEIGHT_M, _CAMERA_DISTANCE_M])).sum(axis=1) < 0.0
    order = np.argsort(seen[faces][:, :, 2].mean(axis=1))
    for face in order[facing[order]]:
        triangle = np.rint(points[faces[face]] * 16 - 8).astype(np.int32)
        colour = tuple(float(value) for value in colours[face])
        cv2.fillConvexPoly(photo, triangle, colour, shift=4)
        cv2.fillConvexPoly(mask, triangle, (255.0,), shift=4)
    size = (WIDTH_PX, HEIGHT_PX)
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    noise = np.random.default_rng(0).normal(0.0, 2.0, small.shape)
    return (small + noise).clip(0, 255).astype(np.uint8), cover


def _posed(model: AnnyModel, figure: Figure) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    space = model.shape_space(gender=figure.phenotypes.get("gender", 0.5), age_years=30.0)
    parameters = np.zeros(len(space.parameter_names))
    for index, name in enumerate(space.parameter_names):
        if name in ("muscle", "weight", "height", "proportions"):
            parameters[index] = figure.phenotypes.get(name, 0.5)
    rest = space.rest_points(parameters)
    topology = space.topology
    rotations = {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        upper, lower, wrist = (topology.joint(f"{name}.{side}") for name in ("upperarm01", "lowerarm01", "wrist"))
        mirror = np.array([sign, 1.0, 1.0])
        first = rotation_between(rest.joints[lower] - rest.joints[upper], mirror * figure.upper_arm)
        second = rotation_between(first @ (rest.joints[wrist] - rest.joints[lower]), mirror * figure.forearm)
        rotations[upper] = first
        rotations[lower] = first.T @ second @ first
        hip, knee = (topology.joint(f"{name}.{side}") for name in ("upperleg01", "lowerleg01"))
        out = np.tan(np.radians(figure.legs_apart_deg))
        rotations[hip] = rotation_between(rest.joints[knee] - rest.joints[hip], np.array([sign * out, -1.0, 0.0]))
    transforms = forward_kinematics(rest.joints, topology.joint_parents, rotations)
    count = topology.vertex_count
    vertices = skin_points(rest.surface[:count], topology.skin[:count], transforms)
    vertices[:, 1] -= vertices[:, 1].min()
    vertices[:, [0, 2]] -= vertices[:, [0, 2]].mean(axis=0)
    visible = model.tables.visible_faces
    return vertices, topology.faces[visible], topology.face_regions[visible]


def _colour(region: Region) -> NDArray[np.float64]:
    if region in _DRESSED_TOP:
        return _TOP
    return _TROUSERS if region in _DRESSED_LEGS else _SKIN


def _room(width: int, height: int) -> NDArray[np.uint8]:
    rows = np.linspace(0.0, 1.0, height)[:, None, None]
    columns = np.linspace(0.0, 1.0, width)[None, :, None]
    wall = np.array([214.0, 208.0, 198.0]) - 22.0 * rows - 14.0 * columns
    floor = np.array([96.0, 112.0, 108.0]) + 20.0 * columns - 10.0 * rows
    return np.ascontiguousarray(np.where(rows < 0.72, wall, floor)).astype(np.uint8)


FIGURES: dict[str, Figure] = {
    "front": Figure(),
    "side": Figure(turned_deg=-90.0, upper_arm=(0.1, -1.0, 0.3), forearm=(0.0, -1.0, 0.8)),
    "back": Figure(turned_deg=180.0),
    "half-turned": Figure(turned_deg=55.0),
    "arms-down": Figure(upper_arm=(0.06, -1.0, 0.0), forearm=(-0.12, -1.0, 0.15), legs_apart_deg=3.0),
    "hands-on-hips": Figure(upper_arm=(0.9, -1.0, -0.1), forearm=(-0.8, -0.75, 0.25)),
    "heavy": Figure(phenotypes={"weight": 1.6, "muscle": 0.4, "gender": 1.0}),
}

# Those whose exact outline is kept beside the picture.
OUTLINED = ("front", "side")


def drawn_photo(name: str) -> NDArray[np.uint8]:
    """A picture of FIGURES as it lies in tests/fixtures/photos, (H, W, 3)."""
    return np.array(Image.open(FOLDER / f"{name}.jpg"))


def drawn_outline(name: str) -> NDArray[np.float32]:
    """The exact share of each pixel of an OUTLINED picture that the person covers, (H, W)."""
    return np.asarray(Image.open(FOLDER / f"{name}-outline.png"), dtype=np.float32) / 255.0


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in FIGURES.items():
        photo, cover = draw(figure)
        Image.fromarray(photo).save(FOLDER / f"{name}.jpg", quality=85)
        if name in OUTLINED:
            Image.fromarray((cover * 255).round().astype(np.uint8)).save(FOLDER / f"{name}-outline.png", optimize=True)
