"""What tells an operator whether the process lives and can serve."""

import psycopg
import pytest

from tests.api.control_plane import ControlPlane, running_control_plane

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

NOBODY = "http://127.0.0.1:9"


def test_a_whole_system_is_ready(control_plane: ControlPlane) -> None:
    assert control_plane.api.get("/healthz").json() == {"status": "ok"}
    answer = control_plane.api.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"database": "ok", "storage": "ok", "queue": "ok"}


def test_what_is_away_is_named(api_dsn: str, owner_dsn: str) -> None:
    with running_control_plane(storage_url=NOBODY, queue_url=NOBODY, api_dsn=api_dsn, owner_dsn=owner_dsn) as running:
        answer = running.api.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"database": "ok", "storage": "unavailable", "queue": "unavailable"}
        assert running.api.get("/healthz").status_code == 200


def test_services_that_nobody_set_up_are_named(storage_url: str, queue_url: str, api_dsn: str, owner_dsn: str) -> None:
    with psycopg.connect(owner_dsn) as connection:
        connection.execute("update storage.buckets set id = 'other', name = 'other' where id = 'avatars'")
        connection.execute("alter function private.act_as rename to act_otherwise")
    with running_control_plane(
        storage_url=storage_url, queue_url=queue_url, api_dsn=api_dsn, owner_dsn=owner_dsn
    ) as running:
        answer = running.api.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"database": "unavailable", "storage": "unavailable", "queue": "ok"}


def test_a_database_that_is_away_is_a_problem_of_ours(storage_url: str, queue_url: str, owner_dsn: str) -> None:
    away = "postgresql://nobody@127.0.0.1:9/none?connect_timeout=1"
    with running_control_plane(
        storage_url=storage_url, queue_url=queue_url, api_dsn=away, owner_dsn=owner_dsn
    ) as running:
        assert running.api.get("/readyz").json()["database"] == "unavailable"
        answer = running.api.get("/v1/brands", headers=running.operator)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:tryon:problem:service-unavailable")
        assert answer.headers["retry-after"]


def test_figures_count_by_route_and_name_no_id(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar()
    shopper.get(avatar)
    text = control_plane.api.get("/metrics").text
    assert 'tryon_http_requests_total{method="GET",route="/v1/avatars/{avatar_id}",status="200"} 1.0' in text
    assert avatar["id"] not in text
