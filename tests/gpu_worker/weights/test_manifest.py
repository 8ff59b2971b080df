"""Everything that can be wrong with a folder of weights is said, with what to do about it."""

from pathlib import Path

import pytest

from gpu_worker.weights.faults import WeightsUnusable
from gpu_worker.weights.manifest import (
    HMR2_NAME,
    MANIFEST_NAME,
    SMPL_NAME,
    ListedFile,
    find_problems,
    read_manifest,
    require,
    sha256_of,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both files, with any content, listed."""
    listed = {}
    for name in (HMR2_NAME, SMPL_NAME):
        path = tmp_path / name
        path.write_bytes(name.encode() * 100)
        listed[name] = ListedFile(path.stat().st_size, sha256_of(path), {"name": "x", "sha256": "y"}, {"a": [1, 2]})
    write_manifest(tmp_path, listed)
    return tmp_path


def problem(folder: Path) -> str:
    (found,) = find_problems(folder)
    return found


def test_all_is_well(folder: Path) -> None:
    assert find_problems(folder) == []
    require(folder, HMR2_NAME, SMPL_NAME)


def test_what_is_written_is_read(folder: Path) -> None:
    listed = read_manifest(folder)
    write_manifest(folder, listed)
    assert read_manifest(folder) == listed
    assert listed[SMPL_NAME].shapes == {"a": [1, 2]}


def test_an_empty_folder_says_where_both_come_from(tmp_path: Path) -> None:
    network, body = find_problems(tmp_path)
    assert "4D-Humans" in network
    assert "tryon weights convert --hmr2" in network
    assert "Meshcapade" in body
    assert "tryon weights convert --smpl" in body


def test_no_folder(tmp_path: Path) -> None:
    first, *others = find_problems(tmp_path / "nowhere")
    assert "there is no folder" in first
    assert len(others) == 2


def test_a_file_that_broke_off(folder: Path) -> None:
    (folder / SMPL_NAME).write_bytes(b"short")
    assert "5 bytes instead of 800" in problem(folder)


def test_a_changed_file(folder: Path) -> None:
    content = bytearray((folder / HMR2_NAME).read_bytes())
    content[50] ^= 1
    (folder / HMR2_NAME).write_bytes(content)
    assert "SHA-256 differs" in problem(folder)


def test_an_unlisted_file(folder: Path) -> None:
    write_manifest(folder, {SMPL_NAME: read_manifest(folder)[SMPL_NAME]})
    assert "conversion broke off" in problem(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "nonsense", '{"format": 1}', '{"format": 1, "files": {"a": {}}}', '{"format": 1, "files": [1]}'],
)
def test_a_damaged_manifest(folder: Path, text: str) -> None:
    (folder / MANIFEST_NAME).write_text(text)
    assert "no manifest of converted weights" in problem(folder)


def test_a_manifest_of_a_later_version(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_text('{"format": 2, "files": {}}')
    assert "format 2, not 1" in problem(folder)


def test_a_start_tells_every_problem_of_what_it_needs(folder: Path) -> None:
    (folder / HMR2_NAME).unlink()
    (folder / SMPL_NAME).unlink()
    with pytest.raises(WeightsUnusable) as fault:
        require(folder, HMR2_NAME, SMPL_NAME)
    assert len(fault.value.problems) == 2
    with pytest.raises(WeightsUnusable) as fault:
        require(folder, SMPL_NAME)
    assert len(fault.value.problems) == 1
