"""What people look like apart from their shape: skin, face, eyes and hair."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.people.bodies import BodyModel, FloatArray, RestBody
from bench.people.clothing import Colour, Layer, outline_radius, tube
from bench.people.posing import PosedBody
from bench.people.surfaces import Patch, cut, vertex_normals

Hair = Literal["bald", "cropped", "short", "bob", "long", "bun", "afro"]

# From very light to very dark, sRGB.
SKIN_TONES: tuple[Colour, ...] = (
    (0.93, 0.78, 0.69),
    (0.88, 0.70, 0.58),
    (0.80, 0.60, 0.46),
    (0.66, 0.46, 0.33),
    (0.48, 0.32, 0.22),
    (0.33, 0.21, 0.15),
)
HAIR_COLOURS: tuple[Colour, ...] = (
    (0.05, 0.04, 0.04),
    (0.14, 0.09, 0.06),
    (0.27, 0.17, 0.10),
    (0.55, 0.40, 0.22),
    (0.42, 0.18, 0.08),
    (0.55, 0.54, 0.52),
)
HAIR_THICKNESS_M: dict[str, float] = {
    "cropped": 0.005, "short": 0.016, "bob": 0.018, "long": 0.016, "bun": 0.012, "afro": 0.05
}  # fmt: skip
# How far behind the eyes, how high above them: forehead, temple, sideburn, over the ear, behind it, nape.
HAIRLINE_M: tuple[tuple[float, float], ...] = (
    (-0.05, 0.066), (0.0, 0.063), (0.03, 0.05), (0.06, 0.03), (0.075, -0.005),
    (0.105, 0.012), (0.12, -0.02), (0.15, -0.06), (0.2, -0.075)
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Colours in sRGB, 0 to 1."""

    skin: Colour = SKIN_TONES[1]
    hair: Hair = "short"
    hair_colour: Colour = HAIR_COLOURS[1]
    eye_colour: Colour = (0.25, 0.17, 0.1)


def appear(model: BodyModel, body: RestBody, posed: PosedBody, look: Look) -> list[Layer]:
    """Skin, eyes, brows and hair of the posed body."""
    normals = vertex_normals(posed.vertices_m, model.faces)
    eye = model.weight_of("eye") > 0.5
    is_eye = eye[model.faces].all(axis=1)
    layers = [
        Layer("skin", posed.vertices_m, model.faces[~is_eye], _skin_colours(model, body, look), "skin"),
        Layer("eyes", posed.vertices_m, model.faces[is_eye], _eye_colours(model, body, look), "eyes"),
        _brows(model, body, posed, normals, look),
    ]
    if look.hair != "bald":
        layers += _hair(model, body, posed, normals, look)
    return layers


def _skin_colours(model: BodyModel, body: RestBody, look: Look) -> FloatArray:
    skin = np.array(look.skin)
    colours = np.tile(skin, (len(body.vertices_m), 1))
    for changes, tint, strength in (
        (("mouth-lowerlip-volume-incr", "mouth-upperlip-volume-incr"), (0.84, 0.64, 0.63), 1.0),
        (("l-cheek-volume-incr", "r-cheek-volume-incr"), (1.0, 0.88, 0.86), 0.7),
    ):
        moved = np.sum([model.moved_by(change) for change in changes], axis=0)
        amount = strength * np.clip(moved / moved.max() * 1.6, 0, 1)[:, None]
        colours *= 1 - amount + amount * np.array(tint)
    return colours


def _eye_colours(model: BodyModel, body: RestBody, look: Look) -> FloatArray:
    colours = np.tile((0.92, 0.91, 0.89), (len(body.vertices_m), 1))
    for suffix in (".L", ".R"):
        ball = np.flatnonzero(model.weight_of("eye" + suffix) > 0.5)
        offset = body.vertices_m[ball] - body.vertices_m[ball].mean(axis=0)
        facing = -offset[:, 1] / np.linalg.norm(offset, axis=1)
        colours[ball[facing > 0.86]] = look.eye_colour
        colours[ball[facing > 0.97]] = (0.02, 0.02, 0.02)
    return colours


def _layer_over(
    name: str, patch: Patch, posed: PosedBody, normals: FloatArray, thickness_m: FloatArray, colour: Colour
) -> Layer:
    vertices = patch.carry(posed.vertices_m) + patch.carry(normals) * thickness_m[:, None]
    return Layer(name, vertices, patch.faces, np.tile(colour, (len(vertices), 1)), "hair")


def _brows(model: BodyModel, body: RestBody, posed: PosedBody, normals: FloatArray, look: Look) -> Layer:
    x, y, z = body.vertices_m.T
    eye = model.joint(body, "eye.L")
    along = (np.abs(x) - eye[0]) / 0.024
    arc = eye[2] + 0.0225 - 0.0035 * (along - 0.3) ** 2
    keep = np.minimum(0.0027 * (1 - 0.45 * along) - np.abs(z - arc), 0.02 * (0.85 - np.abs(along)))
    patch = cut(model.faces, np.where(y < eye[1] + 0.02, keep, -1.0))
    dark = tuple(0.6 * channel for channel in look.hair_colour)
    return _layer_over("brows", patch, posed, normals, np.full(len(patch.share), 0.0008), (dark[0], dark[1], dark[2]))


def _hair(model: BodyModel, body: RestBody, posed: PosedBody, normals: FloatArray, look: Look) -> list[Layer]:
    thickness = HAIR_THICKNESS_M[look.hair]
    above = _above_hairline(model, body)
    patch = cut(model.faces, above)
    depth = np.minimum(patch.carry(above) * 0.9 + 0.0015, thickness)
    layers = [_layer_over("hair", patch, posed, normals, depth, look.hair_colour)]
    if look.hair in ("bob", "long"):
        layers.append(_hanging_hair(model, posed, look))
    if look.hair == "bun":
        layers.append(_bun(model, body, posed, normals, look))
    return layers


def _above_hairline(model: BodyModel, body: RestBody) -> FloatArray:
    """(V,) metres above a line from the forehead, before and over the ear, down to the nape; negative below it."""
    vertices = body.vertices_m
    eye, head = model.joint(body, "eye.L"), model.weight_of("head", "neck") > 0.5
    crown = vertices[:, 2].max()
    unit = (crown - eye[2]) / 0.115  # sizes below are of a head of common height
    back = (vertices[:, 1] - eye[1]) / unit
    behind, above = np.array(HAIRLINE_M).T
    line = np.interp(back, behind, above)
    return np.where(head, (vertices[:, 2] - eye[2]) - line * unit, -1.0)


def _hanging_hair(model: BodyModel, posed: PosedBody, look: Look) -> Layer:
    """A curtain from ear to ear around the back, to the jaw (bob) or down between the shoulder blades (long)."""
    top, neck = (posed.joints_m[model.bone_names.index(bone)] for bone in ("eye.L", "neck01"))
    centre = posed.joints_m[model.bone_names.index("head")] * (1, 1, 0) + (0, 0.02, 0)
    points = posed.vertices_m[model.arm_weight < 0.05] - centre
    end = neck[2] + 0.01 if look.hair == "bob" else neck[2] - 0.16
    levels = np.linspace(top[2] + 0.055, end, 30)
    head_radius = outline_radius(points, top[2] + 0.02, np.linspace(-np.pi, np.pi, 61))
    rings = []
    for level in levels:
        fallen = (levels[0] - level) / (levels[0] - neck[2])
        half_angle = np.radians(np.interp(fallen, (0, 0.8, 1.2, 2.0), (100, 104, 75, 45)))
        angles = np.linspace(np.pi / 2 - half_angle, np.pi / 2 + half_angle, 61)
        widest = np.interp(angles, np.linspace(-np.pi, np.pi, 61), head_radius, period=2 * np.pi)
        body_radius = outline_radius(points, level, angles)
        radius = np.maximum(np.minimum(body_radius + 0.012, widest * 1.3), widest * (1 + 0.06 * np.sin(np.pi * fallen)))
        radius += 0.0025 * np.sin(23 * angles) + 0.006
        rings.append(np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1) + centre[:2])
    return tube("hanging hair", np.stack(rings), levels, look.hair_colour, "hair", closed=False)


def _bun(model: BodyModel, body: RestBody, posed: PosedBody, normals: FloatArray, look: Look) -> Layer:
    """A ball at the back of the crown, grown from the scalp's own vertices around that point."""
    head = model.weight_of("head") > 0.5
    crown, rearmost = body.vertices_m[:, 2].max(), body.vertices_m[head, 1].max()
    anchor = int(np.argmin(np.linalg.norm(body.vertices_m - (0, rearmost - 0.02, crown - 0.055), axis=1)))
    centre = posed.vertices_m[anchor] + normals[anchor] * 0.03
    around, up = np.meshgrid(np.linspace(0, 2 * np.pi, 33)[:-1], np.linspace(np.pi, 0, 17), indexing="xy")
    radius = 0.042
    rings = radius * np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around)], axis=-1) + centre[:2]
    return tube("bun", rings[::-1], centre[2] + radius * np.cos(up[::-1, 0]), look.hair_colour, "hair")
