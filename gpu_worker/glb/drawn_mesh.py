"""What a viewer draws of a body: its visible faces by region, on vertices split where the texture has a seam."""

from dataclasses import dataclass

import numpy as np

from gpu_worker.body.body import Body, FloatArray, IndexArray, Region, Skeleton
from gpu_worker.glb.normals import vertex_normals


@dataclass(frozen=True, eq=False)
class DrawnMesh:
    """N drawn vertices, the faces of each region, and the joints that move them.

    positions_m, normals: (N, 3). uv: (N, 2) with v up, or None. skin_joints: (N, K) indices into `skeleton`, which has
    lost the joints that move nothing. skin_weights: (N, K). region_faces: (F_r, 3) indices into the drawn vertices for
    every region that has faces, in the order of `Region`.
    """

    positions_m: FloatArray
    normals: FloatArray
    uv: FloatArray | None
    skeleton: Skeleton
    skin_joints: IndexArray
    skin_weights: FloatArray
    region_faces: dict[Region, IndexArray]


def drawn_mesh(body: Body) -> DrawnMesh:
    """Drop what is never seen, split vertices at texture seams, and group the faces by region.

    Normals are taken before splitting, from every face, so that neither seams nor the mouth's edge show in the shading.
    Raises ValueError if no face is visible or a vertex is not finite.
    """
    if not np.isfinite(body.vertices_m).all():
        raise ValueError("the body has vertices that are not finite")
    faces = body.faces[body.visible_faces]
    if not len(faces):
        raise ValueError("the body has no visible face")
    if body.uv is None or body.face_uv is None:
        sources, corners = np.unique(faces, return_inverse=True)
        uv = None
    else:
        # One number for every (vertex, texture coordinate) pair; numpy sorts numbers much faster than rows.
        pairs = faces.astype(np.int64) * len(body.uv) + body.face_uv[body.visible_faces]
        distinct, corners = np.unique(pairs, return_inverse=True)
        sources, uv_sources = np.divmod(distinct, len(body.uv))
        uv = body.uv[uv_sources]
    split_faces = corners.reshape(-1, 3).astype(np.int32)
    regions = body.face_regions[body.visible_faces]
    skeleton, new_joints = _joints_in_use(body.skeleton, body.skin_joints[sources], body.skin_weights[sources])
    return DrawnMesh(
        positions_m=body.vertices_m[sources],
        normals=vertex_normals(body.vertices_m, body.faces)[sources],
        uv=uv,
        skeleton=skeleton,
        skin_joints=new_joints[body.skin_joints[sources]],
        skin_weights=body.skin_weights[sources],
        region_faces={region: split_faces[regions == region] for region in Region if (regions == region).any()},
    )


def _joints_in_use(
    skeleton: Skeleton, skin_joints: IndexArray, skin_weights: FloatArray
) -> tuple[Skeleton, IndexArray]:
    """The skeleton without joints that move nothing, nor anything through a child; and each old joint's new index."""
    joint_count = len(skeleton.names)
    used = np.zeros(joint_count, dtype=bool)
    used[skin_joints[skin_weights > 0.0]] = True
    for joint in reversed(range(joint_count)):
        if used[joint] and skeleton.parents[joint] >= 0:
            used[skeleton.parents[joint]] = True
    kept = np.flatnonzero(used)
    # A joint that was dropped carries no weight wherever it is still named, so any index will do.
    new_joints = np.zeros(joint_count, dtype=np.int32)
    new_joints[kept] = np.arange(len(kept))
    parents = skeleton.parents[kept]
    return (
        Skeleton(
            names=tuple(skeleton.names[joint] for joint in kept),
            parents=np.where(parents >= 0, new_joints[parents], -1).astype(np.int32),
            positions_m=skeleton.positions_m[kept],
        ),
        new_joints,
    )
