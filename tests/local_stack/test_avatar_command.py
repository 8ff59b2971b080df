"""`tryon avatar` as a user or a script runs it: a process with arguments, streams and an exit status."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from local_stack.progress_display import ProgressDisplay
from shared.jobs import Stage
from shared.measurements import MeasurementKey

pytestmark = pytest.mark.xdist_group("avatar_command")

REPOSITORY = Path(__file__).resolve().parents[2]
PEOPLE = REPOSITORY / "tests" / "fixtures" / "people"
AVATAR = (sys.executable, "-m", "local_stack.command_line", "avatar")
BODY_FILES = {"avatar.glb", "body.npz", "preview.png", "measurements.json"}
NO_PHOTO = ("--height-cm", "172", "--weight-kg", "65")
FRONT = str(PEOPLE / "man-front.jpg")

needs_no_network = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode != 0,
    reason="this machine does not let us cut the network",
)


not_as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything"
)


def tryon_avatar(
    *arguments: str | Path, before: tuple[str, ...] = (), environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, *AVATAR, *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def made_of(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What --json printed: exactly one object."""
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert ran.stdout.count("\n") == 1
    content: dict[str, Any] = json.loads(ran.stdout)
    return content


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--height-cm is needed"),
        (("--height-cm", "172"), "give --weight-kg or --sex"),
        (("--height-cm", "172", "--age", "30"), "give --weight-kg or --sex"),
        (("--weight-kg", "65"), "--height-cm is needed"),
        (("--front", FRONT), "--height-cm is needed"),
        (("--height-cm", "nan", "--sex", "male"), "'nan' is not a number"),
        (("--height-cm", "inf", "--sex", "male"), "'inf' is not a number"),
        (("--height-cm", "1m72", "--sex", "male"), "'1m72' is not a number"),
        (("--height-cm", "172", "--weight-kg", "much"), "'much' is not a number"),
        (("--height-cm", "172", "--sex", "both"), "'both' is none of female, male"),
        (("--height-cm", "172", "--sex", "male", "--age", "17"), "between 18 and 100"),
        (("--height-cm", "172", "--sex", "male", "--age", "old"), "'old' is not a number"),
        (("--height-cm", "172", "--front", "nowhere.jpg"), "there is no file nowhere.jpg"),
        (("--height-cm", "172", "--front", FRONT, "--side", "nowhere.jpg"), "there is no file nowhere.jpg"),
        (("--height-cm", "172", "--front", str(PEOPLE)), "is a folder, not a photo"),
        (("--height-cm", "172", "--front", os.devnull), "is no file, not a photo"),
        (("--sample", "--front", FRONT), "--sample brings its own"),
        (("--sample", "--height-cm", "0"), "--sample brings its own"),
        (("--height-cm", "172", "--sex", "male", "--colour", "red"), "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_explained(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    ran = tryon_avatar(*arguments, "--out", tmp_path / "avatar")
    assert ran.returncode == 2
    assert complaint in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    assert names_in(tmp_path) == set()


@pytest.mark.parametrize("below", [(), ("deeper",), ("deeper", "still")])
def test_a_file_in_place_of_the_folder_is_wrong_usage(tmp_path: Path, below: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("mine")
    ran = tryon_avatar(*NO_PHOTO, "--out", tmp_path.joinpath("file", *below))
    assert ran.returncode == 2
    assert f"{tmp_path / 'file'} is a file" in ran.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_name_is_not_the_current_folder() -> None:
    ran = tryon_avatar(*NO_PHOTO, "--out", "")
    assert ran.returncode == 2
    assert "argument --out: give a folder" in ran.stderr


@not_as_root
def test_a_folder_that_may_not_be_written_is_wrong_usage(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    ran = tryon_avatar(*NO_PHOTO, "--out", tmp_path / "avatar")
    tmp_path.chmod(0o755)
    assert ran.returncode == 2
    assert f"{tmp_path} cannot be written to" in ran.stderr


@not_as_root
def test_a_folder_that_may_not_be_entered_is_wrong_usage(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0)
    for arguments in (("--out", private / "avatar"), ("--front", private / "me.jpg", "--out", tmp_path)):
        ran = tryon_avatar(*NO_PHOTO, *arguments)
        assert ran.returncode == 2
        assert "Permission denied" in ran.stderr
        assert "Traceback" not in ran.stderr


@not_as_root
def test_a_photo_that_may_not_be_read_is_wrong_usage(tmp_path: Path) -> None:
    photo = tmp_path / "mine.jpg"
    photo.write_bytes(b"secret")
    photo.chmod(0)
    ran = tryon_avatar("--height-cm", "172", "--front", photo, "--out", tmp_path / "avatar")
    assert ran.returncode == 2
    assert "cannot be read" in ran.stderr


def test_help_shows_every_option() -> None:
    ran = tryon_avatar("--help")
    assert ran.returncode == 0
    for option in ("--front", "--side", "--height-cm", "--weight-kg", "--sex", "--age", "--sample", "--out", "--json"):
        assert option in ran.stdout


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (("--height-cm", "17.2", "--sex", "male"), "implausible_height"),
            (("--height-cm", "1720", "--front", FRONT), "implausible_height"),
            (("--height-cm", "172", "--weight-kg", "650"), "implausible_weight"),
            (("--height-cm", "172", "--front", __file__), "not_an_image"),
            (("--height-cm", "168", "--front", str(PEOPLE / "cut-at-knees.jpg")), "body_cut_off"),
            (("--height-cm", "181", "--front", FRONT, "--side", FRONT), "turned_away"),
        ],
    )
    def test_a_refusal_is_one_line_of_json_and_leaves_nothing(
        self, tmp_path: Path, arguments: tuple[str, ...], reason: str
    ) -> None:
        ran = tryon_avatar(*arguments, "--out", tmp_path / "avatar", "--json")
        assert ran.returncode == 3
        assert ran.stdout == ""
        assert ran.stderr.count("\n") == 1
        refusal = json.loads(ran.stderr)
        assert set(refusal) == {"reason", "advice"}
        assert refusal["reason"] == reason
        assert refusal["advice"].endswith(".")
        assert names_in(tmp_path) == set()

    def test_a_person_reads_the_refusal_after_the_stages(self, tmp_path: Path) -> None:
        ran = tryon_avatar("--height-cm", "168", "--front", PEOPLE / "two-people.jpg", "--out", tmp_path / "avatar")
        assert ran.returncode == 3
        *stages, last = ran.stderr.splitlines()
        assert json.loads(last)["reason"] == "several_people"
        assert stages[-1] == "Finding the person"

    def test_what_was_in_the_folder_stays(self, tmp_path: Path) -> None:
        (tmp_path / "avatar.glb").write_bytes(b"of yesterday")
        (tmp_path / "notes.txt").write_text("mine")
        ran = tryon_avatar("--height-cm", "168", "--front", PEOPLE / "turned-away.jpg", "--out", tmp_path)
        assert ran.returncode == 3
        assert names_in(tmp_path) == {"avatar.glb", "notes.txt"}
        assert (tmp_path / "avatar.glb").read_bytes() == b"of yesterday"


class TestAvatars:
    @needs_no_network
    @pytest.mark.slow
    def test_the_sample_needs_no_network(self, tmp_path: Path) -> None:
        ran = tryon_avatar("--sample", "--out", tmp_path / "a" / "b", "--json", before=("unshare", "--net"))
        made = made_of(ran)
        expected = BODY_FILES | {"overlay-front.png", "overlay-side.png"}
        assert names_in(tmp_path / "a" / "b") == expected
        assert made["files"] == {name: str(tmp_path / "a" / "b" / name) for name in expected}
        assert list(made["measurements"]) == list(MeasurementKey)
        report = json.loads((tmp_path / "a" / "b" / "measurements.json").read_text())
        assert isinstance(report["inputs"]["age_years"], float)
        assert {name: made[name] for name in report} == report

    def test_without_a_photo_a_weight_or_a_sex_is_enough(self, tmp_path: Path) -> None:
        for figure in (("--weight-kg", "65"), ("--sex", "female")):
            made = made_of(tryon_avatar("--height-cm", "172", *figure, "--out", tmp_path, "--json"))
            assert made["measurements"]["height_cm"]["value"] == 172.0
            assert names_in(tmp_path) == BODY_FILES

    def test_plain_lines_where_there_is_no_terminal(self, tmp_path: Path) -> None:
        ran = tryon_avatar(*NO_PHOTO, "--out", tmp_path)
        assert ran.returncode == 0
        assert "\x1b" not in ran.stderr + ran.stdout
        assert ran.stderr.splitlines() == [
            "Loading the models",
            "Reading the photos",
            "Finding the person",
            "Estimating pose and camera",
            "Fitting the body",
            "Measuring",
            "Writing the avatar",
            "Drawing the pictures",
        ]
        assert "waist girth" in ran.stdout
        assert str(tmp_path) in ran.stdout

    def test_a_bar_on_a_terminal(self, tmp_path: Path) -> None:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*AVATAR, *NO_PHOTO, "--out", str(tmp_path)],
            cwd=REPOSITORY,
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:
            # Linux tells the end of a terminal's other side as an error.
            assert shown
        os.close(ours)
        printed, _ = process.communicate()
        assert process.returncode == 0
        assert "━".encode() in shown
        assert b"\x1b[" in shown
        assert b"Drawing the pictures" in shown
        assert b"waist girth" in printed

    def test_a_reader_that_leaves_is_no_failure(self, tmp_path: Path) -> None:
        process = subprocess.Popen(
            [*AVATAR, *NO_PHOTO, "--out", str(tmp_path)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=60) == 0
        assert told.splitlines()[-1] == "Drawing the pictures"
        assert names_in(tmp_path) == BODY_FILES

    def test_a_terminal_without_the_sign_for_the_error(self, tmp_path: Path) -> None:
        ran = tryon_avatar(*NO_PHOTO, "--out", tmp_path, environment={"PYTHONIOENCODING": "ascii"})
        assert ran.returncode == 0
        assert "cm  ? " in ran.stdout

    def test_other_files_of_the_folder_stay_and_old_overlays_go(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        (tmp_path / "overlay-side.png").write_bytes(b"of somebody else")
        (tmp_path / "preview.png").write_bytes(b"of somebody else")
        made_of(tryon_avatar(*NO_PHOTO, "--out", tmp_path, "--json"))
        assert names_in(tmp_path) == BODY_FILES | {"notes.txt"}
        assert (tmp_path / "notes.txt").read_text() == "mine"
        assert (tmp_path / "preview.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.slow
    def test_a_heic_photo_with_spaces_in_its_name(self, tmp_path: Path) -> None:
        photo = Image.open(BytesIO(files("gpu_worker.sample").joinpath("front.jpg").read_bytes()))
        path = tmp_path / "IMG 0042.HEIC"
        pillow_heif.from_pillow(photo).save(path, quality=85)
        made = made_of(
            tryon_avatar("--front", path, "--height-cm", "168", "--sex", "female", "--out", tmp_path / "out", "--json")
        )
        assert made["inputs"]["photos"] == ["front"]
        assert names_in(tmp_path / "out") == BODY_FILES | {"overlay-front.png"}
        assert names_in(tmp_path) == {"out", path.name}


class TestOurFaults:
    def test_a_cache_that_cannot_be_written_is_our_fault(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("a file")
        ran = tryon_avatar(
            *NO_PHOTO, "--out", tmp_path / "out", environment={"TRYON_CACHE_DIR": str(tmp_path / "cache")}
        )
        assert ran.returncode == 1
        assert ran.stdout == ""
        assert ran.stderr.splitlines()[-1] == "Something went wrong on our side. Nothing was kept."
        assert names_in(tmp_path) == {"cache"}

    def test_all_files_are_kept_or_none(self, tmp_path: Path) -> None:
        (tmp_path / "preview.png").mkdir()
        (tmp_path / "avatar.glb").write_bytes(b"of yesterday")
        ran = tryon_avatar(*NO_PHOTO, "--out", tmp_path, "--json")
        assert ran.returncode == 1
        assert names_in(tmp_path) == {"preview.png", "avatar.glb"}
        assert (tmp_path / "avatar.glb").read_bytes() == b"of yesterday"

    def test_an_interrupted_run_leaves_nothing(self, tmp_path: Path) -> None:
        process = subprocess.Popen(
            [*AVATAR, *NO_PHOTO, "--out", str(tmp_path / "out")], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert process.stderr.readline() == "Loading the models\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130
        assert told.splitlines()[-1] == "Interrupted."
        assert "Traceback" not in told
        assert names_in(tmp_path) == set()


def test_every_stage_has_a_name_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(quiet=False) as display:
        for stage in Stage:
            display.stage(stage, 0.5)
    lines = capsys.readouterr().err.splitlines()
    assert len(set(lines)) == len(Stage)


def test_nothing_is_shown_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(quiet=True) as display:
        display.say("Loading")
        display.stage(Stage.MEASURE, 0.5)
    assert capsys.readouterr() == ("", "")
