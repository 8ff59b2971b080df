"""Outlines: where a photo's mask ends, where a projected model ends, and which points of the two belong together."""

from dataclasses import dataclass

import cv2
import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gpu_worker.body.body import FloatArray, IndexArray

# A difference in direction of one unit (60 degrees) counts like this distance when outlines are matched, as a share of
# the person's height in the photo.
_NORMAL_WEIGHT = 0.03
_SHORTEST_CONTOUR = 0.05


@dataclass(frozen=True, eq=False)
class Outline:
    """Points on an outline: points_px (n, 2) and unit normals (n, 2) that point away from the person."""

    points_px: FloatArray
    normals: FloatArray


def mask_outline(mask: NDArray[np.float32], *, spacing_px: float, person_height_px: float) -> Outline:
    """The 0.5 level of a soft mask (H, W), resampled every spacing_px; specks and pinholes are left out."""
    padded = np.pad(mask, 1)
    lines = contour_generator(z=padded).lines(0.5)
    points, normals = [], []
    for line in lines:
        # Index i of the padded array is the centre of pixel i - 1, at i - 0.5 in continuous coordinates.
        contour = np.asarray(line, dtype=np.float64) - 0.5
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(contour, axis=0), axis=1))])
        if lengths[-1] < _SHORTEST_CONTOUR * person_height_px:
            continue
        resampled = _resample(contour, lengths, spacing_px)
        tangents = np.roll(resampled, -2, axis=0) - np.roll(resampled, 2, axis=0)
        across = np.stack([tangents[:, 1], -tangents[:, 0]], axis=1)
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
        points.append(resampled)
        normals.append(across * _outward_sign(mask, resampled, across))
    if not points:
        return Outline(np.empty((0, 2)), np.empty((0, 2)))
    return Outline(np.concatenate(points), np.concatenate(normals))


def _resample(line: FloatArray, lengths: FloatArray, spacing_px: float) -> FloatArray:
    count = max(int(lengths[-1] / spacing_px), 8)
    at = np.arange(count) * (lengths[-1] / count)
    return np.stack([np.interp(at, lengths, line[:, axis]) for axis in (0, 1)], axis=1)


def _outward_sign(mask: NDArray[np.float32], points: FloatArray, normals: FloatArray) -> float:
    def mean_mask(at: FloatArray) -> float:
        columns = np.clip(at[:, 0].astype(int), 0, mask.shape[1] - 1)
        rows = np.clip(at[:, 1].astype(int), 0, mask.shape[0] - 1)
        return float(mask[rows, columns].mean())

    return 1.0 if mean_mask(points + 2.5 * normals) <= mean_mask(points - 2.5 * normals) else -1.0


@dataclass(frozen=True, eq=False)
class EdgeTable:
    """The edges of a mesh: vertices (E, 2), the two faces that share each (E, 2), and per edge and face the vertex that
    lies opposite (E, 2)."""

    vertices: IndexArray
    faces: IndexArray
    opposite: IndexArray

    @classmethod
    def of(cls, faces: IndexArray) -> "EdgeTable":
        """Edges with exactly two faces; open borders and fans are left out."""
        pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
        owner = np.tile(np.arange(len(faces)), 3)
        ordered = np.sort(pairs, axis=1)
        order = np.lexsort((ordered[:, 1], ordered[:, 0]))
        ordered, opposite, owner = ordered[order], opposite[order], owner[order]
        starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
        firsts = starts[np.diff(np.r_[starts, len(ordered)]) == 2]
        return cls(
            ordered[firsts].astype(np.int32),
            np.stack([owner[firsts], owner[firsts + 1]], axis=1).astype(np.int32),
            np.stack([opposite[firsts], opposite[firsts + 1]], axis=1).astype(np.int32),
        )


@dataclass(frozen=True, eq=False)
class ModelOutline:
    """The outer outline of a projected mesh: edges (n, 2) vertex indices, and their middles as an `Outline`."""

    edges: IndexArray
    outline: Outline


def model_outline(pixels: FloatArray, faces: IndexArray, table: EdgeTable, *, size: tuple[int, int]) -> ModelOutline:
    """Outer outline of a mesh projected to pixels (V, 2); size: the photo's (height, width).

    An edge between a face that looks at the camera and one that does not is a fold of the picture; it is on the outer
    outline where the background begins right beside it.
    """
    a, b, c = (pixels[faces[:, corner]] for corner in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    # Counter-clockwise from outside is clockwise on screen, where y points down.
    front = area < 0
    facing = front[table.faces]
    folds = facing[:, 0] != facing[:, 1]
    edges = table.vertices[folds]
    opposite = np.where(facing[folds, 0], table.opposite[folds, 0], table.opposite[folds, 1])
    start, end = pixels[edges[:, 0]], pixels[edges[:, 1]]
    middle = (start + end) / 2.0
    along = end - start
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    inward = pixels[opposite] - middle
    normals *= -np.sign((normals * inward).sum(axis=1, keepdims=True))
    outer = _beside_background(start, end, middle, normals, pixels, size)
    return ModelOutline(edges[outer], Outline(middle[outer], normals[outer]))


def _beside_background(
    start: FloatArray,
    end: FloatArray,
    middle: FloatArray,
    normals: FloatArray,
    pixels: FloatArray,
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    """Which fold edges have background within two pixels on their outer side.

    The folds, drawn as lines, part the picture into cells; a cell into which no vertex falls is background.
    """
    margin = 4
    height, width = size[0] + 2 * margin, size[1] + 2 * margin
    canvas = np.full((height, width), 1, dtype=np.uint8)
    fixed_point = 4
    segments = np.stack([start, end], axis=1) + (margin - 0.5)
    lines = list(np.rint(segments * 2**fixed_point).astype(np.int32))
    cv2.polylines(canvas, lines, False, (0.0,), 1, cv2.LINE_4, fixed_point)
    count, cells = cv2.connectedComponents(canvas, connectivity=4, ltype=cv2.CV_16U)

    def cell_at(points: FloatArray) -> NDArray[np.uint16]:
        columns = np.clip((points[:, 0] + margin).astype(int), 0, width - 1)
        rows = np.clip((points[:, 1] + margin).astype(int), 0, height - 1)
        found: NDArray[np.uint16] = cells[rows, columns]
        return found

    inhabitants = np.bincount(cell_at(pixels), minlength=count)
    background = inhabitants == 0
    background[0] = False
    background[cells[0, 0]] = True
    beside = np.zeros(len(middle), dtype=bool)
    for distance_px in (1.5, 2.25, 3.0):
        beside |= background[cell_at(middle + distance_px * normals)]
    return beside


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of a model outline point and an image outline point, with the direction in which their gap counts.

    model: (n,) indices into the model outline; the first `from_model` were found from the model's side, the others from
    the image's. image: (n,) indices into the image outline; points_px: (n, 2) its points. normals: (n, 2).
    """

    model: NDArray[np.intp]
    from_model: int
    image: NDArray[np.intp]
    points_px: FloatArray
    normals: FloatArray


def match_outlines(model: Outline, image: Outline, *, gate_px: float, person_height_px: float) -> Matches:
    """Match both ways by position and direction; pairs farther apart than gate_px are left out."""
    weight = _NORMAL_WEIGHT * person_height_px
    model_features = np.hstack([model.points_px, weight * model.normals])
    image_features = np.hstack([image.points_px, weight * image.normals])
    to_image, image_index = _nearest(image_features, model_features, gate_px)
    to_model, model_index = _nearest(model_features, image_features, gate_px)
    near_model, near_image = np.flatnonzero(np.isfinite(to_image)), np.flatnonzero(np.isfinite(to_model))
    matched = np.concatenate([image_index[near_model], near_image])
    return Matches(
        model=np.concatenate([near_model, model_index[near_image]]),
        from_model=len(near_model),
        image=matched,
        points_px=image.points_px[matched],
        normals=np.concatenate([image.normals[image_index[near_model]], model.normals[model_index[near_image]]]),
    )


def _nearest(of: FloatArray, to: FloatArray, within: float) -> tuple[FloatArray, NDArray[np.intp]]:
    """Distance and index of the nearest row of `of` to each row of `to`; infinite beyond `within`."""
    distances, indices = cKDTree(of).query(to, distance_upper_bound=within)
    return np.asarray(distances), np.asarray(indices, dtype=np.intp)
