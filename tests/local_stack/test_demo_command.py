"""`tryon demo`: the sample photos come out as an avatar on the other side of the whole system, which leaves nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow


def test_the_sample_goes_through_the_whole_system_and_nothing_stays(tmp_path: Path) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "local_stack.command_line", "demo", "--out", str(out), "--json"],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["measurements"]["height_cm"]["value"] == pytest.approx(168, abs=0.5)
    assert (out / "avatar.glb").read_bytes()[:4] == b"glTF"
    stored = json.loads((out / "measurements.json").read_text())
    assert stored["measurements"]["waist_girth_cm"]["value"] == report["measurements"]["waist_girth_cm"]["value"]
    assert list(temporary.glob("tryon-demo-*")) == []
    commands = [str(process.info["cmdline"]) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(temporary) in command]
