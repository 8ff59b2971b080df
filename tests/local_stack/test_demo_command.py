"""`tryon demo`: the sample photos come out as an avatar on the other side of the whole system, which leaves nothing."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow


def test_the_sample_goes_through_the_whole_system_and_nothing_stays(tmp_path: Path) -> None:
    out, temporary = tmp_path / "out", tempfile.mkdtemp(prefix="t", dir="/tmp")
    done = subprocess.run(
        [sys.executable, "-m", "local_stack.command_line", "demo", "--out", str(out), "--json"],
        env={**os.environ, "TMPDIR": temporary},
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
    assert os.listdir(temporary) == []
    assert not [process for process in psutil.process_iter(["cmdline"]) if temporary in str(process.info["cmdline"])]
    os.rmdir(temporary)
