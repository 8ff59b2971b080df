"""A person made of capsules, so that tests of what knows only `Body` need no body model and run in milliseconds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import Body, FloatArray, IndexArray, Region, Skeleton

_JOINTS: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("pelvis", "", (0.0, 0.95, 0.0)),
    ("spine", "pelvis", (0.0, 1.10, 0.0)),
    ("chest", "spine", (0.0, 1.28, 0.0)),
    ("neck", "chest", (0.0, 1.42, 0.0)),
    ("head", "neck", (0.0, 1.55, 0.0)),
    ("jaw", "head", (0.0, 1.58, 0.04)),
    ("upper_arm.L", "chest", (0.20, 1.36, 0.0)),
    ("forearm.L", "upper_arm.L", (0.37, 1.14, 0.0)),
    ("hand.L", "forearm.L", (0.53, 0.93, 0.0)),
    ("upper_arm.R", "chest", (-0.20, 1.36, 0.0)),
    ("forearm.R", "upper_arm.R", (-0.37, 1.14, 0.0)),
    ("hand.R", "forearm.R", (-0.53, 0.93, 0.0)),
    ("thigh.L", "pelvis", (0.10, 0.90, 0.0)),
    ("shin.L", "thigh.L", (0.11, 0.50, 0.0)),
    ("foot.L", "shin.L", (0.12, 0.09, 0.0)),
    ("thigh.R", "pelvis", (-0.10, 0.90, 0.0)),
    ("shin.R", "thigh.R", (-0.11, 0.50, 0.0)),
    ("foot.R", "shin.R", (-0.12, 0.09, 0.0)),
)
_JOINT_INDEX = {name: index for index, (name, _, _) in enumerate(_JOINTS)}
_POSITIONS_M = np.array([position for _, _, position in _JOINTS])
_SPINE = ("pelvis", "spine", "chest", "neck", "upper_arm.L", "upper_arm.R")


@dataclass(frozen=True)
class _Capsule:
    """One part. The first region and joint hold from its start, the second from halfway."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radii: tuple[float, float]
    regions: tuple[Region, Region]
    joints: tuple[str, ...]
    visible: bool = True


def _parts() -> list[_Capsule]:
    parts = [
        _Capsule((0, 0.95, 0), (0, 1.30, 0), (0.17, 0.12), (Region.LOWER_TRUNK, Region.UPPER_TRUNK), _SPINE),
        _Capsule((0, 1.38, 0), (0, 1.50, 0), (0.06, 0.06), (Region.NECK, Region.NECK), ("neck",)),
        _Capsule((0, 1.56, 0.01), (0, 1.65, 0.01), (0.08, 0.10), (Region.HEAD, Region.HEAD), ("head",)),
        _Capsule((0, 1.59, 0.02), (0, 1.60, 0.02), (0.03, 0.03), (Region.HEAD, Region.HEAD), ("jaw",), visible=False),
    ]
    for side, sign in (("L", 1.0), ("R", -1.0)):
        left = side == "L"
        arm = (Region.LEFT_UPPER_ARM, Region.LEFT_FOREARM) if left else (Region.RIGHT_UPPER_ARM, Region.RIGHT_FOREARM)
        leg = (Region.LEFT_THIGH, Region.LEFT_LOWER_LEG) if left else (Region.RIGHT_THIGH, Region.RIGHT_LOWER_LEG)
        hand = Region.LEFT_HAND if left else Region.RIGHT_HAND
        foot = Region.LEFT_FOOT if left else Region.RIGHT_FOOT
        parts += [
            _Capsule(
                (sign * 0.20, 1.36, 0),
                (sign * 0.53, 0.93, 0),
                (0.05, 0.05),
                arm,
                (f"upper_arm.{side}", f"forearm.{side}"),
            ),
            _Capsule((sign * 0.53, 0.93, 0), (sign * 0.60, 0.83, 0), (0.03, 0.03), (hand, hand), (f"hand.{side}",)),
            _Capsule(
                (sign * 0.10, 0.90, 0), (sign * 0.12, 0.09, 0), (0.075, 0.075), leg, (f"thigh.{side}", f"shin.{side}")
            ),
            _Capsule(
                (sign * 0.12, 0.045, -0.03), (sign * 0.12, 0.045, 0.14), (0.045, 0.045), (foot, foot), (f"foot.{side}",)
            ),
        ]
    return parts


def capsule_person(*, segments: int = 24, rings: int = 16) -> Body:
    """A person 1.73 m tall on their feet, each part a closed capsule with a texture seam down its side.

    Trunk vertices have six influences. A ball in the head, moved by a joint of its own, is hidden. segments: vertices
    round each part. rings: rows of them along it.
    """
    pieces = [_piece(part, index, segments, rings) for index, part in enumerate(_parts())]
    vertices_m = np.concatenate([piece.vertices_m for piece in pieces])
    floor_m = np.array([0.0, vertices_m[:, 1].min(), 0.0])
    # All capsules are cut alike, so the indices of each lie the same distance after those of the one before.
    vertex_offset, uv_offset = len(pieces[0].vertices_m), len(pieces[0].uv)
    return Body(
        model="capsules",
        vertices_m=vertices_m - floor_m,
        faces=np.concatenate([piece.faces + index * vertex_offset for index, piece in enumerate(pieces)]),
        face_regions=np.concatenate([piece.face_regions for piece in pieces]),
        skeleton=Skeleton(
            names=tuple(name for name, _, _ in _JOINTS),
            parents=np.array([_JOINT_INDEX.get(parent, -1) for _, parent, _ in _JOINTS], dtype=np.int32),
            positions_m=_POSITIONS_M - floor_m,
        ),
        skin_joints=np.concatenate([piece.skin_joints for piece in pieces]),
        skin_weights=np.concatenate([piece.skin_weights for piece in pieces]),
        uv=np.concatenate([piece.uv for piece in pieces]),
        face_uv=np.concatenate([piece.face_uv + index * uv_offset for index, piece in enumerate(pieces)]),
        visible_faces=np.concatenate([piece.visible_faces for piece in pieces]),
    )


@dataclass(frozen=True, eq=False)
class _Piece:
    """One capsule's share of the body's arrays, with indices of its own."""

    vertices_m: FloatArray
    faces: IndexArray
    face_regions: IndexArray
    skin_joints: IndexArray
    skin_weights: FloatArray
    uv: FloatArray
    face_uv: IndexArray
    visible_faces: NDArray[np.bool_]


def _piece(part: _Capsule, index: int, segments: int, rings: int) -> _Piece:
    vertices_m = _surface(part, segments, rings)
    faces = _grid_faces(segments, rings, seam=False)
    start, end = np.array(part.start), np.array(part.end)
    along = (vertices_m - start) @ (end - start) / ((end - start) @ (end - start))
    late = along[faces].mean(axis=1) > 0.5
    skin_joints, skin_weights = _skin(part, vertices_m, along)
    u, v = np.meshgrid(np.linspace(0.0, 1.0, segments + 1), np.linspace(0.1, 0.9, rings))
    uv = np.concatenate([np.stack([u.ravel(), v.ravel()], axis=1), [[0.5, 0.0], [0.5, 1.0]]])
    return _Piece(
        vertices_m=vertices_m,
        faces=faces,
        face_regions=np.where(late, int(part.regions[1]), int(part.regions[0])).astype(np.int32),
        skin_joints=skin_joints,
        skin_weights=skin_weights,
        uv=(uv + np.array(divmod(index, 4))) / 4.0,
        face_uv=_grid_faces(segments, rings, seam=True),
        visible_faces=np.full(len(faces), part.visible),
    )


def _surface(part: _Capsule, segments: int, rings: int) -> FloatArray:
    """Rows of vertices round the capsule, then its two ends."""
    start, end = np.array(part.start, dtype=np.float64), np.array(part.end, dtype=np.float64)
    axis = (end - start) / np.linalg.norm(end - start)
    reference = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    forward = np.cross(reference, axis)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, axis)
    cap = min(part.radii)
    # A third of the rows round each end, a third along the length.
    third = rings // 3
    south_cap = np.linspace(-np.pi / 2, 0.0, third + 1)[1:-1]
    length = np.linspace(0.0, 1.0, rings - 2 * len(south_cap))
    latitude = np.concatenate([south_cap, np.zeros(len(length)), -south_cap[::-1]])
    along = np.concatenate([np.zeros(len(south_cap)), length, np.ones(len(south_cap))])
    centre = start + along[:, None] * (end - start) + cap * np.sin(latitude)[:, None] * axis
    angle = np.arange(segments) * (2 * np.pi / segments)
    circle = np.cos(angle)[:, None] * right * part.radii[0] + np.sin(angle)[:, None] * forward * part.radii[1]
    body = (centre[:, None] + np.cos(latitude)[:, None, None] * circle).reshape(-1, 3)
    points: FloatArray = np.concatenate([body, [start - cap * axis], [end + cap * axis]])
    return points


def _grid_faces(segments: int, rings: int, *, seam: bool) -> IndexArray:
    """Faces over rows that close on themselves or, with a seam, that repeat their first column as their last."""
    width = segments + 1 if seam else segments
    columns = np.arange(segments)
    onward = columns + 1 if seam else (columns + 1) % segments
    south, north = np.full(segments, rings * width), np.full(segments, rings * width + 1)
    last = (rings - 1) * width
    triangles = [np.stack([onward, columns, south], axis=1), np.stack([last + columns, last + onward, north], axis=1)]
    for low in range(0, last, width):
        high = low + width
        triangles.append(np.stack([low + columns, low + onward, high + onward], axis=1))
        triangles.append(np.stack([low + columns, high + onward, high + columns], axis=1))
    faces: IndexArray = np.concatenate(triangles).astype(np.int32)
    return faces


def _skin(part: _Capsule, vertices_m: FloatArray, along: FloatArray) -> tuple[IndexArray, FloatArray]:
    joints = np.zeros((len(vertices_m), len(_SPINE)), dtype=np.int32)
    weights = np.zeros((len(vertices_m), len(_SPINE)))
    used = [_JOINT_INDEX[name] for name in part.joints]
    joints[:, : len(used)] = used
    if len(used) == 1:
        weights[:, 0] = 1.0
    elif len(used) == 2:
        weights[:, 1] = np.clip((along - 0.5) / 0.3 + 0.5, 0.0, 1.0)
        weights[:, 0] = 1.0 - weights[:, 1]
    else:
        distances = np.linalg.norm(vertices_m[:, None] - _POSITIONS_M[used], axis=2)
        weights[:, : len(used)] = np.exp(-((distances / 0.1) ** 2))
        weights /= weights.sum(axis=1, keepdims=True)
    return joints, weights
