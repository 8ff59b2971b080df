"""`tryon up`, `tryon down` and `tryon status`: the whole system on one machine."""

import argparse
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from local_stack.body_model import DEFAULT_WORKER, prepare_body_model
from local_stack.stack_settings import default_data_directory, open_stack, port_is_free
from local_stack.supervisor import (
    StackFailed,
    read_running,
    record_running,
    running_stack,
)

EXIT_DONE, EXIT_FAILED = 0, 1
STOP_TIMEOUT_S = 60.0


def add_to(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Define the subcommands."""
    up = subcommands.add_parser(
        "up",
        help="run the whole system on this machine",
        description="Starts PostgreSQL, object storage, the GPU queue, the API and a worker, waits until all are well, "
        "prints where they are and runs until Ctrl-C. Data stays between runs.",
    )
    up.add_argument("--port", type=int, default=8000, help="of the API; 0 picks a free one (default: 8000)")
    up.add_argument("--host", default="127.0.0.1", help="address the API listens on (default: 127.0.0.1)")
    up.add_argument(
        "--worker",
        type=_command,
        default=DEFAULT_WORKER,
        metavar="COMMAND",
        help="what runs the avatar jobs, given RunPod's environment (default: this program's own worker)",
    )
    up.set_defaults(run=_up)
    down = subcommands.add_parser("down", help="stop the system that `tryon up` started")
    down.set_defaults(run=_down)
    status = subcommands.add_parser("status", help="say what runs and whether it is well")
    status.set_defaults(run=_status)
    for parser in (up, down, status):
        parser.add_argument(
            "--data-dir", type=Path, default=default_data_directory(), metavar="DIR", help="default: %(default)s"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object on one line instead of text")


def _command(text: str) -> tuple[str, ...]:
    words = tuple(shlex.split(text))
    if not words:
        raise argparse.ArgumentTypeError("is empty")
    return words


def _up(arguments: argparse.Namespace) -> int:
    started_at = time.monotonic()
    # Photos, measurements and keys are kept here: nobody else on the machine reads what we or our services write.
    os.umask(0o077)
    if arguments.port and not port_is_free(arguments.port, arguments.host) and not read_running(arguments.data_dir):
        _complain(f"port {arguments.port} is taken; choose another with --port")
        return EXIT_FAILED
    try:
        stack = open_stack(
            arguments.data_dir, host=arguments.host, api_port=arguments.port, worker_command=arguments.worker
        )
        prepare_body_model(arguments.worker, announce=_complain)
        with running_stack(stack) as supervisor:
            if supervisor.is_stopping:
                return EXIT_DONE
            description = {
                "api": stack.api_url,
                "operator_key": stack.secrets.operator_key,
                "storage": stack.storage_url,
                "gpu_queue": f"{stack.gpu_queue_url}/v2",
                "database": supervisor.database_url,
                "data_dir": str(stack.data_directory),
                "pid": os.getpid(),
                "ready_after_s": round(time.monotonic() - started_at, 1),
            }
            record_running(stack.data_directory, description)
            _announce(description, as_json=arguments.json)
            supervisor.watch()
    except StackFailed as error:
        _complain(str(error))
        return EXIT_FAILED
    return EXIT_DONE


def _down(arguments: argparse.Namespace) -> int:
    running = read_running(arguments.data_dir)
    if running is None:
        _say({"stopped": False}, "Nothing runs.", as_json=arguments.json)
        return EXIT_DONE
    os.kill(int(str(running["pid"])), signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while read_running(arguments.data_dir) is not None:
        if time.monotonic() > deadline:
            _complain("it does not stop")
            return EXIT_FAILED
        time.sleep(0.1)
    _say({"stopped": True}, "Stopped.", as_json=arguments.json)
    return EXIT_DONE


def _status(arguments: argparse.Namespace) -> int:
    running = read_running(arguments.data_dir)
    if running is None:
        _say({"running": False}, "Nothing runs.", as_json=arguments.json)
        return EXIT_FAILED
    is_ready = _is_ready(str(running["api"]))
    report = {"running": True, "ready": is_ready, **running}
    text = f"{'Ready' if is_ready else 'Not ready'}: {running['api']} (process {running['pid']})"
    _say(report, text, as_json=arguments.json)
    return EXIT_DONE if is_ready else EXIT_FAILED


def _is_ready(api_url: str) -> bool:
    try:
        return httpx.get(f"{api_url}/readyz", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def _announce(description: dict[str, Any], *, as_json: bool) -> None:
    text = (
        f"API           {description['api']}  (documentation: {description['api']}/docs)\n"
        f"Storage       {description['storage']}\n"
        f"GPU queue     {description['gpu_queue']}\n"
        f"Database      {description['database']}\n"
        f"Operator key  {description['operator_key']}\n"
        f"Data and logs {description['data_dir']}\n"
        f"Ready after {description['ready_after_s']} s. Ctrl-C stops everything."
    )
    _say(description, text, as_json=as_json)


def _say(report: dict[str, Any], text: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(report) if as_json else text) + "\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"tryon: {text}\n")
