"""From a checkpoint to a loaded network, scaled down, and what happens when something is wrong on the way."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.made_up_weights import made_up_crops
from gpu_worker.weights.conversion import convert_hmr2, convert_smpl
from gpu_worker.weights.faults import WeightsRefused, WeightsUnusable
from gpu_worker.weights.loading import load_hmr2, load_smpl
from gpu_worker.weights.manifest import HMR2_NAME, MANIFEST_NAME, SMPL_NAME, find_problems, sha256_of
from gpu_worker.weights.safetensors_file import write_float32
from tests.gpu_worker.hmr2.small_network import SMALL, small_network, small_weights
from tests.gpu_worker.weights.made_up_files import save_lightning_checkpoint, save_smpl, smpl_arrays

SMPL = smpl_arrays()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_lightning_checkpoint(tmp_path / "made-up.ckpt", small_weights())
    return tmp_path / "made-up.ckpt"


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Path:
    """Both files, converted."""
    save_smpl(tmp_path / "smpl.pkl", SMPL, with_chumpy=True)
    convert_hmr2(checkpoint, tmp_path / "weights", SMALL)
    convert_smpl(tmp_path / "smpl.pkl", tmp_path / "weights")
    return tmp_path / "weights"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestConversion:
    def test_the_network_answers_as_before(self, folder: Path) -> None:
        crops = made_up_crops(2, side_px=SMALL.crop_px)
        loaded = load_hmr2(folder, device="cpu", dimensions=SMALL)
        assert torch.equal(loaded(crops).body_pose, small_network()(crops).body_pose)
        assert not any(parameter.requires_grad for parameter in loaded.parameters())

    def test_bf16_keeps_the_last_layers_exact(self, folder: Path) -> None:
        loaded = load_hmr2(folder, device="cpu", dtype=torch.bfloat16, dimensions=SMALL)
        assert loaded.backbone.pos_embed.dtype == torch.bfloat16
        assert loaded.smpl_head.init_body_pose.dtype == torch.float32
        crops = made_up_crops(2, side_px=SMALL.crop_px)
        torch.testing.assert_close(loaded(crops).cam, small_network()(crops).cam, rtol=0.05, atol=0.05)

    def test_only_what_inference_needs_is_kept(self, folder: Path) -> None:
        kept = load_file(folder / HMR2_NAME)
        expected = small_weights()
        assert kept.keys() == expected.keys()
        assert all(torch.equal(kept[name], expected[name]) for name in kept)

    def test_smpl_is_what_was_stored(self, folder: Path) -> None:
        loaded = load_smpl(folder)
        assert loaded.keys() == SMPL.keys()
        np.testing.assert_array_equal(loaded["posedirs"], SMPL["posedirs"])

    def test_the_manifest_tells_sums_shapes_and_origin(self, folder: Path, checkpoint: Path) -> None:
        files = json.loads((folder / MANIFEST_NAME).read_text())["files"]
        assert files.keys() == {HMR2_NAME, SMPL_NAME}
        assert files[HMR2_NAME]["sha256"] == sha256_of(folder / HMR2_NAME)
        assert files[HMR2_NAME]["source"] == {"name": "made-up.ckpt", "sha256": sha256_of(checkpoint)}
        assert files[HMR2_NAME]["shapes"]["smpl_head.deccam.weight"] == [3, SMALL.head_width]
        assert files[SMPL_NAME]["shapes"]["v_template"] == [6890, 3]
        assert find_problems(folder) == []

    def test_nothing_else_is_left(self, folder: Path) -> None:
        assert {path.name for path in folder.iterdir()} == {HMR2_NAME, SMPL_NAME, MANIFEST_NAME}

    def test_converting_again_gives_the_same(self, folder: Path, checkpoint: Path) -> None:
        before = contents(folder)
        convert_hmr2(checkpoint, folder, SMALL)
        assert contents(folder) == before


class TestRefusals:
    def refused(self, tmp_path: Path, folder: Path, changed: dict[str, torch.Tensor], match: str) -> None:
        """The checkpoint is refused and everything in the folder stays as it was."""
        before = contents(folder)
        save_lightning_checkpoint(tmp_path / "other.ckpt", changed)
        with pytest.raises(WeightsRefused, match=match):
            convert_hmr2(tmp_path / "other.ckpt", folder, SMALL)
        assert contents(folder) == before

    def test_a_checkpoint_that_lacks_tensors(self, tmp_path: Path, folder: Path) -> None:
        weights = small_weights()
        del weights["smpl_head.deccam.bias"]
        self.refused(tmp_path, folder, weights, r"lacks 1 of \d+ tensors \(smpl_head.deccam.bias\)")

    def test_a_checkpoint_of_another_size(self, tmp_path: Path, folder: Path) -> None:
        weights = small_weights() | {"smpl_head.init_cam": torch.zeros(1, 4)}
        self.refused(tmp_path, folder, weights, r"init_cam has shape \(1, 4\), not \(1, 3\)")

    def test_whole_numbers(self, tmp_path: Path, folder: Path) -> None:
        weights = small_weights() | {"smpl_head.init_cam": torch.zeros(1, 3, dtype=torch.int64)}
        self.refused(tmp_path, folder, weights, "no fractions")

    def test_numbers_that_are_none(self, tmp_path: Path, folder: Path) -> None:
        weights = small_weights() | {"smpl_head.decshape.bias": torch.full((10,), float("nan"))}
        self.refused(tmp_path, folder, weights, "decshape.bias holds numbers that are none")

    def test_loading_what_is_not_whole(self, folder: Path) -> None:
        (folder / HMR2_NAME).write_bytes((folder / HMR2_NAME).read_bytes()[:-1])
        with pytest.raises(WeightsUnusable, match="bytes instead of"):
            load_hmr2(folder, device="cpu", dimensions=SMALL)
        assert load_smpl(folder)["v_template"].shape == (6890, 3)

    def test_a_tensor_of_another_shape_than_announced(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"a has shape \(3,\), not \(2,\)"):
            write_float32(tmp_path / "a.safetensors", {"a": (2,)}, lambda _: torch.zeros(3))
