"""Turns float vertex attributes into the small integers that KHR_mesh_quantization allows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray, IndexArray

INFLUENCES_PER_VERTEX = 4
_INT16_MAX = 32767
_WEIGHT_SUM = 255


@dataclass(frozen=True, eq=False)
class QuantizedPositions:
    """Positions on a cubic grid: `values / 32767 * scale_m + centre_m` gives metres.

    values: (N, 3) int16. The scale is the same along every axis, so that skinning leaves normals undistorted.
    centre_m: (3,). scale_m: half the body's largest extent.
    """

    values: NDArray[np.int16]
    centre_m: FloatArray
    scale_m: float


def quantize_positions(positions_m: FloatArray) -> QuantizedPositions:
    """Put positions, (N, 3) in metres, on a grid of 1/32767 of half the largest extent (27 micrometres on a person).

    Raises ValueError for positions that have no extent.
    """
    lowest, highest = positions_m.min(axis=0), positions_m.max(axis=0)
    centre_m = (lowest + highest) / 2.0
    scale_m = float((highest - lowest).max() / 2.0)
    if scale_m <= 0.0:
        raise ValueError("the body has no extent")
    values = np.rint((positions_m - centre_m) * (_INT16_MAX / scale_m)).astype(np.int16)
    return QuantizedPositions(values, centre_m, scale_m)


def quantize_normals(normals: FloatArray) -> NDArray[np.int8]:
    """Unit vectors, (N, 3), as normalized int8."""
    values: NDArray[np.int8] = np.rint(normals * 127.0).astype(np.int8)
    return values


def quantize_uv(uv: FloatArray) -> NDArray[np.uint16]:
    """Texture coordinates, (N, 2) with v up, as normalized uint16 with glTF's v down.

    Raises ValueError for coordinates outside [0, 1], which normalized integers cannot hold.
    """
    if uv.size and not (uv.min() >= 0.0 and uv.max() <= 1.0):
        raise ValueError("texture coordinates must lie in [0, 1]")
    values: NDArray[np.uint16] = np.rint(np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=1) * 65535.0).astype(np.uint16)
    return values


def quantize_skin(
    skin_joints: IndexArray, skin_weights: FloatArray, joint_count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The four strongest joints of every vertex, and weights whose integers sum to exactly 255.

    skin_joints, skin_weights: (N, K) as in `Body`; a joint named twice on a vertex has its weights added. Returns
    joints and weights, (N, 4) each, strongest first; an entry without weight names joint 0, as glTF asks. Rounding is
    by largest remainder, so no weight moves by more than 1/255. Raises ValueError for more than 256 joints or for a
    vertex that no joint moves.
    """
    if joint_count > 256:
        raise ValueError(f"{joint_count} joints do not fit an 8-bit index")
    if not (skin_weights.sum(axis=1) > 0.0).all():
        raise ValueError("the body has vertices that no joint moves")
    vertex_count = len(skin_joints)
    dense = np.bincount(
        (np.arange(vertex_count)[:, None] * joint_count + skin_joints).ravel(),
        weights=skin_weights.ravel(),
        minlength=vertex_count * joint_count,
    ).reshape(vertex_count, joint_count)
    kept = min(INFLUENCES_PER_VERTEX, joint_count)
    joints = np.zeros((vertex_count, INFLUENCES_PER_VERTEX), dtype=np.int64)
    joints[:, :kept] = np.argpartition(-dense, kept - 1, axis=1)[:, :kept]
    weights = np.zeros((vertex_count, INFLUENCES_PER_VERTEX))
    weights[:, :kept] = np.take_along_axis(dense, joints[:, :kept], axis=1)
    order = np.argsort(-weights, axis=1, kind="stable")
    joints, weights = np.take_along_axis(joints, order, axis=1), np.take_along_axis(weights, order, axis=1)
    integers = _round_to_sum(weights / weights.sum(axis=1, keepdims=True) * _WEIGHT_SUM)
    joints[integers == 0] = 0
    return joints.astype(np.uint8), integers


def _round_to_sum(shares: FloatArray) -> NDArray[np.uint8]:
    whole = np.floor(shares).astype(np.int64)
    missing = _WEIGHT_SUM - whole.sum(axis=1, keepdims=True)
    by_remainder = np.argsort(-(shares - whole), axis=1, kind="stable")
    rank = np.argsort(by_remainder, axis=1)
    rounded: NDArray[np.uint8] = (whole + (rank < missing)).astype(np.uint8)
    return rounded
