"""A photo as plain data: who stands where, before which camera, in what light and room. A shot remakes its photo."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from bench.people.bodies import FloatArray, Shape
from bench.people.clothing import Colour, Outfit
from bench.people.looks import Look
from bench.people.posing import Arm, Pose


@dataclass(frozen=True)
class Figure:
    """One person in the scene.

    facing_deg: 0 to the camera, 90 to the right edge of the picture, 180 away. x_m: to the right; y_m: away from it.
    """

    shape: Shape
    look: Look = field(default_factory=Look)
    outfit: Outfit = field(default_factory=Outfit)
    pose: Pose = field(default_factory=Pose)
    facing_deg: float = 0.0
    x_m: float = 0.0
    y_m: float = 0.0


@dataclass(frozen=True)
class Camera:
    """A pinhole at (x_m, -distance_m, height_m) that looks at (aim_x_m, 0, aim_z_m)."""

    vertical_fov_deg: float = 56.0
    height_m: float = 1.2
    distance_m: float = 2.4
    x_m: float = 0.0
    aim_x_m: float = 0.0
    aim_z_m: float = 0.9
    roll_deg: float = 0.0


@dataclass(frozen=True)
class Light:
    """A soft key light and the light of the room. key_side: -1 from the camera's left, 1 from its right."""

    key_strength: float = 1.0
    key_side: float = -0.7
    key_size_m: float = 1.6
    ambient_strength: float = 1.0
    warmth: float = 0.0
    exposure_stops: float = 0.0


@dataclass(frozen=True)
class Room:
    """What is behind the person. clutter: number of pieces of furniture along the wall, placed by `seed`.

    clutter_reach_m: how far to each side of the person the furniture stands.
    """

    wall: Literal["paint", "brick", "stripes"] = "paint"
    wall_colour: Colour = (0.82, 0.8, 0.76)
    floor: Literal["wood", "tiles", "carpet"] = "wood"
    floor_colour: Colour = (0.55, 0.38, 0.24)
    wall_distance_m: float = 1.1
    clutter: int = 0
    clutter_reach_m: float = 1.9
    seed: int = 0


@dataclass(frozen=True)
class Finish:
    """What lens, sensor and file do to the picture. lens_distortion: k1 over the half diagonal; noise: of 255."""

    width_px: int = 720
    height_px: int = 960
    lens_distortion: float = 0.0
    noise: float = 1.2
    blur_px: float = 0.0
    jpeg_quality: int = 85


@dataclass(frozen=True)
class Shot:
    """One photo. The first figure is the one it is of."""

    figures: tuple[Figure, ...]
    camera: Camera = Camera()
    light: Light = Light()
    room: Room = Room()
    finish: Finish = Finish()

    def to_json(self) -> dict[str, Any]:
        """Everything that is needed to remake the photo."""
        return asdict(self)


def shot_from_json(record: Mapping[str, Any]) -> Shot:
    """The inverse of `Shot.to_json`, read back from a file. Raises KeyError or TypeError for anything else."""

    def figure(entry: Mapping[str, Any]) -> Figure:
        pose = Pose(**(entry["pose"] | {side: Arm(**entry["pose"][side]) for side in ("left_arm", "right_arm")}))
        parts = {"shape": Shape(**entry["shape"]), "look": Look(**_tuples(entry["look"]))}
        parts |= {"outfit": Outfit(**_tuples(entry["outfit"])), "pose": pose}
        return Figure(**(dict(entry) | parts))

    return Shot(
        tuple(figure(entry) for entry in record["figures"]),
        Camera(**record["camera"]),
        Light(**record["light"]),
        Room(**_tuples(record["room"])),
        Finish(**record["finish"]),
    )


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}


def frame(camera: Camera, stature_m: float, *, fill: float, sink: float = 0.0) -> Camera:
    """The camera moved back and tilted until a person of this stature takes `fill` of the picture's height.

    sink: how far below the middle of the picture the person's middle is, as a share of its height.
    """
    # Toes reach towards the camera and so lower into the picture than the ankles.
    toes_and_crown = np.array([[0.0, -0.18, 0.0], [0.0, 0.0, stature_m]])
    square = Finish(width_px=1, height_px=1)
    framed = replace(camera, aim_z_m=stature_m / 2)
    for _ in range(12):
        toes, crown = project(framed, square, toes_and_crown)[:, 1]
        lowered = (toes + crown) / 2 - 0.5 - sink
        framed = replace(
            framed,
            distance_m=round(framed.distance_m * float((toes - crown) / fill), 4),
            aim_z_m=round(framed.aim_z_m - float(lowered / (toes - crown)) * stature_m, 4),
        )
    return framed


def project(camera: Camera, finish: Finish, points_m: FloatArray) -> FloatArray:
    """(N, 2) where points (N, 3) of the scene appear, in pixels from the top left corner, before lens distortion."""
    eye = np.array([camera.x_m, -camera.distance_m, camera.height_m])
    forward = np.array([camera.aim_x_m, 0.0, camera.aim_z_m]) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    roll = np.radians(camera.roll_deg)
    right, up = right * np.cos(roll) + up * np.sin(roll), up * np.cos(roll) - right * np.sin(roll)
    view = (points_m - eye) @ np.stack([right, up, forward], axis=1)
    focal_px = finish.height_px / 2 / np.tan(np.radians(camera.vertical_fov_deg) / 2)
    flipped = view[:, :2] / view[:, 2:] * (1, -1)
    return np.asarray(flipped * focal_px + (finish.width_px / 2, finish.height_px / 2), dtype=np.float64)
