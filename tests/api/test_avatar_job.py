"""An avatar's whole way, with the worker as RunPod would run it: the SDK's own loop in a process of its own."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from local_stack.gpu_queue.queue import Patience
from local_stack.gpu_queue.worker import worker_environment
from tests.api.control_plane import ENDPOINT, QUEUE_KEY, WITH_PHOTO, WITHOUT_PHOTO, ControlPlane
from tests.waiting import eventually

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.slow]

SAMPLE = files("gpu_worker.sample")
MORTAL_WORKER = Path(__file__).with_name("mortal_worker.py")
HANDLER = ("-m", "gpu_worker.handler")


@pytest.fixture
def patience() -> Patience:
    """A queue that soon sees that a worker has died."""
    return Patience(silent_worker_s=3, unlisted_job_s=3)


@contextmanager
def worker(
    control_plane: ControlPlane, home: Path, *command: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker taking jobs; its log is in `home`."""
    with (home / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={
                **os.environ,
                **worker_environment(base_url=control_plane.queue_url, endpoint=ENDPOINT, key=QUEUE_KEY, home=home),
                **environment,
            },
            start_new_session=True,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def assert_complete(avatar: dict[str, Any]) -> None:
    glb = httpx.get(avatar["glb_url"]).content
    assert glb[:4] == b"glTF"
    assert int.from_bytes(glb[8:12], "little") == len(glb)
    assert Image.open(io.BytesIO(httpx.get(avatar["preview_url"]).content)).format == "PNG"
    assert avatar["measurements"]["height_cm"]["value"] == pytest.approx(168, abs=0.5)
    assert len(avatar["measurements"]) == 25


def test_photos_become_an_avatar(control_plane: ControlPlane, tmp_path: Path) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar({**WITH_PHOTO, "photos": ["front", "side"]})
    for view in ("front", "side"):
        assert shopper.upload(avatar, view, (SAMPLE / f"{view}.jpg").read_bytes()).status_code == 200
    with worker(control_plane, tmp_path, *HANDLER):
        shopper.start(avatar)
        events = shopper.events(avatar)
    assert events[-1]["status"] == "ready"
    stages = [event["progress"]["stage"] for event in events if event["progress"]["stage"]]
    assert {"fetch_photos", "find_person", "fit_body"} <= set(stages)
    shown = shopper.get(avatar)
    assert_complete(shown)
    truth = json.loads((SAMPLE / "sample.json").read_text())["true_measurements"]
    for key in ("chest_girth_cm", "waist_girth_cm", "hip_girth_cm"):
        assert shown["measurements"][key]["value"] == pytest.approx(truth[key], abs=3)
    assert shown["photos_deleted_at"] is not None
    assert control_plane.objects("photos") == []
    names = {key.rpartition("/")[2] for key in control_plane.objects("avatars")}
    assert names == {"avatar.glb", "body.npz", "measurements.json", "preview.png", "result.json"}
    log = (tmp_path / "worker.log").read_text()
    assert "token=" not in log
    assert "callbacks/runpod/" not in log


def test_numbers_alone_become_an_avatar(control_plane: ControlPlane, tmp_path: Path) -> None:
    shopper = control_plane.shopper()
    with worker(control_plane, tmp_path, *HANDLER):
        avatar = shopper.started(WITHOUT_PHOTO)
        assert shopper.events(avatar)[-1]["status"] == "ready"
    shown = shopper.get(avatar)
    assert_complete(shown)
    assert shown["photos_deleted_at"] is None


def test_a_photo_without_a_person_is_refused_with_advice(control_plane: ControlPlane, tmp_path: Path) -> None:
    wall = io.BytesIO()
    Image.new("RGB", (900, 1200), (180, 170, 160)).save(wall, "JPEG")
    shopper = control_plane.shopper()
    with worker(control_plane, tmp_path, *HANDLER):
        avatar = shopper.started(WITH_PHOTO, wall.getvalue())
        final = shopper.events(avatar)[-1]
    assert final["status"] == "failed"
    assert final["failure"]["reason"] == "no_person"
    assert "could not find a person" in final["failure"]["advice"]
    assert control_plane.objects("photos") == []


@pytest.mark.parametrize("stage", ["find_person", "write_avatar"])
def test_a_worker_that_is_killed_is_noticed_and_the_job_runs_again(
    control_plane: ControlPlane, tmp_path: Path, stage: str
) -> None:
    shopper = control_plane.shopper()
    with worker(control_plane, tmp_path, str(MORTAL_WORKER), DIE_AT_STAGE=stage) as mortal:
        avatar = shopper.started(WITH_PHOTO, (SAMPLE / "front.jpg").read_bytes())
        eventually(lambda: mortal.poll() is not None)
        # The SDK's heartbeat is a process of its own, which lives on and vouches for a worker that is gone.
        os.killpg(mortal.pid, signal.SIGKILL)
    assert mortal.returncode == -signal.SIGKILL
    assert shopper.get(avatar)["status"] == "processing"
    with worker(control_plane, tmp_path, *HANDLER):
        assert shopper.events(avatar)[-1]["status"] == "ready"
    assert_complete(shopper.get(avatar))
    assert control_plane.objects("photos") == []
    assert len(control_plane.rows("select from avatars")) == 1
