"""One body on the tailor's table: its landmarks, levels and parts, from which every measurement is taken."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpu_worker.body.body import Body, Region
from gpu_worker.measurement.geometry import (
    FloatArray,
    Girth,
    IndexArray,
    Plane,
    cut,
    tape_around,
    taut_path,
    unit,
    volume_m3,
)
from gpu_worker.measurement.landmarks import LANDMARKS, Landmarks, Side

UP = np.array([0.0, 1.0, 0.0])
ACROSS = np.array([1.0, 0.0, 0.0])

TRUNK = (Region.UPPER_TRUNK, Region.LOWER_TRUNK, Region.LEFT_THIGH, Region.RIGHT_THIGH)

# How sharply the furthest point is sought, as a share of stature (buttocks 0.5 mm, belly 3 mm): of several vertices
# that stick out almost equally, the furthest alone would jump from row to row with the slightest change of shape.
_BUTTOCKS_SOFTNESS, _BELLY_SOFTNESS = 0.0003, 0.0018
# Over this share of stature (3 cm) the ends of the belly fade out.
_BELLY_FADE = 0.018


class UnknownBodyModel(LookupError):
    """No landmarks are known for this body model."""


@dataclass(frozen=True)
class Limbs:
    """Landmarks and regions of one side of the person; the regions run from the trunk outwards."""

    landmarks: Side
    arm: tuple[Region, ...]
    leg: tuple[Region, ...]


@dataclass(frozen=True, eq=False)
class _Part:
    """The faces (F, 3) of some regions, and the region of each (F,)."""

    faces: IndexArray
    face_regions: IndexArray


@dataclass(frozen=True, eq=False)
class Subject:
    """A canonical-pose `Body` being measured; positions in metres.

    Raises UnknownBodyModel on the first use of a landmark.
    """

    body: Body

    @cached_property
    def landmarks(self) -> Landmarks:
        if self.body.model not in LANDMARKS:
            raise UnknownBodyModel(f"no landmarks for the body model {self.body.model!r}; known: {sorted(LANDMARKS)}")
        return LANDMARKS[self.body.model]

    @cached_property
    def sides(self) -> tuple[Limbs, Limbs]:
        return (
            Limbs(
                self.landmarks.left,
                arm=(Region.LEFT_UPPER_ARM, Region.LEFT_FOREARM, Region.LEFT_HAND),
                leg=(Region.LEFT_THIGH, Region.LEFT_LOWER_LEG, Region.LEFT_FOOT),
            ),
            Limbs(
                self.landmarks.right,
                arm=(Region.RIGHT_UPPER_ARM, Region.RIGHT_FOREARM, Region.RIGHT_HAND),
                leg=(Region.RIGHT_THIGH, Region.RIGHT_LOWER_LEG, Region.RIGHT_FOOT),
            ),
        )

    def vertex(self, index: int) -> FloatArray:
        position: FloatArray = self.body.vertices_m[index]
        return position

    def joint(self, name: str) -> FloatArray:
        position: FloatArray = self.body.skeleton.positions_m[self.body.skeleton.names.index(name)]
        return position

    @cached_property
    def stature_m(self) -> float:
        return float(self.body.vertices_m[:, 1].max())

    @cached_property
    def volume_m3(self) -> float:
        return volume_m3(self.body.vertices_m, self.body.faces)

    @cached_property
    def waist(self) -> Plane:
        return self._level(self.landmarks.waist)

    @cached_property
    def bust(self) -> Plane:
        return self._level(self.landmarks.bust_points)

    @cached_property
    def under_bust(self) -> Plane:
        return self._level(self.landmarks.below_breast)

    @cached_property
    def crotch(self) -> FloatArray:
        midline = self.body.vertices_m[self.landmarks.crotch]
        lowest: FloatArray = midline[midline[:, 1].argmin()]
        return lowest

    @cached_property
    def hip(self) -> Plane:
        """The level of the rearmost point of the buttocks: from the crotch half-way up to the waist."""
        crotch, waist = self.crotch[1], self.waist.origin[1]
        candidates = self._trunk_vertices
        heights = self.body.vertices_m[candidates, 1]
        candidates = candidates[(heights > crotch) & (heights < (crotch + waist) / 2.0)]
        weights = _soft_maximum(-self.body.vertices_m[candidates, 2], _BUTTOCKS_SOFTNESS * self.stature_m)
        return self._level(candidates, weights / weights.sum())

    @cached_property
    def abdomen(self) -> Plane:
        """The level of the belly's most forward point, from a little above the waist half-way down to the hip."""
        waist, hip, bust = self.waist.origin[1], self.hip.origin[1], self.bust.origin[1]
        candidates = self._trunk_vertices
        heights = self.body.vertices_m[candidates, 1]
        inside = np.minimum(heights - (waist + hip) / 2.0, waist + (bust - waist) / 3.0 - heights)
        candidates, inside = candidates[inside > 0.0], inside[inside > 0.0]
        weights = _soft_maximum(self.body.vertices_m[candidates, 2], _BELLY_SOFTNESS * self.stature_m)
        weights *= np.minimum(inside / (_BELLY_FADE * self.stature_m), 1.0)
        return self._level(candidates, weights / weights.sum())

    def thigh_level(self) -> Plane:
        """Just below the gluteal fold: below the crotch by a twentieth of the way to the knee, some 2 cm."""
        knees = np.mean([self.vertex(side.landmarks.kneecap)[1] for side in self.sides])
        height = self.crotch[1] - (self.crotch[1] - knees) / 20.0
        return Plane.fixed(np.array([0.0, height, 0.0]), UP)

    def faces_of(self, *regions: Region) -> IndexArray:
        """(F, 3) the faces of these regions."""
        return self._part(frozenset(regions)).faces

    def girth(self, plane: Plane, *regions: Region, around: tuple[Region, ...] = ()) -> Girth:
        """The tape around what `plane` cuts from `regions`, or from its one piece that is mostly of `around`."""
        part = self._part(frozenset(regions))
        section = cut(self.body.vertices_m, part.faces, plane)
        if not around:
            return tape_around(section)
        wanted = np.isin(part.face_regions[section.segment_faces], around)
        return tape_around(section, section.component_with_most(wanted))

    def trunk_girth(self, level: Plane) -> Girth:
        """A tape around the trunk: arms are left out by region, and the tape bridges the gap where an arm was."""
        return self.girth(level, *TRUNK)

    def midline(self, plane: Plane, *, front: bool) -> FloatArray:
        """The point (3,) where the trunk's surface crosses the body's midline at a horizontal level."""
        section = cut(self.body.vertices_m, self.faces_of(*TRUNK), plane)
        ends = section.points[section.segments]
        middle = self.vertex(self.landmarks.nape)[0]
        left, right = ends[..., 0].max(axis=1), ends[..., 0].min(axis=1)
        crossing = ends[(right <= middle) & (left >= middle)]
        run = crossing[:, 1, 0] - crossing[:, 0, 0]
        share = np.divide(middle - crossing[:, 0, 0], run, out=np.full(len(run), 0.5), where=run != 0.0)
        points = crossing[:, 0] + share[:, None] * (crossing[:, 1] - crossing[:, 0])
        outermost: FloatArray = points[points[:, 2].argmax() if front else points[:, 2].argmin()]
        return outermost

    def tape_between(self, start: int, end: int, *regions: Region) -> FloatArray:
        """(k, 3) a taut tape over these regions from vertex to vertex, in the plane of both and their mean normal."""
        first, last = self.vertex(start), self.vertex(end)
        outward = self._normal(start) + self._normal(end)
        plane = Plane.fixed(first, np.cross(last - first, outward))
        return taut_path(cut(self.body.vertices_m, self.faces_of(*regions), plane).points, first, last, outward)

    def sagittal_points(self, offset_m: float, *regions: Region) -> FloatArray:
        """(n, 3) what the vertical plane from front to back cuts, `offset_m` to the left of the body's middle."""
        origin = self.vertex(self.landmarks.nape) + offset_m * ACROSS
        return cut(self.body.vertices_m, self.faces_of(*regions), Plane.fixed(origin, ACROSS)).points

    def limb_axis(self, start: str, end: str) -> FloatArray:
        """(3,) unit vector from one joint to another."""
        return unit(self.joint(end) - self.joint(start))

    @cached_property
    def _parts(self) -> dict[frozenset[Region], _Part]:
        return {}

    def _part(self, regions: frozenset[Region]) -> _Part:
        if regions not in self._parts:
            chosen = np.isin(self.body.face_regions, list(regions))
            self._parts[regions] = _Part(self.body.faces[chosen], self.body.face_regions[chosen])
        return self._parts[regions]

    @cached_property
    def _trunk_vertices(self) -> IndexArray:
        return np.unique(self.faces_of(*TRUNK)).astype(np.int32)

    def _level(self, vertices: IndexArray, weights: FloatArray | None = None) -> Plane:
        shares = np.full(len(vertices), 1.0 / len(vertices)) if weights is None else weights
        return Plane(shares @ self.body.vertices_m[vertices], UP, vertices, shares)

    def _normal(self, vertex: int) -> FloatArray:
        around = self.body.faces[(self.body.faces == vertex).any(axis=1)]
        a, b, c = (self.body.vertices_m[around[:, corner]] for corner in range(3))
        return unit(np.cross(b - a, c - a).sum(axis=0))


def _soft_maximum(values: FloatArray, softness: float) -> FloatArray:
    """(n,) weights, 1 for the largest value, falling by a factor e for each `softness` below it."""
    weights: FloatArray = np.exp((values - values.max()) / softness)
    return weights
