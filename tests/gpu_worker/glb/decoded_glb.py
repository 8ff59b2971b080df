"""Reads a GLB back as a viewer would, through pygltflib, so that tests judge the file and not its writer."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pygltflib
from numpy.typing import NDArray

_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class DecodedGlb:
    data: bytes

    @cached_property
    def gltf(self) -> Any:
        return pygltflib.GLTF2.load_from_bytes(self.data)

    def raw(self, accessor_index: int) -> NDArray[Any]:
        """An accessor's numbers as stored, (N, components)."""
        accessor = self.gltf.accessors[accessor_index]
        view = self.gltf.bufferViews[accessor.bufferView]
        dtype, components = np.dtype(_DTYPES[accessor.componentType]), _COMPONENTS[accessor.type]
        return np.ndarray(
            shape=(accessor.count, components),
            dtype=dtype,
            buffer=self.gltf.binary_blob(),
            offset=(view.byteOffset or 0) + (accessor.byteOffset or 0),
            strides=(view.byteStride or dtype.itemsize * components, dtype.itemsize),
        )

    def attribute(self, name: str) -> NDArray[np.float64]:
        """A vertex attribute, (N, components), with normalized integers turned into fractions."""
        index = getattr(self.primitives[0].attributes, name)
        values = self.raw(index)
        if not self.gltf.accessors[index].normalized:
            return values.astype(np.float64)
        return np.maximum(values / np.iinfo(values.dtype).max, -1.0)

    @property
    def primitives(self) -> Any:
        return self.gltf.meshes[0].primitives

    @cached_property
    def region_faces(self) -> dict[str, NDArray[np.int64]]:
        return {p.extras["region"]: self.raw(p.indices).reshape(-1, 3).astype(np.int64) for p in self.primitives}

    @cached_property
    def joint_names(self) -> list[str]:
        return [self.gltf.nodes[node].name for node in self.gltf.skins[0].joints]

    @cached_property
    def joint_parents(self) -> list[str | None]:
        parents = {child: node.name for node in self.gltf.nodes for child in node.children}
        return [parents.get(joint) for joint in self.gltf.skins[0].joints]

    def joint_matrices(self, rotations: dict[str, NDArray[np.float64]] | None = None) -> NDArray[np.float64]:
        """World matrices of the joints, (J, 4, 4). rotations: (3, 3) by joint name, for another pose."""
        world: dict[int, NDArray[np.float64]] = {}

        def visit(node_index: int, above: NDArray[np.float64]) -> None:
            node = self.gltf.nodes[node_index]
            local = np.eye(4)
            local[:3, :3] = (rotations or {}).get(node.name, np.eye(3))
            local[:3, 3] = node.translation or (0.0, 0.0, 0.0)
            world[node_index] = above @ local
            for child in node.children:
                visit(child, world[node_index])

        for root in self.gltf.scenes[0].nodes:
            visit(root, np.eye(4))
        return np.stack([world[joint] for joint in self.gltf.skins[0].joints])

    @cached_property
    def inverse_bind_matrices(self) -> NDArray[np.float64]:
        columns = self.raw(self.gltf.skins[0].inverseBindMatrices).astype(np.float64)
        return columns.reshape(-1, 4, 4).transpose(0, 2, 1)

    def skinned(self, rotations: dict[str, NDArray[np.float64]] | None = None) -> NDArray[np.float64]:
        """Vertices as a viewer places them, (N, 3) in metres."""
        matrices = self.joint_matrices(rotations) @ self.inverse_bind_matrices
        joints, weights = self.attribute("JOINTS_0").astype(np.int64), self.attribute("WEIGHTS_0")
        blended = np.einsum("nk,nkij->nij", weights, matrices[joints])
        placed: NDArray[np.float64] = (
            blended @ np.pad(self.attribute("POSITION"), ((0, 0), (0, 1)), constant_values=1.0)[:, :, None]
        )[:, :3, 0]
        return placed
