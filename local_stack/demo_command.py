"""`tryon demo`: the sample photos through the whole system on this machine, as a shopper's browser would send them."""

import argparse
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx

from local_stack.body_model import DEFAULT_WORKER, prepare_body_model
from local_stack.measurement_table import measurement_lines
from local_stack.progress_display import ProgressDisplay
from local_stack.stack_commands import EXIT_DONE, EXIT_FAILED
from local_stack.stack_settings import open_stack
from local_stack.supervisor import StackFailed, running_stack
from shared.measurements import MeasurementKey

SHOP = "https://shop.example"
VIEWS = ("front", "side")
REQUEST_TIMEOUT_S = 60.0


class DemoFailed(RuntimeError):
    """The avatar did not become ready; the message says why and is fit to be shown."""


def add_to(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Define the subcommand."""
    parser = subcommands.add_parser(
        "demo",
        help="send the sample photos through the whole system",
        description="Starts PostgreSQL, object storage, the GPU queue, the API and a worker on this machine, makes an "
        "avatar of the sample photos by the API alone, writes its files and stops everything again.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    try:
        with (
            ProgressDisplay(quiet=arguments.json) as display,
            tempfile.TemporaryDirectory(prefix="tryon-demo-") as data_directory,
        ):
            prepare_body_model(DEFAULT_WORKER, announce=display.say)
            display.say("Starting the system")
            stack = open_stack(Path(data_directory), host="127.0.0.1", api_port=0, worker_command=DEFAULT_WORKER)
            with running_stack(stack) as supervisor:
                if supervisor.is_stopping:
                    return EXIT_FAILED
                avatar = _make_avatar(stack.api_url, stack.secrets.operator_key, out, display)
    except (StackFailed, DemoFailed, httpx.HTTPError) as error:
        sys.stderr.write(f"tryon: {error}\n")
        return EXIT_FAILED
    sys.stdout.write(_summary(avatar, out, as_json=arguments.json))
    return EXIT_DONE


def _make_avatar(api_url: str, operator_key: str, out: Path, display: ProgressDisplay) -> dict[str, Any]:
    """The avatar as the API shows it; its files are in `out`."""
    sample = files("gpu_worker.sample")
    told = json.loads(sample.joinpath("sample.json").read_text())
    with httpx.Client(base_url=api_url, timeout=REQUEST_TIMEOUT_S) as api:
        token = _shopper_token(api, operator_key)
        api.headers["Authorization"] = f"Bearer {token}"
        request = {
            "height_cm": told["height_cm"],
            "weight_kg": told["weight_kg"],
            "sex": told["sex"],
            "age_years": told["age"],
            "photos": VIEWS,
            "consent": {"text_version": "demo", "purposes": ["avatar"]},
        }
        avatar = api.post("/v1/avatars", json=request).raise_for_status().json()
        for view, upload in avatar["uploads"].items():
            photo = sample.joinpath(f"{view}.jpg").read_bytes()
            httpx.request(
                upload["method"], upload["url"], headers=upload["headers"], content=photo, timeout=REQUEST_TIMEOUT_S
            ).raise_for_status()
        path = f"/v1/avatars/{avatar['id']}"
        api.post(f"{path}/start").raise_for_status()
        shown_stage = None
        for state in _states(api, f"{path}/events"):
            stage, percent = state["progress"]["stage"], state["progress"]["percent"]
            if stage != shown_stage:
                display.stage(stage, percent / 100)
                shown_stage = stage
        shown: dict[str, Any] = api.get(path).raise_for_status().json()
        if shown["status"] != "ready":
            raise DemoFailed(f"the avatar is {shown['status']}: {shown['failure']}")
        _keep(api.get(f"{path}/export").raise_for_status().content, avatar["id"], out)
    return shown


def _shopper_token(api: httpx.Client, operator_key: str) -> str:
    brand = (
        api.post(
            "/v1/brands",
            json={"name": "Demo", "allowed_origins": [SHOP]},
            headers={"Authorization": f"Bearer {operator_key}"},
        )
        .raise_for_status()
        .json()
    )
    headers = {"Authorization": f"Bearer {brand['publishable_key']}", "Origin": SHOP}
    token: str = api.post("/v1/shopper-tokens", headers=headers).raise_for_status().json()["token"]
    return token


def _states(api: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    """Each state of the avatar as its event stream tells it, until the final one."""
    with api.stream("GET", path) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def _keep(export: bytes, avatar_id: str, out: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(export)) as bundle:
        prefix = f"avatars/{avatar_id}/"
        for name in bundle.namelist():
            if name.startswith(prefix):
                (out / Path(name).name).write_bytes(bundle.read(name))


def _summary(avatar: dict[str, Any], out: Path, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"out": str(out), "measurements": avatar["measurements"]}) + "\n"
    lines = measurement_lines(
        {
            key: (avatar["measurements"][key]["value"], avatar["measurements"][key]["error_p90"])
            for key in MeasurementKey
        }
    )
    names = ("avatar.glb", "measurements.json", "preview.png")
    return (
        "\n".join([*lines, f"The avatar and its measurements are in {out}:", *(f"  {name}" for name in names)]) + "\n"
    )
