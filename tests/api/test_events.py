"""The event stream: every change seen, from any replica, and resumed where it broke off."""

import threading
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from tests.api.control_plane import ControlPlane, Shopper, running_control_plane
from tests.waiting import eventually

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class Watching:
    """A stream read in a thread until it ends."""

    def __init__(self, shopper: Shopper, avatar: dict[str, Any]) -> None:
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=lambda: self.events.extend(shopper.events(avatar)))
        self._thread.start()

    def ended(self) -> list[dict[str, Any]]:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the stream did not end"
        return self.events


def finish(control_plane: ControlPlane, shopper: Shopper, avatar: dict[str, Any]) -> None:
    worker = control_plane.worker()
    shopper.start(avatar)
    run_id, job = worker.take()
    worker.report(run_id, job, sequence=1, stage="find_person", percent=9)
    worker.report(run_id, job, sequence=2, stage="fit_body", percent=32)
    worker.ready(run_id, job)


def test_a_watcher_sees_the_job_go_by_until_the_end(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar()
    watching = Watching(shopper, avatar)
    finish(control_plane, shopper, avatar)
    events = watching.ended()
    assert [event["status"] for event in events][-1] == "ready"
    percents = [event["progress"]["percent"] for event in events]
    assert percents == sorted(percents)
    revisions = [event["revision"] for event in events]
    assert revisions == sorted(set(revisions))
    assert "token=" not in str(events)


def test_any_replica_serves_any_watcher(storage_url: str, queue_url: str, api_dsn: str, owner_dsn: str) -> None:
    addresses = {"storage_url": storage_url, "queue_url": queue_url, "api_dsn": api_dsn, "owner_dsn": owner_dsn}
    with running_control_plane(**addresses) as one, running_control_plane(**addresses) as other:
        shopper = one.shopper()
        avatar = shopper.create_avatar()
        watching = Watching(other.shopper_with(shopper.token), avatar)
        finish(one, shopper, avatar)
        assert watching.ended()[-1]["status"] == "ready"


def test_a_stream_is_resumed_after_the_last_event_seen(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar()
    finish(control_plane, shopper, avatar)
    shopper.until(avatar, "ready")
    (final,) = shopper.events(avatar)
    assert final["status"] == "ready"
    assert shopper.events(avatar, last_event_id=final["revision"] - 1) == [final]
    headers = {"Last-Event-ID": str(final["revision"])}
    assert shopper.api.get(f"/v1/avatars/{avatar['id']}/events", headers=headers).status_code == 204


def test_a_watcher_survives_the_loss_of_the_listening_connection(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar()
    watching = Watching(shopper, avatar)
    with psycopg.connect(control_plane.owner_dsn, autocommit=True) as connection:
        ended = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %'"
        ).fetchall()
    assert ended == [(True,)]
    finish(control_plane, shopper, avatar)
    assert watching.ended()[-1]["status"] == "ready"


def test_a_watcher_survives_a_listener_that_cannot_connect(
    storage_url: str, queue_url: str, api_dsn: str, owner_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.avatars.service.HEARTBEAT_S", 0.2)
    nowhere = SecretStr("postgresql://nobody@127.0.0.1:9/none?connect_timeout=1")
    with running_control_plane(
        storage_url=storage_url,
        queue_url=queue_url,
        api_dsn=api_dsn,
        owner_dsn=owner_dsn,
        database_listen_url=nowhere,
    ) as control_plane:
        shopper = control_plane.shopper()
        avatar = shopper.create_avatar()
        watching = Watching(shopper, avatar)
        finish(control_plane, shopper, avatar)
        assert watching.ended()[-1]["status"] == "ready"


def test_a_notification_that_cannot_be_read_does_not_end_the_listening(control_plane: ControlPlane) -> None:
    def listeners() -> set[int]:
        rows = control_plane.rows("select pid from pg_stat_activity where query ilike 'listen %%'")
        return {row["pid"] for row in rows}

    before = eventually(listeners)
    control_plane.rows("select pg_notify('avatar_changed', 'rubbish')::text as sent")
    eventually(lambda: listeners() - before)


def test_a_deleted_avatars_stream_ends(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar()
    watching = Watching(shopper, avatar)
    assert shopper.api.delete(f"/v1/avatars/{avatar['id']}").status_code == 204
    watching.ended()
