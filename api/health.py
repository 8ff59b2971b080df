"""Whether the process lives, whether it can serve, and its figures."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

import psycopg
from fastapi import APIRouter, Response

from api.database import SYSTEM
from api.dependencies import Services, ServicesDependency
from api.gpu_queue import QueueUnavailable
from api.object_storage import StorageUnavailable
from api.schemas import AnswerModel

router = APIRouter(tags=["operations"])

CHECK_TIMEOUT_S = 5.0
Answering = Literal["ok", "unavailable"]


class Health(AnswerModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(AnswerModel):
    """Which of the services we depend on answer."""

    database: Answering
    storage: Answering
    queue: Answering


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Health:
    """Asks nobody else."""
    return Health()


@router.get(
    "/readyz",
    summary="Can requests be served?",
    responses={503: {"description": "At least one service does not answer.", "model": Readiness}},
)
async def readyz(app: ServicesDependency, response: Response) -> Readiness:
    """Asks the database, storage and the GPU queue."""
    database, storage, queue = await asyncio.gather(
        _answers(_check_database(app)), _answers(app.storage.check()), _answers(app.queue.health())
    )
    readiness = Readiness(database=database, storage=storage, queue=queue)
    if "unavailable" in (database, storage, queue):
        response.status_code = 503
    return readiness


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response, include_in_schema=False)
async def metrics(app: ServicesDependency) -> Response:
    """In Prometheus' text format; holds no ids."""
    return Response(app.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _check_database(app: Services) -> None:
    async with app.database.transaction(SYSTEM):
        pass


async def _answers(check: Awaitable[None]) -> Answering:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check
    # Any fault of the database: one that answers and was never migrated cannot serve either.
    except (TimeoutError, psycopg.Error, StorageUnavailable, QueueUnavailable):
        return "unavailable"
    return "ok"
