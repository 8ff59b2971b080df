"""Reads the tensors of a checkpoint that PyTorch or Lightning saved, one at a time and without running its pickle.

A checkpoint is a zip: `<name>/data.pkl` describes tensors as views of storages, `<name>/data/<key>` are the storages. A
tensor is read from the file only when asked for, so optimizer states and discriminators cost nothing.
"""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import torch

from gpu_worker.weights.faults import WeightsRefused
from gpu_worker.weights.inert_pickle import InertUnpickler, load_inert

_STORAGE_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class StoredStorage:
    """key: which member of the zip. elements: how many of `dtype` it should hold."""

    key: str
    dtype: torch.dtype
    elements: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor described, not read: `size` elements of a storage from `offset` on, in `stride`."""

    storage: StoredStorage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        plain = all(isinstance(number, int) and number >= 0 for number in (self.offset, *self.size, *self.stride))
        if not isinstance(self.storage, StoredStorage) or len(self.size) != len(self.stride) or not plain:
            raise WeightsRefused("it describes a tensor in a way that PyTorch does not")
        furthest = self.offset + sum((size - 1) * step for size, step in zip(self.size, self.stride, strict=True))
        if 0 not in self.size and furthest >= self.storage.elements:
            raise WeightsRefused("it describes a tensor that reaches beyond its storage")


class TorchArchive:
    """An open checkpoint. content: what was saved, with `StoredTensor` for tensors and `Inert` for objects.

    Use as a context manager. Raises WeightsRefused where the file is damaged or no such checkpoint.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise WeightsRefused(
                "it is no whole checkpoint of PyTorch 1.6 or later; perhaps its download broke off"
            ) from error
        try:
            self._folder = self._find_folder()
            with self._zip.open(f"{self._folder}/data.pkl") as pickled:
                self.content = load_inert(_CheckpointUnpickler(pickled))
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def tensor(self, stored: StoredTensor) -> torch.Tensor:
        """The tensor itself, contiguous, its bytes checked against the zip's sum. Raises WeightsRefused."""
        storage = stored.storage
        try:
            content = bytearray(self._zip.read(f"{self._folder}/data/{storage.key}"))
        except (KeyError, zipfile.BadZipFile, EOFError) as error:
            raise WeightsRefused(f"its tensors are damaged: {error}") from error
        if len(content) != storage.elements * storage.dtype.itemsize:
            raise WeightsRefused("it holds a storage of another length than it says")
        if not content:
            return torch.empty(stored.size, dtype=storage.dtype)
        flat = torch.frombuffer(content, dtype=storage.dtype)
        return flat.as_strided(stored.size, stored.stride, stored.offset).contiguous()

    def _find_folder(self) -> str:
        names = self._zip.namelist()
        folders = [name.removesuffix("/data.pkl") for name in names if name.endswith("/data.pkl")]
        if len(folders) != 1:
            raise WeightsRefused("it is a zip, but no PyTorch checkpoint")
        order = f"{folders[0]}/byteorder"
        if order in names and self._zip.read(order) != b"little":
            raise WeightsRefused("it was saved on a big-endian machine, which is not supported")
        return folders[0]


class _CheckpointUnpickler(InertUnpickler):
    def __init__(self, file: IO[bytes]) -> None:
        rebuilt: dict[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuilt_parameter,
            ("torch", "Size"): tuple,
        }
        super().__init__(file, rebuilt)

    def persistent_load(self, saved_id: Any) -> StoredStorage:
        match saved_id:
            case ("storage", kind, str(key), str(), int(elements)):
                module, name = getattr(kind, "origin", ("", ""))
                if module in {"torch", "torch.storage"} and name in _STORAGE_DTYPES and "/" not in key:
                    return StoredStorage(key, _STORAGE_DTYPES[name], elements)
        raise WeightsRefused("it holds a storage of a kind that weights need not")


def _rebuilt_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
    return StoredTensor(storage, offset, tuple(size), tuple(stride))


def _rebuilt_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def stored_tensors(content: Any) -> Mapping[str, StoredTensor]:
    """The tensors of a Lightning checkpoint's `state_dict`, or of a bare state dict. Raises WeightsRefused."""
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise WeightsRefused("it holds no state_dict")
    return {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, StoredTensor)}
