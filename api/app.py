"""Puts the control plane together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from api import health, logs, problems
from api.authentication import ShopperTokens, SupabaseUsers
from api.avatars import routes as avatar_routes
from api.avatars.callbacks import Callbacks
from api.avatars.service import Avatars
from api.background import Wake, repeat
from api.clock import Clock, system_clock
from api.database import Database
from api.dependencies import Services
from api.events import AvatarEvents
from api.gpu_queue import GpuQueue
from api.merchants import routes as merchant_routes
from api.merchants.service import Merchants
from api.metrics import Metrics
from api.object_storage import DownloadUrls, ObjectStorage
from api.privacy import routes as privacy_routes
from api.privacy.service import Privacy
from api.reconciler import JobPolicy, Reconciler
from api.request_log import REQUEST_ID_HEADER, RequestLog
from api.settings import ApiSettings

QUEUE_TIMEOUT_S = 15.0
PROBLEM_SCHEMA = problems.ProblemDocument.model_json_schema()


def create_app() -> FastAPI:
    """The control plane as the environment describes it, for `uvicorn --factory api.app:create_app`.

    Raises `pydantic.ValidationError` when a setting is missing or a secret is a placeholder.
    """
    settings = ApiSettings()
    logs.configure(settings.log_level)
    return build_app(settings)


def build_app(settings: ApiSettings, *, clock: Clock = system_clock) -> FastAPI:
    """The control plane as an ASGI app."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(settings, metrics, clock) as app.state.services:
            yield

    app = FastAPI(
        title="tryon",
        version="1.0.0",
        description="A virtual fitting room: photos in, a measured avatar and the right size out.",
        lifespan=lifespan,
        redoc_url=None,
    )
    for router in (
        merchant_routes.router,
        avatar_routes.router,
        avatar_routes.callback_router,
        privacy_routes.router,
        health.router,
    ):
        app.include_router(router)
    problems.install(app)
    # Tokens travel in a header, never in a cookie, so any page may call; which site a key is for is checked by origin.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Publishable-Key"],
        expose_headers=[REQUEST_ID_HEADER, "Location", "Retry-After"],
        max_age=86_400,
    )
    app.add_middleware(RequestLog, metrics=metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _running(settings: ApiSettings, metrics: Metrics, clock: Clock) -> AsyncIterator[Services]:
    database = Database(settings.database_url.get_secret_value(), max_size=settings.database_pool_max_size)
    events = AvatarEvents((settings.database_listen_url or settings.database_url).get_secret_value(), metrics)
    await database.open()
    async with (
        httpx.AsyncClient(timeout=QUEUE_TIMEOUT_S) as queue_client,
        ObjectStorage.connect(
            url=str(settings.supabase_url), key=settings.supabase_secret_key.get_secret_value(), clock=clock
        ) as storage,
    ):
        queue = GpuQueue(
            queue_client,
            base_url=str(settings.gpu_queue_url),
            endpoint=settings.gpu_queue_endpoint,
            key=settings.gpu_queue_key.get_secret_value(),
        )
        download_urls = DownloadUrls(storage, clock, ttl_s=settings.download_url_ttl_s)
        photo_max_age = timedelta(seconds=settings.photo_max_age_s)
        privacy = Privacy(database, storage, queue, clock, photo_max_age)
        reconciler = Reconciler(
            database=database,
            storage=storage,
            queue=queue,
            privacy=privacy,
            metrics=metrics,
            clock=clock,
            policy=_job_policy(settings),
        )
        wake = Wake()
        tasks = [
            asyncio.create_task(events.listen()),
            asyncio.create_task(
                repeat(reconciler.reconcile_due, wake=wake, interval_s=settings.reconcile_interval_s, metrics=metrics)
            ),
            asyncio.create_task(
                repeat(privacy.finish_due, wake=Wake(), interval_s=settings.reconcile_interval_s, metrics=metrics)
            ),
            asyncio.create_task(
                repeat(privacy.sweep, wake=Wake(), interval_s=settings.sweep_interval_s, metrics=metrics)
            ),
        ]
        tokens = ShopperTokens(
            settings.token_secret.get_secret_value(),
            ttl_s=settings.shopper_token_ttl_s,
            own_origin=_origin(str(settings.public_url)),
            clock=clock,
        )
        try:
            yield Services(
                settings=settings,
                clock=clock,
                metrics=metrics,
                database=database,
                storage=storage,
                queue=queue,
                events=events,
                tokens=tokens,
                supabase_users=SupabaseUsers(str(settings.supabase_url)),
                merchants=Merchants(database, clock, tokens),
                avatars=Avatars(database, storage, events, clock, download_urls, wake),
                callbacks=Callbacks(database, storage, clock, wake),
                privacy=privacy,
            )
        finally:
            events.stop()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await database.close()


def _job_policy(settings: ApiSettings) -> JobPolicy:
    return JobPolicy(
        public_url=str(settings.public_url).rstrip("/"),
        max_attempts=settings.job_max_attempts,
        execution_timeout_s=settings.job_execution_timeout_s,
        ttl_s=settings.job_ttl_s,
        stall_timeout=timedelta(seconds=settings.job_stall_timeout_s),
        interval=timedelta(seconds=settings.reconcile_interval_s),
        max_age=timedelta(seconds=settings.photo_max_age_s),
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = schema["components"]["schemas"]
        schemas["Problem"] = PROBLEM_SCHEMA
        # FastAPI's own shape of a 422 is never answered.
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        app.openapi_schema = schema
    return app.openapi_schema
