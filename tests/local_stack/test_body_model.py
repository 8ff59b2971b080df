"""Preparing the body model before the worker is waited for."""

from pathlib import Path

import pytest

from gpu_worker.body.anny_cache import ANNY_VERSION, FORMAT_VERSION, load_tables, tables_are_ready
from local_stack.body_model import DEFAULT_WORKER, prepare_body_model


def test_nothing_is_built_or_said_where_the_tables_are_there() -> None:
    load_tables()
    said: list[str] = []
    prepare_body_model(DEFAULT_WORKER, announce=said.append)
    assert said == []


def test_another_worker_sees_to_its_own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYON_CACHE_DIR", str(tmp_path))
    said: list[str] = []
    prepare_body_model(("another", "worker"), announce=said.append)
    assert said == []
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_tables_or_with_damaged_ones_is_not_ready(tmp_path: Path) -> None:
    assert not tables_are_ready(tmp_path)
    (tmp_path / f"anny-{ANNY_VERSION}-{FORMAT_VERSION}.npz").write_bytes(b"PK\x03\x04 cut short")
    assert not tables_are_ready(tmp_path)
