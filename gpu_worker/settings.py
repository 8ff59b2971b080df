"""The worker's configuration, read once from the environment when the process starts."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """Every variable is `TRYON_WORKER_` and the field's name in capitals. RunPod sets its own `RUNPOD_…` besides."""

    model_config = SettingsConfigDict(env_prefix="TRYON_WORKER_", frozen=True, extra="ignore")

    heartbeat_interval_s: float = Field(
        default=10.0, gt=0, le=30, description="Longest silence between two progress reports of a running job."
    )
    request_timeout_s: float = Field(default=30.0, gt=0, description="Longest wait for storage or the API.")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")
