"""What RunPod and workers may tell the API, and what somebody who pretends to be one of them may not."""

import httpx
import pytest

from tests.api.control_plane import ControlPlane

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

EVERYTHING = (
    "select to_jsonb(avatar_jobs) - 'next_check_at' as job, to_jsonb(avatars) as avatar from avatar_jobs, avatars"
)


def test_a_forged_callback_changes_nothing(control_plane: ControlPlane) -> None:
    shopper, worker = control_plane.shopper(), control_plane.worker()
    avatar = shopper.started()
    run_id, job = worker.take()
    worker.report(run_id, job)
    before = control_plane.rows(EVERYTHING)
    report = {"attempt": 1, "queue_job_id": run_id, "sequence": 5, "stage": "upload", "percent": 95}
    body = {"id": run_id, "status": "COMPLETED", "output": {"outcome": "ready", "job_id": job["job_id"], "files": []}}
    for token in ("x", "A" * 43, job["job_id"], avatar["id"], "%2e%2e"):
        assert control_plane.api.post(f"/v1/callbacks/runpod/{token}", json=body).status_code == 404
        assert control_plane.api.post(f"/v1/callbacks/runpod/{token}/progress", json=report).status_code == 404
    # Even the right token only makes us ask RunPod, which knows of no result.
    real = job["progress"]["url"].removesuffix("/progress")
    assert httpx.post(real, json=body).status_code == 200
    assert control_plane.rows(EVERYTHING) == before
    assert shopper.get(avatar)["status"] == "processing"


def test_reports_that_come_late_or_twice_change_nothing(control_plane: ControlPlane) -> None:
    shopper, worker = control_plane.shopper(), control_plane.worker()
    avatar = shopper.started()
    run_id, job = worker.take()
    worker.report(run_id, job, sequence=3, stage="measure", percent=72)
    for sequence in (1, 2, 3):
        answer = worker.report(run_id, job, sequence=sequence, stage="read_photo", percent=5)
        assert answer.json()["verdict"] == "continue"
    assert shopper.get(avatar)["progress"] == {"stage": "measure", "percent": 72}


def test_a_report_of_another_attempt_is_told_to_stop(control_plane: ControlPlane) -> None:
    shopper, worker = control_plane.shopper(), control_plane.worker()
    avatar = shopper.started()
    run_id, job = worker.take()
    assert worker.report(run_id, job, attempt=2).json()["verdict"] == "stop"
    assert shopper.get(avatar)["progress"]["stage"] is None


def test_a_superseded_attempts_token_is_void(control_plane: ControlPlane) -> None:
    shopper, worker = control_plane.shopper(), control_plane.worker()
    shopper.started()
    run_id, job = worker.take()
    worker.finish(run_id, {"error": "lost"})
    worker.take()
    assert worker.report(run_id, job).status_code == 404
    assert httpx.post(job["progress"]["url"].removesuffix("/progress")).status_code == 404


def test_a_report_that_breaks_the_contract_is_refused(control_plane: ControlPlane) -> None:
    shopper, worker = control_plane.shopper(), control_plane.worker()
    shopper.started()
    run_id, job = worker.take()
    for change in ({"sequence": 0}, {"percent": 100}, {"stage": "dance"}, {"glb_url": "x"}, {"queue_job_id": ""}):
        assert worker.report(run_id, job, **change).status_code == 422


def test_a_second_run_of_a_finished_job_is_pointed_at_the_result(control_plane: ControlPlane) -> None:
    shopper, worker = control_plane.shopper(), control_plane.worker()
    shopper.started()
    run_id, job = worker.take()
    worker.store(job, {"outcome": "ready", "job_id": job["job_id"], "files": [], "measurements": {}})
    answer = worker.report(run_id, job).json()
    assert answer["verdict"] == "finished"
    assert httpx.get(answer["result_url"]).json()["job_id"] == job["job_id"]
