"""The control plane over real sockets for tests, with a clock that can be moved and a worker played by hand."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import psycopg
from psycopg.rows import dict_row
from pydantic import HttpUrl, SecretStr

from api.app import build_app
from api.settings import ApiSettings
from local_stack.storage.tokens import Keys
from tests.serving import free_port, served
from tests.waiting import eventually

OPERATOR_KEY = "op_" + "o" * 40
TOKEN_SECRET = "t" * 48
STORAGE_KEYS = Keys(secret_key="sb_secret_test", publishable_key="sb_publishable_test", jwt_secret="j" * 40)
QUEUE_KEY = "rpa_test_key"
ENDPOINT = "avatar"
SHOP = "https://shop.example"

WITH_PHOTO: dict[str, Any] = {
    "height_cm": 168,
    "weight_kg": 64,
    "sex": "female",
    "age_years": 31,
    "photos": ["front"],
    "consent": {"text_version": "2026-11", "purposes": ["avatar", "size_recommendation"]},
}
WITHOUT_PHOTO: dict[str, Any] = {**WITH_PHOTO, "photos": []}


class MovableClock:
    """The machine's time plus what a test adds to it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, **amount: float) -> None:
        self._ahead += timedelta(**amount)


@dataclass
class Brand:
    """A brand just created."""

    id: str
    publishable_key: str
    secret_key: str


class Shopper:
    """A shopper's browser."""

    def __init__(self, api: httpx.Client, token: str) -> None:
        self.token = token
        self.api = api

    def create_avatar(self, request: dict[str, Any] = WITHOUT_PHOTO, **headers: str) -> dict[str, Any]:
        answer = self.api.post("/v1/avatars", json=request, headers=headers)
        assert answer.status_code == 201, answer.text
        return cast(dict[str, Any], answer.json())

    def upload(self, avatar: dict[str, Any], view: str, content: bytes) -> httpx.Response:
        target = avatar["uploads"][view]
        return httpx.request(target["method"], target["url"], headers=target["headers"], content=content)

    def start(self, avatar: dict[str, Any]) -> dict[str, Any]:
        answer = self.api.post(f"/v1/avatars/{avatar['id']}/start")
        assert answer.status_code == 202, answer.text
        return cast(dict[str, Any], answer.json())

    def get(self, avatar: dict[str, Any]) -> dict[str, Any]:
        return cast(dict[str, Any], self.api.get(f"/v1/avatars/{avatar['id']}").raise_for_status().json())

    def until(self, avatar: dict[str, Any], status: str) -> dict[str, Any]:
        """The avatar once it has this status."""

        def reached() -> dict[str, Any] | None:
            shown = self.get(avatar)
            return shown if shown["status"] == status else None

        return eventually(reached)

    def started(self, request: dict[str, Any] = WITHOUT_PHOTO, photo: bytes = b"") -> dict[str, Any]:
        """An avatar whose photos are uploaded and whose job is under way."""
        avatar = self.create_avatar(request)
        for view in avatar["uploads"]:
            assert self.upload(avatar, view, photo).status_code == 200
        self.start(avatar)
        return avatar

    def events(self, avatar: dict[str, Any], *, last_event_id: int = 0) -> list[dict[str, Any]]:
        """Every event until the stream ends, with the `id` each came with as `revision`."""
        found, revision = [], 0
        headers = {"Last-Event-ID": str(last_event_id)}
        with self.api.stream("GET", f"/v1/avatars/{avatar['id']}/events", headers=headers) as stream:
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    revision = int(value)
                elif name == "data":
                    found.append({**json.loads(value), "revision": revision})
        return found


@dataclass
class HandWorker:
    """Does by hand what the SDK's loop does, so that a test decides what becomes of each job."""

    queue: httpx.Client
    name: str = "by-hand"

    def take(self) -> tuple[str, dict[str, Any]]:
        """RunPod's id and the input of the next job; waits for one."""

        def taken() -> dict[str, Any] | None:
            answer = self.queue.get(f"/job-take/{self.name}", timeout=60)
            return cast(dict[str, Any], answer.json()) if answer.status_code == 200 else None

        job = eventually(taken)
        return job["id"], job["input"]

    def finish(self, run_id: str, answer: dict[str, Any]) -> None:
        self.queue.post(f"/job-done/{self.name}/{run_id}", content=json.dumps(answer)).raise_for_status()

    def ready(self, run_id: str, job: dict[str, Any]) -> None:
        """Store every file and answer as the worker does."""
        result = {
            "outcome": "ready",
            "contract_version": 1,
            "job_id": job["job_id"],
            "files": ["avatar.glb", "measurements.json", "body.npz", "preview.png", "result.json"],
            "measurements": {"waist_girth_cm": {"value": 77.8, "error_p90": 2.0}},
            "warnings": ["loose_clothes"],
        }
        self.store(job, result)
        self.finish(run_id, {"output": result})

    def store(self, job: dict[str, Any], result: dict[str, Any]) -> None:
        types = {"glb": "model/gltf-binary", "json": "application/json", "npz": "application/octet-stream"}
        for name, upload in job["uploads"].items():
            content = json.dumps(result).encode() if name == "result.json" else b"content of " + name.encode()
            headers = {**upload["headers"], "Content-Type": types.get(name.partition(".")[2], "image/png")}
            assert httpx.put(upload["url"], content=content, headers=headers).status_code == 200

    def report(self, run_id: str, job: dict[str, Any], **changes: Any) -> httpx.Response:
        report = {
            "attempt": job["attempt"],
            "queue_job_id": run_id,
            "sequence": 1,
            "stage": "fit_body",
            "percent": 40,
            **changes,
        }
        return httpx.post(job["progress"]["url"], json=report)


@dataclass
class ControlPlane:
    """The API with a real database, storage and queue."""

    url: str
    storage_url: str
    queue_url: str
    owner_dsn: str
    clock: MovableClock
    api: httpx.Client
    clients: ExitStack

    @property
    def operator(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {OPERATOR_KEY}"}

    def create_brand(self, **changes: Any) -> Brand:
        request = {"name": "Example Knitwear", "shopify_shop_domain": None, "allowed_origins": [SHOP], **changes}
        answer = self.api.post("/v1/brands", json=request, headers=self.operator)
        assert answer.status_code == 201, answer.text
        return Brand(**{name: answer.json()[name] for name in ("id", "publishable_key", "secret_key")})

    def shopper(self, brand: Brand | None = None) -> Shopper:
        """A new shopper in a brand's shop (a new brand's unless given)."""
        brand = brand or self.create_brand()
        headers = {"Authorization": f"Bearer {brand.publishable_key}", "Origin": SHOP}
        answer = self.api.post("/v1/shopper-tokens", headers=headers)
        assert answer.status_code == 201, answer.text
        return self.shopper_with(answer.json()["token"])

    def shopper_with(self, token: str) -> Shopper:
        """The shopper who holds this token."""
        return Shopper(self._client(self.url, token), token)

    def worker(self) -> HandWorker:
        """A worker of the queue."""
        return HandWorker(self._client(f"{self.queue_url}/v2/{ENDPOINT}", QUEUE_KEY))

    def _client(self, url: str, bearer: str) -> httpx.Client:
        return self.clients.enter_context(
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
        )

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """What the database holds, seen by its owner."""
        with psycopg.connect(self.owner_dsn, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def objects(self, bucket: str) -> list[str]:
        """The keys in a bucket."""
        rows = self.rows("select name from storage.objects where bucket_id = %s order by name", bucket)
        return [row["name"] for row in rows]


def api_settings(*, url: str, storage_url: str, queue_url: str, dsn: str, **changes: Any) -> ApiSettings:
    """Settings of an API that looks at its jobs often."""
    return ApiSettings(
        **{
            "public_url": HttpUrl(url),
            "operator_key": SecretStr(OPERATOR_KEY),
            "token_secret": SecretStr(TOKEN_SECRET),
            "database_url": SecretStr(dsn),
            "database_pool_max_size": 4,
            "supabase_url": HttpUrl(storage_url),
            "supabase_secret_key": SecretStr(STORAGE_KEYS.secret_key),
            "gpu_queue_url": HttpUrl(f"{queue_url}/v2"),
            "gpu_queue_endpoint": ENDPOINT,
            "gpu_queue_key": SecretStr(QUEUE_KEY),
            "reconcile_interval_s": 0.1,
            "sweep_interval_s": 0.2,
            **changes,
        }
    )


@contextmanager
def running_control_plane(
    *, storage_url: str, queue_url: str, api_dsn: str, owner_dsn: str, **changes: Any
) -> Iterator[ControlPlane]:
    """The API, served; `changes` are settings."""
    port, clock = free_port(), MovableClock()
    url = f"http://127.0.0.1:{port}"
    settings = api_settings(url=url, storage_url=storage_url, queue_url=queue_url, dsn=api_dsn, **changes)
    with (
        served(build_app(settings, clock=clock), port=port),
        ExitStack() as clients,
        httpx.Client(base_url=url, timeout=30) as api,
    ):
        yield ControlPlane(url, storage_url, queue_url, owner_dsn, clock, api, clients)
