"""Logs: one line a request, an id through all of them, and no secret in any."""

import json
import logging

import pytest

from api.logs import JsonFormatter, redact
from tests.api.control_plane import OPERATOR_KEY, QUEUE_KEY, STORAGE_KEYS, WITH_PHOTO, ControlPlane

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    formatter = JsonFormatter()
    return [json.loads(formatter.format(record)) for record in caplog.records if record.name.startswith("api")]


def test_a_whole_job_leaves_no_secret_in_the_log(control_plane: ControlPlane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="api")
    brand = control_plane.create_brand()
    shopper, worker = control_plane.shopper(brand), control_plane.worker()
    avatar = shopper.started(WITH_PHOTO, b"jpeg")
    run_id, job = worker.take()
    worker.report(run_id, job)
    worker.finish(run_id, {"error": "lost"})
    run_id, job = worker.take()
    worker.ready(run_id, job)
    shown = shopper.until(avatar, "ready")
    logged = json.dumps(lines(caplog))
    assert "/v1/avatars/{avatar_id}/start" in logged
    job_token = job["progress"]["url"].split("/")[-2]
    upload_token = job["uploads"]["avatar.glb"]["url"].partition("token=")[2]
    secrets = [brand.secret_key, brand.publishable_key, shopper.token, job_token, upload_token, shown["glb_url"]]
    for secret in (*secrets, OPERATOR_KEY, QUEUE_KEY, STORAGE_KEYS.secret_key):
        assert secret not in logged


def test_a_request_keeps_the_id_it_came_with(control_plane: ControlPlane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="api")
    answer = control_plane.api.get("/v1/avatars", headers={"X-Request-Id": "trace-12345678"})
    assert answer.headers["x-request-id"] == "trace-12345678"
    hostile = control_plane.api.get("/healthz", headers={"X-Request-Id": 'x" injected'})
    assert hostile.headers["x-request-id"] != 'x" injected'
    assert len(hostile.headers["x-request-id"]) == 32


def test_a_large_body_is_refused(control_plane: ControlPlane) -> None:
    answer = control_plane.api.post("/v1/brands", content=b"x" * (1024 * 1024 + 1), headers=control_plane.operator)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:tryon:problem:request-too-large")


def test_the_frameworks_own_refusals_are_problems_too(control_plane: ControlPlane) -> None:
    nowhere = control_plane.api.get("/v1/nowhere")
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "urn:tryon:problem:not-found")
    wrong = control_plane.api.put("/v1/brands")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:tryon:problem:method-not-allowed")


def test_any_page_may_call_but_no_cookie_counts(control_plane: ControlPlane) -> None:
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    answer = control_plane.api.options("/v1/avatars", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "secret",
    [
        "https://x.supabase.co/object/sign/a?token=abc.def",
        "pk_0123456789abcdef0123",
        "sk_0123456789abcdef0123",
        "sb_secret_0123456789",
        "eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl",
        "/v1/callbacks/runpod/Zm9v-bar_baz",
    ],
)
def test_what_looks_like_a_secret_is_redacted(secret: str) -> None:
    redacted = redact(f'{{"message": "{secret}"}}')
    assert "[redacted]" in redacted
    assert secret.split("=")[-1].split("/")[-1] not in redacted
    assert json.loads(redacted)
