"""`tryon demo`: the sample photos come out as an avatar on the other side of the whole system, which leaves nothing."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files; pytest's own has a path too long for PostgreSQL's socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_the_sample_goes_through_the_whole_system_and_nothing_stays(tmp_path: Path, temporary: Path) -> None:
    out = tmp_path / "out"
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
