"""Tensors read without PyTorch's unpickler against what PyTorch saved."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gpu_worker.weights.faults import WeightsRefused
from gpu_worker.weights.torch_archive import StoredStorage, StoredTensor, TorchArchive, stored_tensors


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


TENSORS = {
    "plain": random(3, 4),
    "transposed": random(3, 4).T,
    "slice": random(6, 5)[1:4, ::2],
    "scalar": random(1).reshape(()),
    "empty": torch.empty(0, 4),
    "parameter": torch.nn.Parameter(random(2, 2)),
    "bfloat16": random(5).bfloat16(),
    "half": random(5).half(),
    "double": random(5).double(),
    "integers": torch.arange(4),
    "truths": torch.tensor([True, False]),
    "repeated": random(1, 3).expand(4, 3),
}


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


class TestTorchArchive:
    def test_every_tensor_is_what_was_saved(self, tmp_path: Path) -> None:
        with TorchArchive(saved(tmp_path / "a.ckpt", {"state_dict": TENSORS})) as archive:
            found = stored_tensors(archive.content)
            assert found.keys() == TENSORS.keys()
            for name, tensor in TENSORS.items():
                read = archive.tensor(found[name])
                assert read.is_contiguous()
                assert read.dtype == tensor.dtype
                assert torch.equal(read, tensor.detach()), name

    def test_a_bare_state_dict_will_do(self, tmp_path: Path) -> None:
        with TorchArchive(saved(tmp_path / "a.pt", torch.nn.Linear(2, 3).state_dict())) as archive:
            assert stored_tensors(archive.content).keys() == {"weight", "bias"}

    def test_what_is_no_state_dict_is_refused(self, tmp_path: Path) -> None:
        with (
            TorchArchive(saved(tmp_path / "a.pt", [1, 2])) as archive,
            pytest.raises(WeightsRefused, match="state_dict"),
        ):
            stored_tensors(archive.content)

    @pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
    def test_a_download_that_broke_off_is_refused(self, tmp_path: Path, kept: float) -> None:
        path = saved(tmp_path / "a.ckpt", {"state_dict": {"a": random(1000)}})
        content = path.read_bytes()
        path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
        with pytest.raises(WeightsRefused, match="broke off"):
            TorchArchive(path)

    def test_a_flipped_bit_is_refused(self, tmp_path: Path) -> None:
        values = random(1000)
        path = saved(tmp_path / "a.ckpt", {"state_dict": {"a": values}})
        content = bytearray(path.read_bytes())
        content[content.index(values.numpy().tobytes()) + 2000] ^= 1
        path.write_bytes(content)
        with TorchArchive(path) as archive, pytest.raises(WeightsRefused, match="damaged"):
            archive.tensor(stored_tensors(archive.content)["a"])

    def test_a_zip_of_something_else_is_refused(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            file.writestr("readme.txt", "hello")
        with pytest.raises(WeightsRefused, match="no PyTorch checkpoint"):
            TorchArchive(tmp_path / "a.zip")

    def test_code_in_a_checkpoint_is_refused(self, tmp_path: Path) -> None:
        marker = tmp_path / "was-here"

        class Hostile:
            def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
                return os.system, (f"touch {marker}",)

        path = saved(tmp_path / "a.ckpt", {"state_dict": TENSORS, "hyper_parameters": Hostile()})
        with pytest.raises(WeightsRefused, match="system"):
            TorchArchive(path)
        assert not marker.exists()

    def test_a_storage_of_another_length_than_it_says_is_refused(self, tmp_path: Path) -> None:
        with TorchArchive(saved(tmp_path / "a.ckpt", {"a": random(4)})) as archive:
            longer = StoredTensor(StoredStorage("0", torch.float32, 8), 0, (8,), (1,))
            with pytest.raises(WeightsRefused, match="another length"):
                archive.tensor(longer)

    @pytest.mark.parametrize("key", ["../data.pkl", "nothing"])
    def test_a_storage_that_is_not_there_is_refused(self, tmp_path: Path, key: str) -> None:
        content = io.BytesIO()

        class Storages(pickle.Pickler):
            def persistent_id(self, obj: object) -> object:
                return ("storage", torch.FloatStorage, key, "cpu", 4) if obj == "here" else None

        Storages(content, protocol=2).dump({"a": ["here"]})
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            file.writestr("a/data.pkl", content.getvalue())
        with pytest.raises(WeightsRefused), TorchArchive(tmp_path / "a.zip") as archive:
            archive.tensor(StoredTensor(archive.content["a"][0], 0, (4,), (1,)))


class TestStoredTensor:
    @pytest.mark.parametrize(
        ("offset", "size", "stride"),
        [(0, (9,), (1,)), (5, (4,), (1,)), (0, (2, 2), (7, 1)), (-1, (2,), (1,)), (0, (2,), (-1,)), (0, (2,), (1, 1))],
    )
    def test_a_view_beyond_its_storage_is_refused(
        self, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        with pytest.raises(WeightsRefused):
            StoredTensor(StoredStorage("0", torch.float32, 8), offset, size, stride)
