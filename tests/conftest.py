"""What tests of several folders share: the body model and the pipeline, loaded once a process."""

import os
from pathlib import Path

import pytest

from gpu_worker.body.anny_cache import load_tables
from gpu_worker.body.anny_model import AnnyModel
from gpu_worker.pipeline import AvatarPipeline

pytest_plugins = ["tests.database"]

# Tests that load something heavy run in one process each, so that it is loaded (or built) once.
_GROUP_OF_FIXTURE = {"pipeline": "pipeline", "torch_anny": "torch_anny", "body_model": "torch_anny"}


# Where Anny itself keeps what it builds, 1.7 GB: in the checkout, so that `make clean` removes it.
os.environ.setdefault("ANNY_CACHE_DIR", str(Path(__file__).resolve().parent.parent / "build" / "anny"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build the body model's tables, where this machine has none, before any worker process starts."""
    if not hasattr(session.config, "workerinput"):
        load_tables()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, group in _GROUP_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def anny() -> AnnyModel:
    return AnnyModel(load_tables())


@pytest.fixture(scope="session")
def pipeline() -> AvatarPipeline:
    return AvatarPipeline.load()
