"""The one shape of a body that measuring, GLB writing and draping know, whichever model made it."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int32]


class Region(IntEnum):
    """The part of the body a face belongs to. Left and right are the person's own."""

    HEAD = 0
    NECK = 1
    UPPER_TRUNK = 2
    LOWER_TRUNK = 3
    LEFT_UPPER_ARM = 4
    RIGHT_UPPER_ARM = 5
    LEFT_FOREARM = 6
    RIGHT_FOREARM = 7
    LEFT_HAND = 8
    RIGHT_HAND = 9
    LEFT_THIGH = 10
    RIGHT_THIGH = 11
    LEFT_LOWER_LEG = 12
    RIGHT_LOWER_LEG = 13
    LEFT_FOOT = 14
    RIGHT_FOOT = 15


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Joints in the canonical pose.

    names: J joint names, parents before children. parents: (J,) index of each joint's parent, -1 for the root.
    positions_m: (J, 3) joint positions in metres, same frame as the vertices.
    """

    names: tuple[str, ...]
    parents: IndexArray
    positions_m: FloatArray


@dataclass(frozen=True, eq=False)
class Body:
    """A body in the canonical pose: standing, arms 30-45 degrees from the trunk.

    Frame: metres, Y up, facing +Z (so the person's left is +X), feet on Y = 0.

    model: name of the body model ("anny", "smpl"): the key under which landmarks are looked up.
    vertices_m: (V, 3). faces: (F, 3) vertex indices, counter-clockwise seen from outside.
    face_regions: (F,) `Region` of each face. skeleton: the joints.
    skin_joints, skin_weights: (V, K) joint indices and weights, each row sums to 1, unused entries have weight 0.
    uv: (U, 2) texture coordinates in [0, 1] with v up, or None; face_uv: (F, 3) indices into uv, or None.
    visible_faces: (F,) False for faces inside the head (mouth cavity, back of the eyes), which a viewer never sees.
    """

    model: str
    vertices_m: FloatArray
    faces: IndexArray
    face_regions: IndexArray
    skeleton: Skeleton
    skin_joints: IndexArray
    skin_weights: FloatArray
    uv: FloatArray | None
    face_uv: IndexArray | None
    visible_faces: NDArray[np.bool_]
