"""Serves the local object storage: `python -m local_stack.storage`."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette

from local_stack.serving import serve
from local_stack.storage.app import create_storage_app
from local_stack.storage.tokens import Keys


class StorageSettings(BaseSettings):
    """The local storage server's configuration, from variables that begin with LOCAL_STORAGE_."""

    model_config = SettingsConfigDict(env_prefix="LOCAL_STORAGE_")

    port: int
    database_url: str
    directory: Path
    secret_key: SecretStr
    publishable_key: SecretStr
    jwt_secret: SecretStr


def create_app(settings: StorageSettings) -> Starlette:
    """Return the application that the settings describe."""
    keys = Keys(
        secret_key=settings.secret_key.get_secret_value(),
        publishable_key=settings.publishable_key.get_secret_value(),
        jwt_secret=settings.jwt_secret.get_secret_value(),
    )
    return create_storage_app(dsn=settings.database_url, directory=settings.directory, keys=keys)


if __name__ == "__main__":
    settings = StorageSettings()
    serve(create_app(settings), port=settings.port)
