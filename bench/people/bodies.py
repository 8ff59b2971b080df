"""Who stands in the picture: Anny bodies shaped to real or made-up dimensions, and the truth measured on their mesh."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import anny
import numpy as np
import torch
from anny.anthropometry import Anthropometry
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial import ConvexHull

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Sex = Literal["female", "male"]

# Anny's meshes are as heavy as people of their volume at this density; see the design's measurement table.
DENSITY_KG_PER_M3 = 980.0
FITTED_PHENOTYPES = ("muscle", "weight", "height", "proportions")
FITTED_LOCAL_CHANGES = (
    "measure-bust-circ-incr",
    "measure-waist-circ-incr",
    "measure-hips-circ-incr",
    "measure-thigh-circ-incr",
    "measure-upperleg-height-incr",
    "measure-underbust-circ-incr",
)
# Shape that no girth pins down: drawn at random, so that people differ in ways a fit may have no parameter for.
CHARACTER_LOCAL_CHANGES = (
    "torso-vshape-incr",
    "torso-scale-depth-incr",
    "hip-scale-depth-incr",
    "stomach-tone-incr",
    "buttocks-volume-incr",
    "breast-volume-vert-up",
    "breast-trans-up",
    "measure-shoulder-dist-incr",
    "measure-napetowaist-dist-incr",
    "measure-neck-circ-incr",
    "measure-calf-circ-incr",
    "measure-upperarm-circ-incr",
    "head-fat-incr",
    "head-scale-vert-incr",
    "nose-scale-horiz-incr",
    "nose-hump-incr",
    "chin-prominent-incr",
)
ASYMMETRIC_LOCAL_CHANGES = (
    "upperarm-fat-incr",
    "lowerarm-muscle-incr",
    "upperleg-fat-incr",
    "lowerleg-muscle-incr",
    "upperleg-scale-depth-incr",
)


@dataclass(frozen=True)
class Dimensions:
    """What a body is to measure; lengths and girths in millimetres, as ANSUR II records them."""

    sex: Sex
    age_years: int
    stature_mm: float
    mass_kg: float
    chest_mm: float
    waist_mm: float
    hip_mm: float
    thigh_mm: float
    crotch_height_mm: float


@dataclass(frozen=True)
class Shape:
    """The parameters that remake a body exactly: Anny's phenotypes in [0, 1] and local changes in [-1, 1]."""

    phenotypes: Mapping[str, float]
    local_changes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RestBody:
    """A body in Anny's rest pose: metres, Z up, facing -Y, so the person's left is +X; the origin is at the pelvis.

    vertices_m: (V, 3). joints_m: (B, 3) heads of the bones, in the order of `BodyModel.bone_names`.
    """

    vertices_m: FloatArray
    joints_m: FloatArray


class BodyModel:
    """Anny with every local change, and what the renderer must know of its topology."""

    def __init__(self) -> None:
        self._model = anny.Anny(local_changes="default", phenotypes="all", phenotype_blendshapes="original")
        self.faces: IndexArray = self._model.faces.numpy().astype(np.int64)
        self.bone_names: tuple[str, ...] = tuple(self._model.bone_labels)
        self.bone_parents: tuple[int, ...] = tuple(int(parent) for parent in self._model.bone_parents)
        self.skin_bones: IndexArray = self._model.vertex_bone_indices.numpy().astype(np.int64)
        self.skin_weights: FloatArray = self._model.vertex_bone_weights.numpy().astype(np.float64)

    def rest(self, shape: Shape) -> RestBody:
        """The body with this shape, in the rest pose."""
        with torch.no_grad():
            output = self._model(
                phenotype_kwargs=dict(shape.phenotypes), local_changes_kwargs=dict(shape.local_changes)
            )
        return RestBody(
            output["rest_vertices"][0].numpy().astype(np.float64),
            output["rest_bone_heads"][0].numpy().astype(np.float64),
        )

    def joint(self, body: RestBody, bone: str) -> FloatArray:
        """(3,) head of the named bone."""
        return np.asarray(body.joints_m[self.bone_names.index(bone)], dtype=np.float64)

    def weight_of(self, *prefixes: str) -> FloatArray:
        """(V,) summed skinning weight of the bones whose name starts with one of these."""
        chosen = np.array([name.startswith(prefixes) for name in self.bone_names])
        return np.asarray((self.skin_weights * chosen[self.skin_bones]).sum(axis=1), dtype=np.float64)

    def moved_by(self, local_change: str) -> FloatArray:
        """(V,) how far, in metres, each vertex moves when this local change goes to 1."""
        row = self._model.blendshape_labels.index(f"local_change:{local_change}")
        moves_m: FloatArray = self._model.blendshapes[row].numpy().astype(np.float64)
        return np.asarray(np.linalg.norm(moves_m, axis=1), dtype=np.float64)

    @cached_property
    def arm_weight(self) -> FloatArray:
        """(V,) 1 on the arms and hands, 0 on trunk, head and legs."""
        return self.weight_of("upperarm", "lowerarm", "wrist", "finger", "metacarpal")

    @cached_property
    def waist_vertices(self) -> IndexArray:
        """Vertices of Anny's waist loop."""
        return np.array(Anthropometry(self._model).waist_vertex_indices, dtype=np.int64)

    @cached_property
    def bust_vertices(self) -> IndexArray:
        """Vertices at the two bust points: those that Anny's own change of the nipple moves furthest, on both sides."""
        moved = self.moved_by("breast-point-incr")
        right = np.flatnonzero(moved > moved.max() * 0.999)
        moved_left = self.moved_by("breast-point-incr") * (self.rest(Shape(neutral_phenotypes())).vertices_m[:, 0] > 0)
        left = np.flatnonzero(moved_left > moved_left.max() * 0.999)
        return np.union1d(left, right)

    @cached_property
    def crotch_vertex(self) -> int:
        """The lowest point of the trunk between the legs, found on a lean body, whose thighs do not touch."""
        lean = self.rest(Shape(neutral_phenotypes() | {"weight": 0.2})).vertices_m
        middle = np.flatnonzero((np.abs(lean[:, 0]) < 0.002) & (lean[:, 2] < 0.1))
        return int(middle[lean[middle, 2].argmin()])


def neutral_phenotypes() -> dict[str, float]:
    """Every phenotype at the middle of its range, 25 years old."""
    names = ("gender", "muscle", "weight", "height", "proportions", "cupsize", "firmness")
    return dict.fromkeys(names, 0.5) | {"age": 2 / 3, "african": 1 / 3, "asian": 1 / 3, "caucasian": 1 / 3}


def age_phenotype(age_years: float) -> float:
    """Anny's age parameter of an adult: 2/3 up to 25 years, 1 at 90, linear between; below 2/3 lies a child's build."""
    return 2 / 3 + max(age_years - 25, 0) / 65 / 3


def volume_m3(vertices_m: FloatArray, faces: IndexArray) -> float:
    """Volume within a closed mesh, by summed signed tetrahedra."""
    a, b, c = (vertices_m[faces[:, corner]] for corner in range(3))
    return float(abs(np.einsum("ij,ij->i", np.cross(a, b), c).sum()) / 6)


def horizontal_girth_m(vertices_m: FloatArray, faces: IndexArray, level_m: float) -> float:
    """Perimeter of the convex hull of what the plane z = level cuts from the given faces.

    Raises ValueError when the plane misses them.
    """
    heights = vertices_m[:, 2] - level_m
    points = []
    for start, end in ((0, 1), (1, 2), (2, 0)):
        i, j = faces[:, start], faces[:, end]
        crosses = heights[i] * heights[j] < 0
        share = (heights[i] / (heights[i] - heights[j] + 1e-300))[crosses, None]
        points.append(vertices_m[i[crosses], :2] * (1 - share) + vertices_m[j[crosses], :2] * share)
    section = np.concatenate(points)
    if len(section) < 3:
        raise ValueError(f"the plane at {level_m} m does not cut the mesh")
    return float(ConvexHull(section).area)


def dimensions_of(model: BodyModel, body: RestBody) -> dict[str, float]:
    """The truth, measured on the mesh in the rest pose: millimetres and kilograms, keyed as `Dimensions`.

    Chest at the bust points, waist at the mean level of Anny's waist loop, hip at the rearmost point of the buttocks;
    each a tape around the horizontal section, arms left out. Thigh of the left leg, 3 cm below the crotch.
    """
    vertices = body.vertices_m
    trunk = model.faces[(model.arm_weight[model.faces] < 0.5).all(axis=1)]
    floor = vertices[:, 2].min()
    legs = model.weight_of("upperleg", "lowerleg") > 0.5
    waist_level = vertices[model.waist_vertices, 2].mean()
    crotch_level = vertices[model.crotch_vertex, 2]
    # Above half-way to the waist the back of a heavy body can stand out further than the buttocks do.
    top = (crotch_level + waist_level) / 2
    buttocks = (vertices[:, 2] > crotch_level) & (vertices[:, 2] < top) & (model.arm_weight < 0.5)
    hip_level = vertices[np.flatnonzero(buttocks)[vertices[buttocks, 1].argmax()], 2]
    left_leg = model.faces[(legs[model.faces] & (vertices[model.faces, 0] > 0)).all(axis=1)]
    return {
        "stature_mm": float(np.ptp(vertices[:, 2]) * 1000),
        "mass_kg": volume_m3(vertices, model.faces) * DENSITY_KG_PER_M3,
        "chest_mm": 1000 * horizontal_girth_m(vertices, trunk, float(vertices[model.bust_vertices, 2].mean())),
        "waist_mm": 1000 * horizontal_girth_m(vertices, trunk, float(waist_level)),
        "hip_mm": 1000 * horizontal_girth_m(vertices, trunk, float(hip_level)),
        "thigh_mm": 1000 * horizontal_girth_m(vertices, left_leg, float(crotch_level) - 0.03),
        "crotch_height_mm": 1000 * float(crotch_level - floor),
    }


def fit_shape(model: BodyModel, wanted: Dimensions, character: Shape | None = None) -> Shape:
    """The shape whose mesh has the wanted dimensions to within a few millimetres.

    character: phenotypes and local changes to start from and keep (face, asymmetry); those fitted are replaced.
    """
    character = character or Shape({}, {})
    phenotypes = neutral_phenotypes() | dict(character.phenotypes)
    phenotypes |= {"gender": 1.0 if wanted.sex == "female" else 0.0, "age": age_phenotype(wanted.age_years)}
    split = len(FITTED_PHENOTYPES)
    # Tolerances: tight where the photo shows it, loose where ANSUR's landmark differs from ours.
    tolerances = {"stature_mm": 1.0, "mass_kg": 0.15, "chest_mm": 4.0, "waist_mm": 4.0, "hip_mm": 4.0}
    tolerances |= {"thigh_mm": 10.0, "crotch_height_mm": 12.0}

    def shape_at(parameters: FloatArray) -> Shape:
        fitted_phenotypes = dict(zip(FITTED_PHENOTYPES, parameters[:split].tolist(), strict=True))
        fitted_changes = dict(zip(FITTED_LOCAL_CHANGES, parameters[split:].tolist(), strict=True))
        return Shape(phenotypes | fitted_phenotypes, dict(character.local_changes) | fitted_changes)

    def residuals(parameters: FloatArray) -> FloatArray:
        found = dimensions_of(model, model.rest(shape_at(parameters)))
        misses = [(found[name] - getattr(wanted, name)) / tolerance for name, tolerance in tolerances.items()]
        return np.concatenate([misses, 0.5 * (parameters - start)])

    start = np.concatenate([np.full(split, 0.5), np.zeros(len(FITTED_LOCAL_CHANGES))])
    low = np.concatenate([np.full(split, 0.02), np.full(len(FITTED_LOCAL_CHANGES), -1.0)])
    high = np.concatenate([np.full(split, 0.98), np.full(len(FITTED_LOCAL_CHANGES), 1.0)])
    solution = least_squares(residuals, start, bounds=(low, high), diff_step=[0.01], max_nfev=12)
    return shape_at(np.round(solution.x, 4))


def draw_character(random: np.random.Generator, *, strength: float = 0.25, asymmetry: float = 0.12) -> Shape:
    """A random ancestry, face, build and unevenness of left and right, for `fit_shape` to keep.

    strength, asymmetry: standard deviations of the local changes, symmetric and one-sided.
    """
    ancestry = random.dirichlet((0.6, 0.6, 0.6))
    phenotypes = dict(zip(("african", "asian", "caucasian"), np.round(ancestry, 4).tolist(), strict=True))
    phenotypes |= {"cupsize": round(float(random.uniform(0.3, 0.7)), 4)}
    changes = {name: float(random.normal(0, strength)) for name in CHARACTER_LOCAL_CHANGES}
    for name in ASYMMETRIC_LOCAL_CHANGES:
        changes |= {f"{side}-{name}": float(random.normal(0, asymmetry)) for side in "lr"}
    return Shape(phenotypes, {name: round(float(np.clip(change, -0.6, 0.6)), 4) for name, change in changes.items()})


def read_ansur(folder: Path) -> list[Dimensions]:
    """Everybody in ANSUR II's two public tables, women first, in the order of the tables."""
    people = []
    sexes: tuple[tuple[Sex, str], ...] = (("female", "FEMALE"), ("male", "MALE"))
    for sex, name in sexes:
        with (folder / f"ANSUR_II_{name}_Public.csv").open(encoding="latin-1", newline="") as table:
            people += [_read_row(sex, row) for row in csv.DictReader(table)]
    return people


def _read_row(sex: Sex, row: Mapping[str, str]) -> Dimensions:
    return Dimensions(
        sex=sex,
        age_years=int(row["Age"]),
        stature_mm=float(row["stature"]),
        mass_kg=float(row["weightkg"]) / 10,
        chest_mm=float(row["chestcircumference"]),
        waist_mm=float(row["waistcircumference"]),
        hip_mm=float(row["buttockcircumference"]),
        thigh_mm=float(row["thighcircumference"]),
        crotch_height_mm=float(row["crotchheight"]),
    )
