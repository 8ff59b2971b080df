"""The control plane over the real PostgreSQL, storage server and queue of the local stack, anew for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.gpu_queue.app import create_gpu_queue_app
from local_stack.gpu_queue.queue import Patience
from local_stack.storage.app import create_storage_app
from tests.api.control_plane import QUEUE_KEY, STORAGE_KEYS, ControlPlane, running_control_plane
from tests.serving import served


@pytest.fixture
def storage_url(storage_dsn: str, tmp_path: Path) -> Iterator[str]:
    """The storage server."""
    with served(create_storage_app(dsn=storage_dsn, directory=tmp_path / "objects", keys=STORAGE_KEYS)) as url:
        yield url


@pytest.fixture
def patience() -> Patience:
    """A queue that never gives a worker up: who plays one by hand sends no pings."""
    return Patience(silent_worker_s=3600, unlisted_job_s=3600)


@pytest.fixture
def queue_url(tmp_path: Path, patience: Patience) -> Iterator[str]:
    """The queue."""
    app = create_gpu_queue_app(file=tmp_path / "queue.sqlite", key=QUEUE_KEY, patience=patience)
    with served(app) as url:
        yield url


@pytest.fixture
def control_plane(storage_url: str, queue_url: str, api_dsn: str, owner_dsn: str) -> Iterator[ControlPlane]:
    """The API."""
    with running_control_plane(
        storage_url=storage_url, queue_url=queue_url, api_dsn=api_dsn, owner_dsn=owner_dsn
    ) as running:
        yield running
