"""What people wear: garments cut from the body and draped on it, and skirts that hang from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import ConvexHull

from bench.people.bodies import BodyModel, FloatArray, IndexArray, RestBody
from bench.people.posing import PosedBody
from bench.people.surfaces import Patch, cut, drape, vertex_normals

Colour = tuple[float, float, float]
Top = Literal["t_shirt", "tank_top", "long_sleeve", "loose_t_shirt", "hoodie", "bra_top"]
Bottom = Literal["leggings", "shorts", "loose_trousers", "wide_dress", "briefs"]
LOOSE: frozenset[str] = frozenset({"loose_t_shirt", "hoodie", "loose_trousers", "wide_dress"})

FITTED_EASE_M = 0.003
BOTTOM_EASE_M = 0.002  # tucked under the top, so that the two never fight for the same surface
FAR = 1.0


@dataclass(frozen=True)
class Outfit:
    """Clothes and their colours (sRGB, 0 to 1). looseness scales how far loose garments stand off the body."""

    top: Top = "t_shirt"
    bottom: Bottom = "leggings"
    top_colour: Colour = (0.25, 0.4, 0.55)
    bottom_colour: Colour = (0.12, 0.12, 0.15)
    socks: bool = False
    sock_colour: Colour = (0.85, 0.85, 0.85)
    looseness: float = 1.0

    @property
    def is_loose(self) -> bool:
        """Whether any garment hides the body's outline."""
        return self.top in LOOSE or self.bottom in LOOSE


@dataclass(frozen=True, eq=False)
class Layer:
    """One surface to render. vertices_m: (N, 3); faces: (F, 3); colours: (N, 3) sRGB, 0 to 1; material: its finish."""

    name: str
    vertices_m: FloatArray
    faces: IndexArray
    colours: FloatArray
    material: Literal["skin", "eyes", "cloth", "knit", "hair"]


@dataclass(frozen=True)
class _Cut:
    """A garment by its borders. sleeve: 0 at the shoulder, 1 at the elbow, 2 at the wrist; leg: 0 hip, 1 knee, 2 ankle.

    rise: the hem of a top, as a share of the way from the waist (0) down to the hip joint (1).
    """

    sleeve: float = 0.0
    rise: float = 1.0
    neck_drop_m: float = 0.0
    neck_radius_m: float = 0.085


TOP_CUTS: dict[str, _Cut] = {
    "t_shirt": _Cut(sleeve=0.55, rise=0.95),
    "tank_top": _Cut(sleeve=0.02, rise=0.8, neck_drop_m=0.015, neck_radius_m=0.1),
    "long_sleeve": _Cut(sleeve=1.9, rise=0.95),
    "loose_t_shirt": _Cut(sleeve=0.75, rise=1.35, neck_radius_m=0.09),
    "hoodie": _Cut(sleeve=1.93, rise=1.2, neck_radius_m=0.08),
    "bra_top": _Cut(sleeve=0.02, rise=-0.75, neck_drop_m=0.02, neck_radius_m=0.11),
}
LEG_ENDS: dict[str, float] = {"leggings": 1.9, "shorts": 0.55, "loose_trousers": 1.97, "briefs": 0.12}
EASE_M: dict[str, float] = {"loose_t_shirt": 0.03, "hoodie": 0.055, "loose_trousers": 0.032}


def dress(model: BodyModel, body: RestBody, posed: PosedBody, outfit: Outfit) -> list[Layer]:
    """The garments of an outfit, on the posed body."""
    normals = vertex_normals(posed.vertices_m, model.faces)
    wear = _Wearer(model, body, posed, normals)
    layers = []
    if outfit.bottom == "wide_dress":
        layers.append(_skirt(wear, outfit))
    else:
        layers.append(_trousers(wear, outfit))
    layers.append(_top(wear, outfit))
    if outfit.socks:
        layers.append(_socks(wear, outfit))
    return layers


@dataclass(frozen=True, eq=False)
class _Wearer:
    model: BodyModel
    body: RestBody
    posed: PosedBody
    normals: FloatArray

    def level(self, bone: str) -> float:
        return float(self.model.joint(self.body, bone)[2])

    @property
    def waist_level(self) -> float:
        return float(self.body.vertices_m[self.model.waist_vertices, 2].mean())

    def layer(
        self,
        name: str,
        patch: Patch,
        colour: Colour,
        ease: Callable[[FloatArray], FloatArray],
        *,
        taut_rounds: int,
        material: Literal["cloth", "knit"] = "cloth",
    ) -> Layer:
        """A garment this far off the skin; more rounds pull it tauter over hollows."""
        rest = patch.carry(self.body.vertices_m)
        skin = patch.carry(self.posed.vertices_m)
        normals = patch.carry(self.normals)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        eases = ease(rest)
        vertices = drape(
            patch.faces,
            skin,
            normals,
            ease_m=eases,
            least_m=float(min(eases.min(), FITTED_EASE_M)),
            rounds=taut_rounds,
        )
        return Layer(name, vertices, patch.faces, np.tile(colour, (len(vertices), 1)), material)


def _top(wear: _Wearer, outfit: Outfit) -> Layer:
    shape = TOP_CUTS[outfit.top]
    if outfit.bottom == "wide_dress":
        shape = _Cut(sleeve=shape.sleeve, rise=0.1, neck_drop_m=shape.neck_drop_m, neck_radius_m=shape.neck_radius_m)
    vertices, arm = wear.body.vertices_m, wear.model.arm_weight > 0.5
    hem = wear.waist_level - shape.rise * (wear.waist_level - wear.level("upperleg01.L"))
    keep = np.where(arm, FAR, vertices[:, 2] - hem)
    keep = np.minimum(keep, _outside_neck_hole(wear, shape))
    keep = np.minimum(keep, np.where(arm, _sleeve(wear, shape.sleeve), FAR))
    patch = cut(wear.model.faces, keep)
    ease_m = EASE_M.get(outfit.top, 0.0) * outfit.looseness
    colour = outfit.top_colour
    if not ease_m:
        return wear.layer(outfit.top, patch, colour, lambda rest: np.full(len(rest), FITTED_EASE_M), taut_rounds=0)
    collar = wear.level("neck01")

    def ease(rest: FloatArray) -> FloatArray:
        """Close at the collar, free below the chest, a little closer on the sleeves."""
        freedom = np.clip((collar + 0.02 - rest[:, 2]) / 0.25, 0.15, 1.0)
        on_sleeve = patch.carry(wear.model.arm_weight)
        return np.asarray(ease_m * freedom * (1 - 0.45 * on_sleeve), dtype=np.float64)

    return wear.layer(outfit.top, patch, colour, ease, taut_rounds=70, material="knit")


def _outside_neck_hole(wear: _Wearer, shape: _Cut) -> FloatArray:
    """Positive on the shirt's side of its collar: an upright oval around the neck, longer in front where it is low."""
    x, y, z = wear.body.vertices_m.T
    nape = wear.model.joint(wear.body, "neck01")
    behind = y - nape[1] + 0.012
    length = np.where(behind < 0, 1 + shape.neck_drop_m / shape.neck_radius_m, 0.72)
    beside = np.hypot(x, behind / length) - shape.neck_radius_m
    on_head = wear.model.weight_of("head", "neck02", "neck03", "eye") > 0.3
    return np.where(on_head, -FAR, np.where(z > wear.level("spine01"), beside, FAR))


def _sleeve(wear: _Wearer, length: float) -> FloatArray:
    """Positive above the end of the sleeve, in metres along the arm."""
    along = np.empty(len(wear.body.vertices_m))
    forearm = wear.model.weight_of("lowerarm", "wrist", "finger", "metacarpal") > 0.5
    for suffix, on_side in ((".L", wear.body.vertices_m[:, 0] > 0), (".R", wear.body.vertices_m[:, 0] <= 0)):
        shoulder, elbow, wrist = (
            wear.model.joint(wear.body, bone + suffix) for bone in ("upperarm01", "lowerarm01", "wrist")
        )
        for start, end, offset, part in (
            (shoulder, elbow, 0.0, on_side & ~forearm),
            (elbow, wrist, 1.0, on_side & forearm),
        ):
            span = end - start
            along[part] = offset + (wear.body.vertices_m[part] - start) @ span / (span @ span)
    upper_arm_m = np.linalg.norm(
        wear.model.joint(wear.body, "lowerarm01.L") - wear.model.joint(wear.body, "upperarm01.L")
    )
    return np.asarray((length - along) * upper_arm_m, dtype=np.float64)


def _trousers(wear: _Wearer, outfit: Outfit) -> Layer:
    hip, knee, ankle = (wear.level(bone) for bone in ("upperleg01.L", "lowerleg01.L", "foot.L"))
    end = float(np.interp(LEG_ENDS[outfit.bottom], (0, 1, 2), (hip, knee, ankle)))
    waistband = wear.waist_level - 0.25 * (wear.waist_level - hip)
    if outfit.bottom == "briefs":
        waistband = wear.waist_level - 0.55 * (wear.waist_level - hip)
    z = wear.body.vertices_m[:, 2]
    keep = np.minimum(waistband - z, z - end)
    if outfit.bottom == "briefs":
        # Cut high at the sides.
        keep = np.minimum(waistband - z, z - end - 0.75 * (np.abs(wear.body.vertices_m[:, 0]) - 0.05))
    patch = cut(wear.model.faces, np.where(wear.model.arm_weight > 0.2, -FAR, keep))
    ease_m = EASE_M.get(outfit.bottom, 0.0) * outfit.looseness
    if not ease_m:
        return wear.layer(
            outfit.bottom, patch, outfit.bottom_colour, lambda rest: np.full(len(rest), BOTTOM_EASE_M), taut_rounds=0
        )

    def ease(rest: FloatArray) -> FloatArray:
        """Close at the waistband, free down the legs; the inner thighs have no room."""
        drop = np.clip((waistband - rest[:, 2]) / (waistband - knee), 0, 1)
        inner = np.clip(1 - np.abs(rest[:, 0]) / 0.06, 0, 1) * (rest[:, 2] > knee)
        return np.asarray(BOTTOM_EASE_M + ease_m * (0.3 + drop) * (1 - 0.9 * inner), dtype=np.float64)

    return wear.layer(outfit.bottom, patch, outfit.bottom_colour, ease, taut_rounds=20, material="knit")


def _socks(wear: _Wearer, outfit: Outfit) -> Layer:
    knee, ankle = wear.level("lowerleg01.L"), wear.level("foot.L")
    patch = cut(wear.model.faces, ankle + 0.2 * (knee - ankle) - wear.body.vertices_m[:, 2])
    return wear.layer("socks", patch, outfit.sock_colour, lambda rest: np.full(len(rest), 0.004), taut_rounds=0)


def _skirt(wear: _Wearer, outfit: Outfit) -> Layer:
    """A bell from waist to calf: at each level no nearer than the body, and never narrower than above."""
    waist = float(wear.posed.vertices_m[wear.model.waist_vertices, 2].mean()) + 0.02
    knee = float(wear.posed.joints_m[wear.model.bone_names.index("lowerleg01.L"), 2])
    levels = np.linspace(waist, knee - 0.14, 40)
    angles = np.linspace(-np.pi, np.pi, 121)[:-1]
    trunk = wear.posed.vertices_m[wear.model.arm_weight < 0.1]
    radius = np.zeros_like(angles)
    rings = []
    for level in levels:
        drop = waist - level
        radius = np.maximum(radius, outline_radius(trunk, level, angles) + 0.004)
        flared = radius + outfit.looseness * 0.16 * drop
        folds = 0.05 * drop * (np.sin(9 * angles) + 0.4 * np.sin(14 * angles + 1)) * outfit.looseness
        rings.append(np.stack([(flared + folds) * np.cos(angles), (flared + folds) * np.sin(angles)], axis=1))
    return tube("skirt", np.stack(rings), levels, outfit.top_colour, "knit")


def outline_radius(points: FloatArray, level: float, angles: FloatArray) -> FloatArray:
    """(A,) distance from the vertical axis to the hull of the points within 1.5 cm of a level, at each angle (rad)."""
    near = points[np.abs(points[:, 2] - level) < 0.015, :2]
    hull = near[ConvexHull(near).vertices]
    steps = np.linspace(0, 1, 40)[:, None, None]
    ring = ((1 - steps) * hull + steps * np.roll(hull, -1, axis=0)).reshape(-1, 2)
    ring_angles = np.arctan2(ring[:, 1], ring[:, 0])
    order = np.argsort(ring_angles)
    return np.interp(angles, ring_angles[order], np.linalg.norm(ring, axis=1)[order], period=2 * np.pi)


def tube(
    name: str,
    rings: FloatArray,
    levels: FloatArray,
    colour: Colour,
    material: Literal["knit", "hair"],
    *,
    closed: bool = True,
) -> Layer:
    """Rings (L, A, 2) of x, y stacked at heights (L,), joined into one surface, around or open at the ends."""
    ring_count, points = rings.shape[:2]
    vertices = np.concatenate([rings, np.broadcast_to(levels[:, None, None], (ring_count, points, 1))], axis=2)
    index = np.arange(ring_count * points).reshape(ring_count, points)
    if closed:
        index = np.concatenate([index, index[:, :1]], axis=1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack([a, c, b], axis=-1), np.stack([b, c, d], axis=-1)]).reshape(-1, 3)
    flat = vertices.reshape(-1, 3)
    return Layer(name, flat, faces.astype(np.int64), np.tile(colour, (len(flat), 1)), material)
