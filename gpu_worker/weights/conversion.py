"""Turns the files that 4D-Humans and SMPL hand out, once and offline, into files that hold numbers and nothing else."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpu_worker.hmr2.network import HMR2, NetworkDimensions
from gpu_worker.weights.faults import WeightsRefused
from gpu_worker.weights.manifest import (
    HMR2_NAME,
    SMPL_NAME,
    ListedFile,
    put_in_place,
    read_manifest,
    sha256_of,
    write_manifest,
)
from gpu_worker.weights.safetensors_file import write_float32
from gpu_worker.weights.smpl_file import read_smpl_pickle
from gpu_worker.weights.torch_archive import StoredTensor, TorchArchive, stored_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many names of missing tensors an error lists.
_NAMED = 3


def convert_hmr2(checkpoint: Path, folder: Path, dimensions: NetworkDimensions | None = None) -> Path:
    """Write `hmr2.safetensors` (float32, 2.7 GB) from the Lightning checkpoint; what inference does not need stays out.

    Raises WeightsRefused where the checkpoint is damaged, hostile or of another network, and OSError.
    """
    with TorchArchive(checkpoint) as archive:
        found = stored_tensors(archive.content)
        shapes = expected_shapes(dimensions)
        _check_tensors(found, shapes)

        def write(path: Path) -> None:
            write_float32(path, shapes, lambda name: _finite(name, archive.tensor(found[name])))

        return _write_listed(folder / HMR2_NAME, checkpoint, shapes, write)


def convert_smpl(model: Path, folder: Path) -> Path:
    """Write `smpl.npz` from SMPL's pickle. Raises WeightsRefused where it is none, and OSError."""
    arrays = read_smpl_pickle(model)
    shapes = {name: array.shape for name, array in arrays.items()}

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, **arrays)

    return _write_listed(folder / SMPL_NAME, model, shapes, write)


def expected_shapes(dimensions: NetworkDimensions | None = None) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor that the network needs."""
    with torch.device("meta"):
        network = HMR2(dimensions)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _check_tensors(found: Mapping[str, StoredTensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    missing = [name for name in shapes if name not in found]
    if missing:
        named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        raise WeightsRefused(f"it is no checkpoint of HMR2: it lacks {len(missing)} of {len(shapes)} tensors ({named})")
    for name, shape in shapes.items():
        if found[name].size != shape:
            raise WeightsRefused(f"it is no checkpoint of HMR2: {name} has shape {found[name].size}, not {shape}")
        if not found[name].storage.dtype.is_floating_point:
            raise WeightsRefused(f"it is no checkpoint of HMR2: {name} holds no fractions")


def _finite(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not torch.isfinite(tensor).all():
        raise WeightsRefused(f"its {name} holds numbers that are none")
    return tensor


def _write_listed(
    path: Path, source: Path, shapes: Mapping[str, tuple[int, ...]], write: Callable[[Path], None]
) -> Path:
    """Write a file and then its entry in the manifest; what was there before stays until the new file is whole."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    listed = read_manifest(folder)
    with _unfinished(path) as unfinished:
        write(unfinished)
        entry = ListedFile(
            size_bytes=unfinished.stat().st_size,
            sha256=sha256_of(unfinished),
            source={"name": source.name, "sha256": sha256_of(source)},
            shapes={name: list(shape) for name, shape in shapes.items()},
        )
        put_in_place(unfinished, path)
    write_manifest(folder, {**listed, path.name: entry})
    return path


@contextmanager
def _unfinished(path: Path) -> "Iterator[Path]":
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)
