"""Lays arrays and their descriptions into the one binary file that glTF 2.0 calls GLB."""

import json
import struct
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]

_COMPONENT_TYPES = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
_ELEMENT_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class BufferTarget(IntEnum):
    """What a buffer view is bound to on the GPU (glTF 2.0, 5.11.5)."""

    VERTICES = 34962
    INDICES = 34963


class BinaryBuffer:
    """Collects arrays into a GLB's binary chunk, each with its buffer view and accessor."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._buffer_views: list[Json] = []
        self._accessors: list[Json] = []

    def add(
        self,
        array: NDArray[Any],
        *,
        target: BufferTarget | None = None,
        normalized: bool = False,
        bounds: bool = False,
    ) -> int:
        """Append an array, (N,) or (N, components), and give the index of its accessor.

        Rows of vertex data are padded to multiples of 4 bytes, as glTF asks. bounds: state the exact minimum and
        maximum, as it asks of positions.
        """
        rows = array.reshape(len(array), -1)
        row_bytes = rows.dtype.itemsize * rows.shape[1]
        padding = -row_bytes % 4 if target is BufferTarget.VERTICES else 0
        raw = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<")).view(np.uint8).reshape(len(rows), -1)
        payload = np.pad(raw, ((0, 0), (0, padding))).tobytes()

        view: Json = {"buffer": 0, "byteOffset": len(self._data), "byteLength": len(payload)}
        if target is BufferTarget.VERTICES:
            view["byteStride"] = row_bytes + padding
        if target is not None:
            view["target"] = int(target)
        accessor: Json = {
            "bufferView": len(self._buffer_views),
            "componentType": _COMPONENT_TYPES[rows.dtype.name],
            "count": len(rows),
            "type": _ELEMENT_TYPES[rows.shape[1]],
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor["min"], accessor["max"] = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()

        self._data += payload + bytes(-len(payload) % 4)
        self._buffer_views.append(view)
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def pack(self, document: Json) -> bytes:
        """The GLB file of a glTF document, to which the buffer, its views and its accessors are added."""
        complete = {
            **document,
            "accessors": self._accessors,
            "bufferViews": self._buffer_views,
            "buffers": [{"byteLength": len(self._data)}],
        }
        text = json.dumps(complete, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(self._data), 0x004E4942) + self._data
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
