"""Writes a body as the GLB file that the widget shows: skinned, smooth, quantized, one part for each region.

How a viewer finds a region, so that it can hide what a garment covers: the file has one mesh whose primitives are the
regions, all on the same vertices. Each primitive names its region in `extras.region` ("left_thigh"), and the mesh lists
all of them in the primitives' order in `extras.regions`, for loaders that drop what primitives carry. In three.js each
primitive becomes a SkinnedMesh: set `visible` where `mesh.geometry.userData.region` matches, and set `frustumCulled`
to false, or three.js will skin every vertex once for each region merely to find its bounds.

Positions are quantized; as a skinned mesh ignores its node's transform, what scales them back to metres is part of the
inverse bind matrices. Joints carry no rotation in the canonical pose.
"""

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import Body, FloatArray, IndexArray, Region, Skeleton
from gpu_worker.glb.container import BinaryBuffer, BufferTarget, Json
from gpu_worker.glb.drawn_mesh import DrawnMesh, drawn_mesh
from gpu_worker.glb.quantization import (
    QuantizedPositions,
    quantize_normals,
    quantize_positions,
    quantize_skin,
    quantize_uv,
)

# A matte mannequin in linear light: a neutral figure that claims nobody's skin colour.
_MANNEQUIN_COLOUR = (0.578, 0.521, 0.459, 1.0)
# Trunk and thighs wear a plain dark suit: nobody asked to be shown bare.
_SUIT_COLOUR = (0.105, 0.11, 0.12, 1.0)
_SUIT_REGIONS = frozenset({Region.UPPER_TRUNK, Region.LOWER_TRUNK, Region.LEFT_THIGH, Region.RIGHT_THIGH})
_JOINT_DECIMALS = 6


def write_glb(body: Body) -> bytes:
    """The body in its canonical pose as a binary glTF 2.0 file with KHR_mesh_quantization.

    The same body gives the same bytes. Raises ValueError for a body that cannot be drawn: vertices that are not finite
    or that no joint moves, no visible face, texture coordinates outside [0, 1], more than 256 joints.
    """
    mesh = drawn_mesh(body)
    positions = quantize_positions(mesh.positions_m)
    local_positions_m, world_positions_m = _joint_positions(mesh.skeleton)
    buffer = BinaryBuffer()
    attributes = _add_attributes(buffer, mesh, positions)
    primitives = [
        {
            "attributes": attributes,
            "indices": buffer.add(_indices(faces, len(mesh.positions_m)), target=BufferTarget.INDICES),
            "material": int(region in _SUIT_REGIONS),
            "extras": {"region": region_name(region)},
        }
        for region, faces in mesh.region_faces.items()
    ]
    inverse_bind_matrices = buffer.add(_inverse_bind_matrices(world_positions_m, positions))
    joint_count = len(mesh.skeleton.names)
    roots = np.flatnonzero(mesh.skeleton.parents < 0).tolist()
    return buffer.pack(
        {
            "asset": {
                "version": "2.0",
                "generator": "tryon",
                "extras": {"units": "metres", "body_model": body.model},
            },
            "extensionsUsed": ["KHR_mesh_quantization"],
            "extensionsRequired": ["KHR_mesh_quantization"],
            "scene": 0,
            "scenes": [{"nodes": [*roots, joint_count]}],
            "nodes": [*_joint_nodes(mesh.skeleton, local_positions_m), {"name": "person", "mesh": 0, "skin": 0}],
            "skins": [{"inverseBindMatrices": inverse_bind_matrices, "joints": list(range(joint_count))}],
            "meshes": [
                {
                    "name": "body",
                    "primitives": primitives,
                    "extras": {"regions": [region_name(region) for region in mesh.region_faces]},
                }
            ],
            "materials": [_material("mannequin", _MANNEQUIN_COLOUR), _material("suit", _SUIT_COLOUR)],
        }
    )


def _material(name: str, colour: tuple[float, float, float, float]) -> Json:
    return {
        "name": name,
        # Between the lips, and where a garment lets a region be hidden, the inside must not be see-through.
        "doubleSided": True,
        "pbrMetallicRoughness": {"baseColorFactor": colour, "metallicFactor": 0.0, "roughnessFactor": 0.85},
    }


def region_name(region: Region) -> str:
    """The name under which the file carries a region: "left_thigh"."""
    return region.name.lower()


def _add_attributes(buffer: BinaryBuffer, mesh: DrawnMesh, positions: QuantizedPositions) -> Json:
    vertices = BufferTarget.VERTICES
    joints, weights = quantize_skin(mesh.skin_joints, mesh.skin_weights, len(mesh.skeleton.names))
    attributes = {
        "POSITION": buffer.add(positions.values, target=vertices, normalized=True, bounds=True),
        "NORMAL": buffer.add(quantize_normals(mesh.normals), target=vertices, normalized=True),
        "JOINTS_0": buffer.add(joints, target=vertices),
        "WEIGHTS_0": buffer.add(weights, target=vertices, normalized=True),
    }
    if mesh.uv is not None:
        attributes["TEXCOORD_0"] = buffer.add(quantize_uv(mesh.uv), target=vertices, normalized=True)
    return attributes


def _indices(faces: IndexArray, vertex_count: int) -> NDArray[np.uint16] | NDArray[np.uint32]:
    # 65535 itself means "restart" to graphics hardware and is not allowed as an index.
    return faces.ravel().astype(np.uint16) if vertex_count <= 65535 else faces.ravel().astype(np.uint32)


def _joint_positions(skeleton: Skeleton) -> tuple[FloatArray, FloatArray]:
    """Each joint's position from its parent, rounded for the file, and where these add up to in the world, (J, 3)."""
    local_m = np.empty_like(skeleton.positions_m)
    world_m = np.empty_like(skeleton.positions_m)
    for joint, parent in enumerate(skeleton.parents):
        origin_m = world_m[parent] if parent >= 0 else np.zeros(3)
        local_m[joint] = np.round(skeleton.positions_m[joint] - origin_m, _JOINT_DECIMALS)
        world_m[joint] = origin_m + local_m[joint]
    return local_m, world_m


def _joint_nodes(skeleton: Skeleton, local_positions_m: FloatArray) -> list[Json]:
    nodes: list[Json] = []
    for joint, name in enumerate(skeleton.names):
        node: Json = {"name": name, "translation": local_positions_m[joint].tolist()}
        children = np.flatnonzero(skeleton.parents == joint).tolist()
        if children:
            node["children"] = children
        nodes.append(node)
    return nodes


def _inverse_bind_matrices(world_positions_m: FloatArray, positions: QuantizedPositions) -> NDArray[np.float32]:
    """(J, 16) column-major matrices from the quantized mesh to each joint's frame."""
    matrices = np.zeros((len(world_positions_m), 4, 4))
    matrices[:, range(3), range(3)] = positions.scale_m
    matrices[:, :3, 3] = positions.centre_m - world_positions_m
    matrices[:, 3, 3] = 1.0
    return matrices.transpose(0, 2, 1).reshape(-1, 16).astype(np.float32)
