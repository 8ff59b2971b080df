"""Deleting and exporting what is held of a shopper."""

import io
import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_stack.storage.app import create_storage_app
from tests.api.control_plane import STORAGE_KEYS, WITH_PHOTO, ControlPlane, Shopper, running_control_plane
from tests.serving import free_port, served
from tests.waiting import eventually

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

JPEG = b"\xff\xd8\xff\xe0 a photo"


def everything_held(control_plane: ControlPlane) -> str:
    """Every row of every table of ours and every object's key, as text."""
    tables = control_plane.rows("select tablename from pg_tables where schemaname = 'public'")
    rows = [control_plane.rows(f"select to_jsonb(t)::text from public.{table['tablename']} t") for table in tables]
    return str(rows) + str([control_plane.objects(bucket) for bucket in ("photos", "avatars")])


def finished(control_plane: ControlPlane, shopper: Shopper) -> dict[str, Any]:
    avatar = shopper.started(WITH_PHOTO, JPEG)
    worker = control_plane.worker()
    worker.ready(*worker.take())
    return shopper.until(avatar, "ready")


def test_a_deleted_avatar_leaves_nothing_but_a_tombstone(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = finished(control_plane, shopper)
    assert shopper.api.delete(f"/v1/avatars/{avatar['id']}").status_code == 204
    assert avatar["id"] not in everything_held(control_plane)
    tombstones = control_plane.rows(
        "select subject, completed_at, objects_left from deletions where subject = 'avatar'"
    )
    assert [(each["completed_at"] is not None, each["objects_left"]) for each in tombstones] == [(True, [])]
    assert control_plane.rows("select withdrawn_at is not null as withdrawn from consents") == [{"withdrawn": True}]
    assert shopper.api.delete(f"/v1/avatars/{avatar['id']}").status_code == 404


def test_deleting_an_avatar_stops_its_job(control_plane: ControlPlane) -> None:
    shopper, worker = control_plane.shopper(), control_plane.worker()
    avatar = shopper.started(WITH_PHOTO, JPEG)
    run_id, job = worker.take()
    eventually(lambda: control_plane.rows("select from avatar_jobs where state = 'dispatched'"))
    assert shopper.api.delete(f"/v1/avatars/{avatar['id']}").status_code == 204
    assert worker.queue.get(f"/status/{run_id}").json()["status"] == "CANCELLED"
    assert worker.report(run_id, job).status_code == 404
    # What it wrote before it heard goes too.
    worker.store(job, {"job_id": job["job_id"]})
    control_plane.clock.advance(seconds=61)
    eventually(lambda: avatar["id"] not in everything_held(control_plane))


def test_a_deleted_shopper_leaves_nothing_but_tombstones(control_plane: ControlPlane) -> None:
    brand = control_plane.create_brand()
    shopper, other = control_plane.shopper(brand), control_plane.shopper(brand)
    avatars = [finished(control_plane, shopper), shopper.create_avatar(WITH_PHOTO, **{"Idempotency-Key": "k"})]
    kept = other.create_avatar()
    (user,) = control_plane.rows("select user_id::text from avatars where id = %s", avatars[0]["id"])
    assert shopper.api.delete("/v1/shoppers/me").status_code == 204
    held = everything_held(control_plane)
    for identifier in (user["user_id"], *(avatar["id"] for avatar in avatars)):
        assert identifier not in held
    assert other.get(kept)["id"] == kept["id"]
    assert shopper.api.get("/v1/avatars").json()["items"] == []
    assert shopper.api.delete("/v1/shoppers/me").status_code == 404


def test_an_export_holds_every_row_and_every_object(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = finished(control_plane, shopper)
    waiting = shopper.create_avatar(WITH_PHOTO)
    shopper.upload(waiting, "front", JPEG)
    for path, ids in (
        (f"/v1/avatars/{avatar['id']}", [avatar["id"]]),
        ("/v1/shoppers/me", [avatar["id"], waiting["id"]]),
    ):
        answer = shopper.api.get(f"{path}/export")
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
            assert bundle.testzip() is None
            rows = json.loads(bundle.read("avatars.json"))
            assert [row["id"] for row in rows] == ids
            assert rows[0]["measurements"]["waist_girth_cm"]["value"] == 77.8
            assert len(json.loads(bundle.read("consents.json"))) == len(ids)
            assert bundle.read(f"avatars/{avatar['id']}/avatar.glb") == b"content of avatar.glb"
            assert (f"photos/{waiting['id']}/front" in bundle.namelist()) == (waiting["id"] in ids)
            text = b"".join(bundle.read(name) for name in bundle.namelist()).decode(errors="replace")
        assert "token" not in text


def test_photos_that_nobody_started_are_swept_after_a_day(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar(WITH_PHOTO)
    shopper.upload(avatar, "front", JPEG)
    control_plane.clock.advance(hours=23)
    assert control_plane.objects("photos") == [f"{avatar['id']}/front"]
    control_plane.clock.advance(hours=2)
    eventually(lambda: not control_plane.objects("photos"))
    eventually(lambda: not control_plane.rows("select from avatars"))
    swept = control_plane.rows("select subject, requested_by from deletions")
    assert {"subject": "avatar", "requested_by": "retention"} in swept


def test_what_is_not_ours_in_the_photos_bucket_does_not_end_the_sweep(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar(WITH_PHOTO)
    headers = {"Authorization": f"Bearer {STORAGE_KEYS.secret_key}", "Content-Type": "image/png"}
    url = f"{control_plane.storage_url}/storage/v1/object/photos/.emptyFolderPlaceholder"
    httpx.post(url, content=b"", headers=headers).raise_for_status()
    shopper.upload(avatar, "front", JPEG)
    shopper.start(avatar)
    worker = control_plane.worker()
    worker.ready(*worker.take())
    shopper.until(avatar, "ready")
    assert shopper.upload(avatar, "front", JPEG).status_code == 200
    eventually(lambda: control_plane.objects("photos") == [".emptyFolderPlaceholder"])


def test_a_key_of_a_deleted_avatar_is_forgotten(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    first = shopper.create_avatar(WITH_PHOTO, **{"Idempotency-Key": "k"})
    assert shopper.api.delete(f"/v1/avatars/{first['id']}").status_code == 204
    assert first["id"] not in everything_held(control_plane)
    again = shopper.create_avatar(WITH_PHOTO, **{"Idempotency-Key": "k"})
    assert shopper.get(again)["status"] == "pending"


def test_a_photo_uploaded_after_the_end_is_swept(control_plane: ControlPlane) -> None:
    shopper = control_plane.shopper()
    avatar = shopper.create_avatar(WITH_PHOTO)
    shopper.upload(avatar, "front", JPEG)
    shopper.start(avatar)
    worker = control_plane.worker()
    worker.ready(*worker.take())
    shopper.until(avatar, "ready")
    # The object is gone, so its upload URL is good again until it expires.
    assert shopper.upload(avatar, "front", JPEG).status_code == 200
    eventually(lambda: not control_plane.objects("photos"))


def test_a_deletion_is_finished_when_storage_comes_back(
    storage_dsn: str, tmp_path: Path, queue_url: str, api_dsn: str, owner_dsn: str
) -> None:
    port = free_port()
    storage = partial(create_storage_app, dsn=storage_dsn, directory=tmp_path / "objects", keys=STORAGE_KEYS)
    with running_control_plane(
        storage_url=f"http://127.0.0.1:{port}", queue_url=queue_url, api_dsn=api_dsn, owner_dsn=owner_dsn
    ) as control_plane:
        with served(storage(), port=port):
            shopper = control_plane.shopper()
            avatar = finished(control_plane, shopper)
        assert shopper.api.delete(f"/v1/avatars/{avatar['id']}").status_code == 204
        assert control_plane.rows("select from deletions where completed_at is null") != []
        with served(storage(), port=port):
            control_plane.clock.advance(minutes=2)
            eventually(lambda: not control_plane.rows("select from deletions where completed_at is null"))
            assert control_plane.objects("avatars") == []
