"""What one local stack is: its folder, its ports and its secrets, made once and kept between runs."""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

GPU_QUEUE_ENDPOINT = "avatar"


def default_data_directory() -> Path:
    """Where the stack keeps its data unless told otherwise: the user's data folder, as XDG names it."""
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data_home) / "tryon"


@dataclass(frozen=True)
class StackSecrets:
    """Keys that only this stack knows."""

    operator_key: str = field(default_factory=lambda: f"op_{secrets.token_urlsafe(32)}")
    token_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    storage_secret_key: str = field(default_factory=lambda: f"sb_secret_{secrets.token_urlsafe(32)}")
    storage_publishable_key: str = field(default_factory=lambda: f"sb_publishable_{secrets.token_urlsafe(32)}")
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    gpu_queue_key: str = field(default_factory=lambda: f"rpa_{secrets.token_urlsafe(32)}")


@dataclass(frozen=True)
class StackSettings:
    """Everything the supervisor needs to know. The folder is readable by its owner only."""

    data_directory: Path
    host: str
    api_port: int
    storage_port: int
    gpu_queue_port: int
    worker_command: tuple[str, ...]
    secrets: StackSecrets

    @property
    def api_url(self) -> str:
        """Base URL of the control plane."""
        return f"http://{self.host}:{self.api_port}"

    @property
    def storage_url(self) -> str:
        """What a Supabase project's URL is; Storage lies below it at /storage/v1."""
        return f"http://127.0.0.1:{self.storage_port}"

    @property
    def gpu_queue_url(self) -> str:
        """Base URL of the queue; RunPod's paths lie below it at /v2."""
        return f"http://127.0.0.1:{self.gpu_queue_port}"

    @property
    def postgres_directory(self) -> Path:
        """PostgreSQL's own data."""
        return self.data_directory / "postgres" / "data"

    @property
    def log_directory(self) -> Path:
        """One log file a service."""
        return self.data_directory / "logs"


def open_stack(data_directory: Path, *, host: str, api_port: int, worker_command: tuple[str, ...]) -> StackSettings:
    """Return the stack of a folder, made anew when the folder holds none.

    Secrets stay as they are. So do the ports of storage and queue where they are free, because signed URLs name them.
    With `api_port` 0 a free port is chosen.
    """
    data_directory = data_directory.expanduser().resolve()
    data_directory.mkdir(parents=True, exist_ok=True)
    (data_directory / "logs").mkdir(mode=0o700, exist_ok=True)
    file = data_directory / "stack.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    api_port = api_port or _free_port([])
    storage_port = _free_port([int(kept.get("storage_port", 0)), api_port + 1])
    gpu_queue_port = _free_port([int(kept.get("gpu_queue_port", 0)), api_port + 2], besides=storage_port)
    settings = StackSettings(
        data_directory=data_directory,
        host=host,
        api_port=api_port,
        storage_port=storage_port,
        gpu_queue_port=gpu_queue_port,
        worker_command=worker_command,
        secrets=StackSecrets(**kept.get("secrets", {})),
    )
    content = {
        "storage_port": storage_port,
        "gpu_queue_port": gpu_queue_port,
        "secrets": asdict(settings.secrets),
    }
    _write_private(file, json.dumps(content, indent=2))
    return settings


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError:
            return False
        return True


def _free_port(preferred: list[int], *, besides: int = 0) -> int:
    for port in preferred:
        if 0 < port <= 65535 and port != besides and port_is_free(port):
            return port
    while True:
        with socket.socket() as candidate:
            candidate.bind(("127.0.0.1", 0))
            port = int(candidate.getsockname()[1])
        if port != besides:
            return port


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    incoming = file.with_suffix(".new")
    incoming.unlink(missing_ok=True)
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    incoming.rename(file)
