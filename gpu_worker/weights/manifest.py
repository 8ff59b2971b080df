"""What a folder of converted weights should hold, so that a worker never starts on half a file or on another's.

`manifest.json` beside the weights lists each file's size, SHA-256 sum and arrays. It is written last: a file that it
does not list was never finished.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpu_worker.weights.faults import WeightsUnusable

MANIFEST_NAME = "manifest.json"
HMR2_NAME, SMPL_NAME = "hmr2.safetensors", "smpl.npz"
_FORMAT = 1

# What to do about each file that is not there.
_SOURCES = {
    HMR2_NAME: "get the checkpoint of the project 4D-Humans (hmr2_data: logs/train/multiruns/hmr2/0/checkpoints/"
    "epoch=35-step=1000000.ckpt), clear its use with its authors, and run `tryon weights convert --hmr2 CKPT`",
    SMPL_NAME: "get SMPL for Python, version 1.0 or 1.1.0 (basicModel_neutral_lbs_10_207_0_v1.0.0.pkl or "
    "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl), from the SMPL project, with a commercial licence from Meshcapade "
    "unless your use is research, and run `tryon weights convert --smpl PKL`",
}


@dataclass(frozen=True)
class ListedFile:
    """size_bytes, sha256: of the file. source: name and SHA-256 of what it was made from. shapes: of each array."""

    size_bytes: int
    sha256: str
    source: Mapping[str, str]
    shapes: Mapping[str, list[int]]


def sha256_of(path: Path) -> str:
    """Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, ListedFile]:
    """The listed files by name; none where there is no manifest. Raises WeightsUnusable where it cannot be read."""
    path = folder / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsUnusable([f"{path} cannot be read: {error}"]) from error
    try:
        content: Any = json.loads(text)
        if content["format"] != _FORMAT:
            raise WeightsUnusable([f"{path} has format {content['format']}, not {_FORMAT}: convert anew"])
        return {name: _listed(entry) for name, entry in content["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnusable([f"{path} is no manifest of converted weights: convert anew"]) from error


def _listed(entry: Mapping[str, Any]) -> ListedFile:
    return ListedFile(int(entry["size_bytes"]), str(entry["sha256"]), dict(entry["source"]), dict(entry["shapes"]))


def write_manifest(folder: Path, files: Mapping[str, ListedFile]) -> None:
    """Replaces the folder's manifest in one step. Raises OSError."""
    content = {"format": _FORMAT, "files": {name: asdict(files[name]) for name in sorted(files)}}
    unfinished = folder / f"{MANIFEST_NAME}.unfinished"
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    put_in_place(unfinished, folder / MANIFEST_NAME)


def put_in_place(unfinished: Path, path: Path) -> None:
    """Give a finished file its name, so that the name is on the disk only with the whole content."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


def find_problems(folder: Path, names: tuple[str, ...] = (HMR2_NAME, SMPL_NAME)) -> list[str]:
    """What keeps these files from being used, each with what to do about it; empty when all is well.

    Reads every file whole (about two seconds for all).
    """
    if not folder.is_dir():
        return [f"there is no folder {folder}", *(f"{name} is missing: {_SOURCES[name]}" for name in names)]
    try:
        listed = read_manifest(folder)
    except WeightsUnusable as fault:
        return fault.problems
    return [problem for name in names if (problem := _problem_of(folder, name, listed.get(name)))]


def require(folder: Path, *names: str) -> None:
    """Raises WeightsUnusable with every problem of these files; for a worker's start."""
    problems = find_problems(folder, names)
    if problems:
        raise WeightsUnusable(problems)


def _problem_of(folder: Path, name: str, listed: ListedFile | None) -> str | None:
    path = folder / name
    try:
        if not path.is_file():
            return f"{name} is missing: {_SOURCES[name]}"
        if listed is None:
            return f"{name} is not in {MANIFEST_NAME}, so its conversion broke off: convert anew"
        size_bytes = path.stat().st_size
        if size_bytes != listed.size_bytes:
            return f"{name} has {size_bytes} bytes instead of {listed.size_bytes}: copy it again or convert anew"
        if sha256_of(path) != listed.sha256:
            return f"{name} is not what was converted (its SHA-256 differs): copy it again or convert anew"
    except OSError as error:
        return f"{name} cannot be read: {error}"
    return None
