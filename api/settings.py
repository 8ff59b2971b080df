"""The control plane's configuration, read once from the environment when the process starts."""

from typing import Annotated

from pydantic import AfterValidator, Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDER_WORDS = ("change-me", "changeme", "placeholder", "your-")


def _real_secret(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < 32:
        raise ValueError("must be at least 32 characters; `openssl rand -base64 32` makes a good one")
    if any(word in value.lower() for word in PLACEHOLDER_WORDS):
        raise ValueError("is still the placeholder; `openssl rand -base64 32` makes a real one")
    return secret


OwnSecret = Annotated[SecretStr, AfterValidator(_real_secret)]


class ApiSettings(BaseSettings):
    """Every variable is `TRYON_` and the field's name in capitals. What has no default must be set."""

    model_config = SettingsConfigDict(env_prefix="TRYON_", frozen=True, extra="ignore")

    public_url: HttpUrl = Field(description="Base URL under which browsers and RunPod reach this API.")
    operator_key: OwnSecret = Field(description="Admin key of whoever runs the installation; creates brands.")
    token_secret: OwnSecret = Field(description="Signs shopper tokens. Changing it ends every shopper's session.")

    database_url: SecretStr = Field(description="PostgreSQL as the API's own role; a transaction pooler is fine.")
    database_listen_url: SecretStr | None = Field(
        default=None, description="Session-mode PostgreSQL for LISTEN; the database URL when unset."
    )
    database_pool_max_size: int = Field(default=10, ge=2, description="Most connections one process holds.")

    supabase_url: HttpUrl = Field(description="Project URL; Storage is at /storage/v1, Auth at /auth/v1 below it.")
    supabase_secret_key: SecretStr = Field(description="Secret key (sb_secret_…) with which Storage is used.")

    gpu_queue_url: HttpUrl = Field(
        default=HttpUrl("https://api.runpod.ai/v2"), description="Base URL of RunPod's serverless API."
    )
    gpu_queue_endpoint: str = Field(min_length=1, description="Id of the RunPod endpoint that runs the worker.")
    gpu_queue_key: SecretStr = Field(description="RunPod API key, restricted to that endpoint.")

    shopper_token_ttl_s: int = Field(default=3600, ge=60, le=86_400, description="Life of a shopper token.")
    download_url_ttl_s: int = Field(default=300, ge=30, le=3600, description="Life of a signed URL given to a shopper.")
    job_execution_timeout_s: int = Field(default=600, ge=30, description="RunPod ends a run that takes longer.")
    job_ttl_s: int = Field(default=3600, ge=60, le=7000, description="RunPod drops a job that waits and runs longer.")
    job_stall_timeout_s: int = Field(default=60, ge=5, description="A run that is silent for this long is given up.")
    job_max_attempts: int = Field(default=3, ge=1, le=3, description="Runs of a job before its avatar fails.")
    reconcile_interval_s: float = Field(
        default=2.0, gt=0, le=300, description="Pause between looks at a job in flight."
    )
    sweep_interval_s: float = Field(default=60.0, gt=0, description="Pause between sweeps for forgotten photos.")
    photo_max_age_s: int = Field(default=86_400, ge=3600, le=86_400, description="A photo older than this is swept.")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")
