"""Serves the local GPU queue: `python -m local_stack.gpu_queue`."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from local_stack.gpu_queue.app import create_gpu_queue_app
from local_stack.serving import serve


class GpuQueueSettings(BaseSettings):
    """The local queue's configuration, from variables that begin with LOCAL_GPU_QUEUE_."""

    model_config = SettingsConfigDict(env_prefix="LOCAL_GPU_QUEUE_")

    port: int
    file: Path
    key: SecretStr


if __name__ == "__main__":
    settings = GpuQueueSettings()
    serve(create_gpu_queue_app(file=settings.file, key=settings.key.get_secret_value()), port=settings.port)
