"""`tryon up` with a worker that needs no model, for tests that start, kill and stop it as a process."""

import sys
from dataclasses import replace
from pathlib import Path

from local_stack.postgres import PostgresAddress
from local_stack.services import Service, stack_services
from local_stack.stack_settings import StackSettings

HANDLER = Path(__file__).parent / "gpu_queue" / "tiny_handler.py"


def with_tiny_worker(stack: StackSettings, postgres: PostgresAddress) -> list[Service]:
    """The services of the stack, with the tests' own handler in the worker's place."""
    return [
        replace(service, command=(sys.executable, str(HANDLER))) if service.name == "worker" else service
        for service in stack_services(stack, postgres)
    ]
