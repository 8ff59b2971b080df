"""What becomes of a job, with a worker played by hand: each promise of the state table over the real services."""

from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.control_plane import WITH_PHOTO, ControlPlane, HandWorker, Shopper, running_control_plane
from tests.waiting import eventually

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

OCTETS = "application/octet-stream"
JPEG = b"\xff\xd8\xff\xe0 not decoded by the API"


@pytest.fixture
def shopper(control_plane: ControlPlane) -> Shopper:
    return control_plane.shopper()


@pytest.fixture
def worker(control_plane: ControlPlane) -> HandWorker:
    return control_plane.worker()


def has_figure(control_plane: ControlPlane, figure: str) -> bool:
    return figure in control_plane.api.get("/metrics").text


def refusal(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome": "refused",
        "contract_version": 1,
        "job_id": job["job_id"],
        "reason": "no_person",
        "advice": "We could not find a person.",
    }


def test_a_finished_run_makes_the_avatar_ready_and_its_photos_are_gone_by_then(
    control_plane: ControlPlane, shopper: Shopper, worker: HandWorker
) -> None:
    avatar = shopper.started(WITH_PHOTO, JPEG)
    run_id, job = worker.take()
    assert httpx.get(job["photos"]["front"]).content == JPEG
    worker.ready(run_id, job)
    shown = shopper.until(avatar, "ready")
    assert shown["photos_deleted_at"] is not None
    assert control_plane.objects("photos") == []
    assert shown["measurements"] == {"waist_girth_cm": {"value": 77.8, "error_p90": 2.0}}
    assert [warning["reason"] for warning in shown["warnings"]] == ["loose_clothes"]
    assert httpx.get(shown["glb_url"]).content == b"content of avatar.glb"
    assert shown["progress"]["percent"] == 100
    tombstones = control_plane.rows("select subject, requested_by, completed_at from deletions")
    assert [(each["subject"], each["requested_by"]) for each in tombstones] == [("photos", "completion")]
    assert tombstones[0]["completed_at"] is not None


def test_a_refused_photo_fails_with_reason_and_advice_and_is_deleted(
    control_plane: ControlPlane, shopper: Shopper, worker: HandWorker
) -> None:
    avatar = shopper.started(WITH_PHOTO, JPEG)
    run_id, job = worker.take()
    worker.finish(run_id, {"output": refusal(job)})
    shown = shopper.until(avatar, "failed")
    assert shown["failure"] == {"reason": "no_person", "advice": "We could not find a person."}
    assert shown["glb_url"] is None
    assert control_plane.objects("photos") == []


def test_a_run_that_fails_is_made_again_and_after_three_the_avatar_fails(
    control_plane: ControlPlane, shopper: Shopper, worker: HandWorker
) -> None:
    avatar = shopper.started(WITH_PHOTO, JPEG)
    for attempt in (1, 2, 3):
        run_id, job = worker.take()
        assert job["attempt"] == attempt
        httpx.put(job["uploads"]["body.npz"]["url"], content=b"a body", headers={"Content-Type": OCTETS})
        worker.finish(run_id, {"error": "Traceback: host gpu-17 /root/secret"})
    shown = shopper.until(avatar, "failed")
    assert shown["failure"]["reason"] == "internal"
    assert "Traceback" not in str(shown)
    assert "gpu-17" not in str(shown)
    assert control_plane.objects("photos") == []
    # "We kept nothing", they are told.
    assert control_plane.objects("avatars") == [f"{avatar['id']}/body.npz"]
    control_plane.clock.advance(seconds=61)
    eventually(lambda: control_plane.objects("avatars") == [])


def test_a_result_in_storage_is_adopted_when_the_run_itself_was_lost(shopper: Shopper, worker: HandWorker) -> None:
    avatar = shopper.started()
    run_id, job = worker.take()
    result = {
        "outcome": "ready",
        "job_id": job["job_id"],
        "files": ["avatar.glb", "result.json"],
        "measurements": {"hip_girth_cm": {"value": 99.5, "error_p90": 2.0}},
    }
    worker.store(job, result)
    worker.finish(run_id, {"error": "the worker died before it could answer"})
    shown = shopper.until(avatar, "ready")
    assert shown["measurements"]["hip_girth_cm"]["value"] == 99.5


@pytest.mark.parametrize(
    "answer", [{"output": None}, {"output": {"outcome": "ready"}}, {"output": "done"}, {"output": {"job_id": 1}}]
)
def test_an_answer_that_breaks_the_contract_is_not_believed(
    shopper: Shopper, worker: HandWorker, answer: dict[str, Any]
) -> None:
    avatar = shopper.started()
    run_id, _ = worker.take()
    worker.finish(run_id, answer)
    run_id, job = worker.take()
    assert job["attempt"] == 2
    worker.ready(run_id, job)
    shopper.until(avatar, "ready")


def test_the_answer_to_another_job_is_not_believed(shopper: Shopper, worker: HandWorker) -> None:
    shopper.started()
    first_run, first_job = worker.take()
    other = shopper.started()
    _, other_job = worker.take()
    worker.finish(first_run, {"output": {**refusal(first_job), "job_id": other_job["job_id"]}})
    _, again = worker.take()
    assert (again["job_id"], again["attempt"]) == (first_job["job_id"], 2)
    assert shopper.get(other)["status"] == "processing"


def test_a_run_that_falls_silent_is_cancelled_and_made_again(
    control_plane: ControlPlane, shopper: Shopper, worker: HandWorker
) -> None:
    avatar = shopper.started()
    silent_run, silent_job = worker.take()
    assert worker.report(silent_run, silent_job).json() == {"verdict": "continue", "result_url": None}
    control_plane.clock.advance(seconds=61)
    run_id, job = worker.take()
    assert job["attempt"] == 2
    assert worker.queue.get(f"/status/{silent_run}").json()["status"] == "CANCELLED"
    worker.ready(run_id, job)
    shopper.until(avatar, "ready")


def test_silence_while_nobody_listened_is_not_held_against_a_run(
    storage_url: str, queue_url: str, api_dsn: str, owner_dsn: str
) -> None:
    addresses = {"storage_url": storage_url, "queue_url": queue_url, "api_dsn": api_dsn, "owner_dsn": owner_dsn}
    with running_control_plane(**addresses) as before:
        shopper, worker = before.shopper(), before.worker()
        avatar = shopper.started()
        run_id, job = worker.take()
        worker.report(run_id, job)
    with psycopg.connect(owner_dsn) as connection:
        connection.execute(
            "update avatar_jobs set heartbeat_at = now() - interval '5 minutes',"
            " next_check_at = now() - interval '1 day'"
        )
    with running_control_plane(**addresses) as after:
        eventually(lambda: after.rows("select from avatar_jobs where next_check_at > now()"))
        worker = after.worker()
        assert worker.queue.get(f"/status/{run_id}").json()["status"] == "IN_PROGRESS"
        worker.ready(run_id, job)
        after.shopper_with(shopper.token).until(avatar, "ready")
        assert after.rows("select attempts from avatar_jobs") == [{"attempts": 1}]


def test_a_job_that_runpod_no_longer_knows_is_dispatched_again(
    control_plane: ControlPlane, shopper: Shopper, worker: HandWorker
) -> None:
    avatar = shopper.started()
    eventually(lambda: control_plane.rows("select from avatar_jobs where state = 'dispatched'"))
    worker.queue.post("/purge-queue").raise_for_status()
    run_id, job = worker.take()
    assert job["attempt"] == 2
    worker.ready(run_id, job)
    shopper.until(avatar, "ready")


def test_a_queue_that_is_away_is_waited_for(storage_url: str, api_dsn: str, owner_dsn: str, queue_url: str) -> None:
    nobody = "http://127.0.0.1:9"
    addresses = {"storage_url": storage_url, "api_dsn": api_dsn, "owner_dsn": owner_dsn}
    with running_control_plane(queue_url=nobody, **addresses) as control_plane:
        shopper = control_plane.shopper()
        avatar = shopper.started()
        # Each dispatch is left its time to be claimed by a worker, and none uses up an attempt.
        for dispatches in range(1, 6):
            eventually(
                partial(has_figure, control_plane, f'job_dispatches_total{{outcome="unanswered"}} {dispatches}.0')
            )
            control_plane.clock.advance(seconds=31)
        assert shopper.get(avatar)["status"] == "processing"
        token = shopper.token
    with running_control_plane(queue_url=queue_url, **addresses) as control_plane:
        control_plane.clock.advance(minutes=5)
        worker = control_plane.worker()
        run_id, job = worker.take()
        assert job["attempt"] == 1
        worker.ready(run_id, job)
        control_plane.shopper_with(token).until(avatar, "ready")


def test_two_replicas_dispatch_a_job_once(storage_url: str, api_dsn: str, owner_dsn: str, queue_url: str) -> None:
    addresses = {"storage_url": storage_url, "queue_url": queue_url, "api_dsn": api_dsn, "owner_dsn": owner_dsn}
    with running_control_plane(**addresses) as one, running_control_plane(**addresses) as other:
        shopper = one.shopper()
        avatars = [shopper.started() for _ in range(5)]
        worker = other.worker()
        taken = [worker.take() for _ in avatars]
        assert len({job["job_id"] for _, job in taken}) == len(avatars)
        assert {job["attempt"] for _, job in taken} == {1}
        for run_id, job in taken:
            worker.ready(run_id, job)
        for avatar in avatars:
            shopper.until(avatar, "ready")


def test_a_terminal_state_never_changes(control_plane: ControlPlane, shopper: Shopper, worker: HandWorker) -> None:
    avatar = shopper.started()
    run_id, job = worker.take()
    worker.ready(run_id, job)
    before = shopper.until(avatar, "ready")
    assert worker.report(run_id, job, sequence=9, percent=1).json()["verdict"] == "finished"
    webhook = job["progress"]["url"].removesuffix("/progress")
    assert httpx.post(webhook, json={"status": "FAILED"}).status_code == 200
    after = shopper.get(avatar)
    assert {**after, "glb_url": None, "preview_url": None} == {**before, "glb_url": None, "preview_url": None}


def test_a_job_whose_photo_was_swept_is_given_up(
    control_plane: ControlPlane, shopper: Shopper, worker: HandWorker
) -> None:
    shopper.started(WITH_PHOTO, JPEG)
    worker.take()
    control_plane.clock.advance(hours=25)
    failed = eventually(lambda: control_plane.rows("select failure_reason from avatars where status = 'failed'"))
    assert failed == [{"failure_reason": "internal"}]
    assert control_plane.objects("photos") == []
