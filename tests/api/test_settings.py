"""Configuration: nothing weak is accepted, and everything there is to set is in .env.example and in the manual."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from gpu_worker.settings import WorkerSettings
from tests.api.control_plane import api_settings

ROOT = Path(__file__).parents[2]
CLASSES: tuple[type[BaseSettings], ...] = (ApiSettings, WorkerSettings)


def variables() -> dict[str, str | None]:
    """Every environment variable and its default; None for one that must be set, "" for one that may be left out."""
    found: dict[str, str | None] = {}
    for settings in CLASSES:
        for name, field in settings.model_fields.items():
            default = field.default
            text = None if default is PydanticUndefined else "" if default is None else str(default)
            found[f"{settings.model_config.get('env_prefix', '')}{name}".upper()] = text
    return found


def test_the_example_holds_every_variable_with_its_default() -> None:
    shown: dict[str, str | None] = {}
    for line in (ROOT / ".env.example").read_text().splitlines():
        if match := re.fullmatch(r"(# )?([A-Z_]+)=(.*)", line):
            optional, name, value = match.groups()
            shown[name] = value if optional else None
    assert shown == variables()


def test_the_manual_lists_every_variable_with_its_default() -> None:
    manual = (ROOT / "docs" / "deploy.md").read_text()
    listed = dict(re.findall(r"^\| `(TRYON_[A-Z_]+)` \| ([^|]*?) \|", manual, re.MULTILINE))
    expected = {
        name: "**required**" if default is None else f"`{default}`" if default else "none"
        for name, default in variables().items()
    }
    assert listed == expected


@pytest.mark.parametrize("secret", ["", "short", "change-me-change-me-change-me-change-me"])
@pytest.mark.parametrize("name", ["operator_key", "token_secret"])
def test_a_weak_or_placeholder_secret_is_refused(name: str, secret: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        api_settings(
            url="http://a", storage_url="http://b", queue_url="http://c", dsn="postgresql:///", **{name: secret}
        )
    assert name in str(refusal.value)


def test_secrets_do_not_show() -> None:
    settings = api_settings(
        url="http://a", storage_url="http://b", queue_url="http://c", dsn="postgresql://u:hunter2@/"
    )
    for secret in ("hunter2", "t" * 48, "rpa_test_key", "sb_secret_test"):
        assert secret not in repr(settings)
        assert secret not in settings.model_dump_json()
