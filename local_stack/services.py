"""The services of the local stack: what each is started with, and how one sees that it is well."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from local_stack.gpu_queue.worker import worker_environment
from local_stack.postgres import PostgresAddress
from local_stack.stack_settings import GPU_QUEUE_ENDPOINT, StackSettings

HEALTH_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Service:
    """One process. Its environment is made anew at each start, since a restarted worker is a new worker."""

    name: str
    command: tuple[str, ...]
    environment: Callable[[], Mapping[str, str]]
    is_well: Callable[[], bool]


def stack_services(stack: StackSettings, postgres: PostgresAddress) -> list[Service]:
    """Return the services around PostgreSQL, in the order in which they are started."""
    return [_storage(stack, postgres), _gpu_queue(stack), _api(stack, postgres), _worker(stack)]


def _storage(stack: StackSettings, postgres: PostgresAddress) -> Service:
    environment = {
        "LOCAL_STORAGE_PORT": str(stack.storage_port),
        "LOCAL_STORAGE_DATABASE_URL": postgres.dsn(role="supabase_storage_admin"),
        "LOCAL_STORAGE_DIRECTORY": str(stack.data_directory / "objects"),
        "LOCAL_STORAGE_SECRET_KEY": stack.secrets.storage_secret_key,
        "LOCAL_STORAGE_PUBLISHABLE_KEY": stack.secrets.storage_publishable_key,
        "LOCAL_STORAGE_JWT_SECRET": stack.secrets.jwt_secret,
    }
    return Service(
        name="storage",
        command=(sys.executable, "-m", "local_stack.storage"),
        environment=lambda: _inherited() | environment,
        is_well=lambda: _answers(f"{stack.storage_url}/storage/v1/status"),
    )


def _gpu_queue(stack: StackSettings) -> Service:
    environment = {
        "LOCAL_GPU_QUEUE_PORT": str(stack.gpu_queue_port),
        "LOCAL_GPU_QUEUE_FILE": str(stack.data_directory / "gpu_queue.sqlite"),
        "LOCAL_GPU_QUEUE_KEY": stack.secrets.gpu_queue_key,
    }
    return Service(
        name="gpu_queue",
        command=(sys.executable, "-m", "local_stack.gpu_queue"),
        environment=lambda: _inherited() | environment,
        is_well=lambda: _queue_health(stack) is not None,
    )


def _api(stack: StackSettings, postgres: PostgresAddress) -> Service:
    environment = {
        "TRYON_PUBLIC_URL": stack.api_url,
        "TRYON_OPERATOR_KEY": stack.secrets.operator_key,
        "TRYON_TOKEN_SECRET": stack.secrets.token_secret,
        "TRYON_DATABASE_URL": postgres.dsn(role="tryon_api"),
        "TRYON_SUPABASE_URL": stack.storage_url,
        "TRYON_SUPABASE_SECRET_KEY": stack.secrets.storage_secret_key,
        "TRYON_GPU_QUEUE_URL": f"{stack.gpu_queue_url}/v2",
        "TRYON_GPU_QUEUE_ENDPOINT": GPU_QUEUE_ENDPOINT,
        "TRYON_GPU_QUEUE_KEY": stack.secrets.gpu_queue_key,
    }
    command = (sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app")
    options = ("--no-access-log", "--timeout-graceful-shutdown", "3")
    return Service(
        name="api",
        command=(*command, "--host", stack.host, "--port", str(stack.api_port), *options),
        environment=lambda: _inherited() | environment,
        is_well=lambda: _answers(f"{stack.api_url}/readyz"),
    )


def _worker(stack: StackSettings) -> Service:
    def environment() -> Mapping[str, str]:
        home = stack.data_directory / "worker-home"
        home.mkdir(mode=0o700, exist_ok=True)
        return _inherited() | worker_environment(
            base_url=stack.gpu_queue_url, endpoint=GPU_QUEUE_ENDPOINT, key=stack.secrets.gpu_queue_key, home=home
        )

    def is_well() -> bool:
        health = _queue_health(stack)
        return health is not None and health["workers"]["ready"] > 0

    return Service(
        name="worker",
        command=stack.worker_command,
        environment=environment,
        is_well=is_well,
    )


def _inherited() -> dict[str, str]:
    """Our own environment, less what configures another deployment than this one."""
    foreign = ("TRYON_", "RUNPOD_", "LOCAL_STORAGE_", "LOCAL_GPU_QUEUE_")
    return {
        name: value
        for name, value in os.environ.items()
        # What tunes the worker itself names no other deployment.
        if name.startswith(("TRYON_WORKER_", "TRYON_CACHE_DIR")) or not name.startswith(foreign)
    }


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=HEALTH_TIMEOUT_S).status_code == 200
    except httpx.HTTPError:
        return False


def _queue_health(stack: StackSettings) -> dict[str, dict[str, int]] | None:
    try:
        answer = httpx.get(
            f"{stack.gpu_queue_url}/v2/{GPU_QUEUE_ENDPOINT}/health",
            headers={"authorization": f"Bearer {stack.secrets.gpu_queue_key}"},
            timeout=HEALTH_TIMEOUT_S,
        )
    except httpx.HTTPError:
        return None
    health: dict[str, dict[str, int]] | None = answer.json() if answer.status_code == 200 else None
    return health
