"""Draws triangle meshes into pixel arrays on a CPU in milliseconds, for the preview and for comparing outlines.

Triangles are cut along the rows of pixels, and all cuts are handled at once as arrays. A pixel belongs to a triangle if
its centre lies inside; two triangles that share an edge share neither a pixel nor a gap. Coordinates are continuous
pixels, x to the right and y down, pixel centres at integer + 0.5.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray, IndexArray

IntArray = NDArray[np.int64]


def rasterize_mask(points_px: FloatArray, faces: IndexArray, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The silhouette of a mesh: (height, width) uint8, 255 where a front face covers the pixel's centre, else 0.

    points_px: (V, 2) projected vertices, which may lie outside the picture. faces: (F, 3), counter-clockwise as the
    viewer sees them from outside; the silhouette is that of the faces turned to the viewer, which for a closed mesh is
    all of it. size: (width, height) in pixels.
    """
    width, height = size
    edges = contour_edges(points_px, faces)
    y = points_px[:, 1]
    downward = y[edges[:, 0]] < y[edges[:, 1]]
    upper, lower = np.where(downward[:, None], edges, edges[:, ::-1]).T
    edge, row = _rows_between(y[upper], y[lower], height)
    column = _first_column(_crossings(points_px, upper[edge], lower[edge], row)[1], width)
    # A contour's inside is to the right of edges that run down and to the left of those that run up, so a running sum
    # along the row counts the front faces over each pixel.
    changes = np.zeros(height * (width + 1), dtype=np.int32)
    np.add.at(changes, row * (width + 1) + column, np.where(downward[edge], 1, -1).astype(np.int32))
    covered = np.cumsum(changes, dtype=np.int32).reshape(height, width + 1)[:, :width] > 0
    return covered.astype(np.uint8) * np.uint8(255)


def contour_edges(points_px: FloatArray, faces: IndexArray) -> IndexArray:
    """The edges at which a mesh turns away from the viewer: (C, 2) vertex indices.

    Contours that the mesh itself hides are among them. Each edge runs as it does in its front face, whose inside is on
    the left as the viewer sees it. Arguments as for `rasterize_mask`.
    """
    front = front_faces(points_px, faces).astype(np.int64)
    begin, end = front.T.ravel(), np.roll(front, -1, axis=1).T.ravel()
    # One number for each undirected edge, with its direction in the last bit: an edge between two front faces occurs
    # once each way and cancels. Sorting plain numbers is far cheaper than sorting their order.
    count = len(points_px)
    keys = np.sort((np.minimum(begin, end) * count + np.maximum(begin, end)) * 2 + (begin > end))
    undirected = keys >> 1
    firsts = np.flatnonzero(np.diff(undirected, prepend=-1))
    net = np.add.reduceat(1 - 2 * (keys & 1), firsts) if len(firsts) else firsts
    low, high = np.divmod(np.repeat(undirected[firsts], np.abs(net)), count)
    forward = np.repeat(net, np.abs(net)) > 0
    edges: IndexArray = np.stack([np.where(forward, low, high), np.where(forward, high, low)], axis=1).astype(np.int32)
    return edges


def rasterize_values(
    points_px: FloatArray, distances: FloatArray, faces: IndexArray, values: FloatArray, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A value for each vertex, interpolated over the faces that a viewer sees: (height, width) picture and coverage.

    points_px, faces, size: as for `rasterize_mask`. distances: (V,) from the viewer, in any unit. values: (V,).
    Where faces overlap, every pixel shows the nearest. Pixels that nothing covers hold 0.
    """
    width, height = size
    attributes = np.stack([distances, values], axis=1)
    spans = _spans(points_px, front_faces(points_px, faces), attributes, size)
    span = np.repeat(np.arange(len(spans.length)), spans.length)
    along = np.arange(len(span)) - np.repeat(np.cumsum(spans.length) - spans.length, spans.length)
    pixel = spans.first_pixel[span] + along
    along_px = along.astype(np.float32)
    depth = spans.first[0][span] + spans.step[0][span] * along_px
    nearest = np.full(width * height, np.inf, dtype=np.float32)
    np.minimum.at(nearest, pixel, depth)
    seen = np.flatnonzero(depth == nearest[pixel])
    picture = np.zeros(width * height, dtype=np.float32)
    picture[pixel[seen]] = spans.first[1][span[seen]] + spans.step[1][span[seen]] * along_px[seen]
    return picture.reshape(height, width), np.isfinite(nearest).reshape(height, width)


def front_faces(points_px: FloatArray, faces: IndexArray) -> IndexArray:
    """The faces that turn their outside to the viewer; those seen edge-on are left out."""
    x, y = points_px.T
    a, b, c = faces.T
    doubled_area = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])
    front: IndexArray = faces[doubled_area < 0.0]
    return front


@dataclass(frozen=True, eq=False)
class _Spans:
    """S runs of pixels, one for each row of each face, along which K attributes change linearly.

    first, step: (K, S) each attribute at the first pixel's centre and its change from pixel to pixel.
    """

    first_pixel: IntArray
    length: IntArray
    first: NDArray[np.float32]
    step: NDArray[np.float32]


def _spans(points_px: FloatArray, faces: IndexArray, attributes: FloatArray, size: tuple[int, int]) -> _Spans:
    width, height = size
    y = points_px[:, 1]
    top, middle, bottom = np.take_along_axis(faces, np.argsort(y[faces], axis=1, kind="stable"), axis=1).T
    face, row = _rows_between(y[top], y[bottom], height)
    # Every row of a face is bounded by its longest edge and by the short one on the row's side of the middle corner.
    above = row + 0.5 < y[middle][face]
    upper, lower = np.where(above, top[face], middle[face]), np.where(above, middle[face], bottom[face])
    long_fraction, long_x = _crossings(points_px, top[face], bottom[face], row)
    short_fraction, short_x = _crossings(points_px, upper, lower, row)
    start = _first_column(np.minimum(long_x, short_x), width)
    length = _first_column(np.maximum(long_x, short_x), width) - start
    kept = length > 0
    first, step = [], []
    for values in attributes.T:
        long_value = values[top[face]] + long_fraction * (values[bottom[face]] - values[top[face]])
        short_value = values[upper] + short_fraction * (values[lower] - values[upper])
        step.append((short_value - long_value)[kept] / (short_x - long_x)[kept])
        first.append(long_value[kept] + (start + 0.5 - long_x)[kept] * step[-1])
    return _Spans(
        (row * width + start)[kept], length[kept], np.array(first, dtype=np.float32), np.array(step, dtype=np.float32)
    )


def _rows_between(top_y: FloatArray, bottom_y: FloatArray, height: int) -> tuple[IntArray, IntArray]:
    """For each pair of heights, every row whose centre lies between them: the pair's index and the row, (S,) each."""
    first = np.clip(np.ceil(top_y - 0.5), 0, height).astype(np.int64)
    counts = np.clip(np.ceil(bottom_y - 0.5), 0, height).astype(np.int64) - first
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) + np.repeat(first - np.cumsum(counts) + counts, counts)


def _crossings(
    points_px: FloatArray, upper: IndexArray, lower: IndexArray, row: IntArray
) -> tuple[FloatArray, FloatArray]:
    """How far down its edge a row's centre lies, in [0, 1], and x there.

    Taken from the upper end whichever face the edge belongs to, so that neighbours agree to the last bit.
    """
    x, y = points_px.T
    fraction = (row + 0.5 - y[upper]) / (y[lower] - y[upper])
    return fraction, x[upper] + fraction * (x[lower] - x[upper])


def _first_column(x: FloatArray, width: int) -> IntArray:
    """The first column whose pixel centre is not left of x."""
    column: IntArray = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    return column
