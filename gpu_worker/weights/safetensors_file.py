"""Writes safetensors files a tensor at a time, so that converting 2.7 GB needs the memory of its largest tensor.

The format (github.com/huggingface/safetensors): the length of a JSON header as 8 little-endian bytes, the header, then
the tensors' bytes one after the other. Reading is left to the `safetensors` package.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

_ALIGNMENT_BYTES = 8


def write_float32(path: Path, shapes: Mapping[str, Iterable[int]], tensor_of: Callable[[str], torch.Tensor]) -> None:
    """Write tensors of these names and shapes as float32; `tensor_of` is asked for each once, in order.

    Raises ValueError where a tensor has not the shape announced, and OSError.
    """
    header: dict[str, object] = {}
    offset_bytes = 0
    for name, shape in shapes.items():
        size = torch.Size(shape)
        end_bytes = offset_bytes + size.numel() * torch.float32.itemsize
        header[name] = {"dtype": "F32", "shape": list(size), "data_offsets": [offset_bytes, end_bytes]}
        offset_bytes = end_bytes
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT_BYTES)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name, shape in shapes.items():
            tensor = tensor_of(name)
            if tensor.shape != torch.Size(shape):
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, not {tuple(shape)}")
            file.write(tensor.to(torch.float32).contiguous().numpy().astype("<f4", copy=False).data)
