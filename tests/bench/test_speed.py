import json
import re
from pathlib import Path

import pytest

from bench.sample import load_sample
from bench.speed import Figure, Report, Warm, main, measure_warm
from gpu_worker.pipeline import PIPELINE_STAGES, AvatarPipeline

PAGE = "# Speed\nprose\n<!-- measured: worker -->\n<!-- end: worker -->\nmore prose\n"


@pytest.mark.parametrize(
    ("value", "limit", "is_missed"), [(1.99, 2.0, False), (2.0, 2.0, False), (2.01, 2.0, True), (9.0, None, False)]
)
def test_a_goal_is_missed_only_beyond_its_limit(value: float, limit: float | None, is_missed: bool) -> None:
    assert Figure("front photo", value, "s", limit).is_missed is is_missed


def test_a_report_says_what_was_measured_and_what_was_missed() -> None:
    slow = Figure("front photo", 2.5, "s", 2.0)
    report = Report(
        [slow, Figure("avatar.glb", 450.0, "kB", 500.0), Figure("decoding", 0.1, "s")], {"Stages:": "table"}
    )
    lines = report.markdown().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]
    assert cells == [
        ["front photo", "2.50 s", "≤ 2 s", "missed"],
        ["avatar.glb", "450.00 kB", "≤ 500 kB", "reached"],
        ["decoding", "0.10 s", "", ""],
    ]
    assert lines[-3:] == ["Stages:", "", "table"]
    assert report.missed() == [slow]


def test_the_median_is_not_moved_by_one_slow_run() -> None:
    assert Warm([1.0, 9.0, 1.2, 1.1, 1.3], {}, 0).median_s == 1.2


def test_the_sample_is_the_person_of_its_json(sample_folder: Path) -> None:
    told = json.loads((sample_folder / "sample.json").read_text(encoding="utf-8"))
    sample = load_sample()
    assert sample.request.height_cm == told["height_cm"]
    assert sample.request.front == (sample_folder / "front.jpg").read_bytes()
    assert sample.front_only.side is None
    assert sample.front_only.front == sample.request.front
    assert not sample.no_photo.photos
    assert sample.truth == told["true_measurements"]


def test_a_warm_measurement_times_every_run_and_every_stage() -> None:
    warm = measure_warm(AvatarPipeline.load(), load_sample().no_photo, repetitions=2)
    assert len(warm.totals_s) == 2
    for stage in PIPELINE_STAGES:
        assert len(warm.stages_s[stage]) == 2
    in_stages_s = sum(seconds for times in warm.stages_s.values() for seconds in times)
    assert 0.5 * sum(warm.totals_s) < in_stages_s <= sum(warm.totals_s)
    assert warm.glb_bytes > 100_000


@pytest.mark.slow
def test_one_run_fills_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE, encoding="utf-8")
    assert main(["--repetitions", "1", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Speed\nprose\n<!-- measured: worker -->\nMeasured ")
    assert text.endswith("<!-- end: worker -->\nmore prose\n")
    seconds = {name: float(value) for name, value in re.findall(r"^\| (.*?) +\| +([\d.]+) s ", text, re.MULTILINE)}
    assert seconds["no photo, warm process"] < seconds["front photo, warm process"]
    assert seconds["front photo, warm process"] < seconds["`tryon avatar`, cold process, front and side photo"]
    peak = re.search(r"peak memory, front and side photo +\| +([\d.]+) GB", text)
    assert peak is not None
    # More than the body model's tables, less than a machine has.
    assert 0.1 < float(peak.group(1)) < 8.0
    assert capsys.readouterr().out.count("Measured ") == 1


def test_measuring_nothing_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as exit_status:
        main(["--repetitions", "0"])
    assert exit_status.value.code == 2


@pytest.fixture
def sample_folder() -> Path:
    return Path(__file__).resolve().parents[2] / "gpu_worker" / "sample"
