"""`tryon weights` as an operator runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gpu_worker.hmr2.small_network import small_weights
from tests.gpu_worker.weights.made_up_files import save_lightning_checkpoint, save_smpl, smpl_arrays

REPOSITORY = Path(__file__).resolve().parents[2]


def tryon_weights(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local_stack.command_line", "weights", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_converting_and_checking(tmp_path: Path) -> None:
    save_smpl(tmp_path / "smpl.pkl", smpl_arrays(), with_chumpy=True)
    converted = tryon_weights("convert", "--smpl", tmp_path / "smpl.pkl", "--out", tmp_path / "weights")
    assert (converted.returncode, converted.stderr) == (0, "")
    assert converted.stdout.strip() == str(tmp_path / "weights" / "smpl.npz")
    checked = tryon_weights("check", "--dir", tmp_path / "weights")
    assert checked.returncode == 3
    assert "hmr2.safetensors is missing" in checked.stderr
    assert "4D-Humans" in checked.stderr
    assert "smpl.npz" not in checked.stderr


def test_another_network_is_refused(tmp_path: Path) -> None:
    save_lightning_checkpoint(tmp_path / "small.ckpt", small_weights())
    refused = tryon_weights("convert", "--hmr2", tmp_path / "small.ckpt", "--out", tmp_path / "weights")
    assert refused.returncode == 3
    assert "small.ckpt was refused: it is no checkpoint of HMR2" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_that_cannot_be_written_is_our_fault(tmp_path: Path) -> None:
    save_smpl(tmp_path / "smpl.pkl", smpl_arrays())
    (tmp_path / "weights" / "smpl.npz.unfinished").mkdir(parents=True)
    failed = tryon_weights("convert", "--smpl", tmp_path / "smpl.pkl", "--out", tmp_path / "weights")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", "--out", "weights"),
        ("convert", "--smpl", "nowhere.pkl", "--out", "weights"),
        ("convert", "--smpl", "README.md", "--out", "README.md"),
        ("check",),
        (),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    answered = tryon_weights(*arguments)
    assert answered.returncode == 2
    assert "usage: tryon weights" in answered.stderr
