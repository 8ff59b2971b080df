import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy import DEVELOPMENT_SET, main, sources
from bench.error_tables import disagreements_cm, goal_verdicts, render, summarize
from bench.outcomes import FRONT, FRONT_AND_SIDE, INPUT_SETS, NO_PHOTO, SIDE, InputSet, Outcome, measure_people
from bench.subjects import Subject, read_people, sample_subject
from gpu_worker.person.person import View
from gpu_worker.pipeline import AvatarPipeline, Measurement
from shared.measurements import MeasurementKey
from shared.person import Sex
from shared.rejections import RejectionReason

CHEST, WAIST, HIP = MeasurementKey.CHEST_GIRTH, MeasurementKey.WAIST_GIRTH, MeasurementKey.HIP_GIRTH
PAGE = "# Accuracy\n<!-- measured: sample -->\n<!-- end: sample -->\n<!-- measured: people -->\n<!-- end: people -->\n"


def person(name: str) -> Subject:
    truth = {CHEST: 100.0, WAIST: 80.0, HIP: 104.0, MeasurementKey.WEIGHT: 70.0}
    return Subject(name, {View.FRONT: b"front", View.SIDE: b"side"}, 170.0, 70.0, Sex.FEMALE, 30.0, truth)


def outcome(
    name: str,
    inputs: InputSet,
    errors_cm: tuple[float, float, float],
    *,
    error_p90: float = 2.0,
    weight_kg: float = 70.0,
    height_cm: float = 170.0,
) -> Outcome:
    subject = person(name)
    values = {key: subject.truth[key] + error for key, error in zip((CHEST, WAIST, HIP), errors_cm, strict=True)}
    values |= {MeasurementKey.WEIGHT: weight_kg, MeasurementKey.HEIGHT: height_cm}
    return Outcome(subject, inputs, {key: Measurement(value, error_p90) for key, value in values.items()})


def refusal(name: str, inputs: InputSet) -> Outcome:
    return Outcome(person(name), inputs, {}, RejectionReason.BODY_CUT_OFF)


@pytest.mark.parametrize("inputs", INPUT_SETS, ids=lambda inputs: inputs.name)
def test_a_request_holds_what_its_set_says_and_no_more(inputs: InputSet) -> None:
    request = inputs.request(person("a"))
    assert tuple(request.photos) == inputs.views
    assert request.height_cm == 170.0
    assert request.weight_kg == (70.0 if inputs.weight else None)
    assert (request.sex, request.age_years) == ((Sex.FEMALE, 30.0) if inputs.sex_and_age else (None, None))


def test_errors_are_summed_up_by_set_of_inputs() -> None:
    no_photo, front = summarize(
        [
            outcome("a", NO_PHOTO, (4.0, -4.0, 4.0)),
            outcome("a", FRONT, (1.0, -2.5, 0.5), height_cm=170.1),
            outcome("b", FRONT, (-3.0, -0.5, 1.5)),
        ]
    )
    assert no_photo.mean_absolute_error_cm == pytest.approx(4.0)
    assert no_photo.coverage == 0.0
    assert front.mean_absolute_error_cm == pytest.approx(1.5)
    np.testing.assert_allclose(front.girth_errors_cm.mean(axis=0), [-1.0, -1.5, 1.0])
    assert front.coverage == pytest.approx(4 / 6)
    assert np.abs(front.height_errors_mm).max() == pytest.approx(1.0)


def test_the_weight_of_the_mesh_counts_only_where_it_was_not_given() -> None:
    without_weight = replace(FRONT, name="no weight", weight=False)
    given, found = summarize(
        [outcome("a", FRONT, (0, 0, 0), weight_kg=75.0), outcome("a", without_weight, (0, 0, 0), weight_kg=67.5)]
    )
    assert given.weight_errors_kg.size == 0
    np.testing.assert_allclose(found.weight_errors_kg, [-2.5])


def test_refused_photos_are_named_and_left_out() -> None:
    outcomes = [outcome("a", FRONT, (1.0, 1.0, 1.0)), refusal("b", FRONT), refusal("b", SIDE)]
    (summary,) = summarize(outcomes)
    assert summary.girth_errors_cm.shape == (1, 3)
    text = render(outcomes)
    assert "- b, front: body_cut_off" in text
    assert "- b, side: body_cut_off" in text


def test_views_are_compared_person_by_person() -> None:
    apart_cm = disagreements_cm(
        [
            outcome("a", FRONT, (1.0, 0.0, -1.0)),
            outcome("b", FRONT, (0.0, 0.0, 0.0)),
            outcome("c", FRONT, (9.0, 9.0, 9.0)),
            outcome("b", SIDE, (0.5, 0.0, 0.0)),
            outcome("a", SIDE, (-1.0, 0.0, 1.0)),
            refusal("c", SIDE),
        ]
    )
    np.testing.assert_allclose(apart_cm, [[2.0, 0.0, -2.0], [-0.5, 0.0, 0.0]])


def test_goals_are_held_against_the_mean_and_against_no_photo() -> None:
    verdicts = goal_verdicts(
        summarize(
            [
                outcome("a", NO_PHOTO, (1.5, 1.5, 1.5)),
                outcome("a", FRONT, (1.9, 1.9, 1.9)),
                outcome("a", FRONT_AND_SIDE, (1.3, 1.3, 1.3), height_cm=170.3),
            ]
        )
    )
    assert [("reached" in verdict, "missed" in verdict) for verdict in verdicts] == [
        (True, False),  # front: at most 2.0 cm
        (False, True),  # front, better than no photo
        (False, True),  # front + side: at most 1.2 cm
        (True, False),  # front + side, better than no photo
        (False, True),  # height within 2 mm
    ]


def test_a_folder_of_people_is_read_whole(tmp_path: Path) -> None:
    truth = {"chest_girth_cm": 95.0, "waist_girth_cm": 78.0, "hip_girth_cm": 100.0}
    entry = {"sex": "male", "age": 44, "height_cm": 181.0, "weight_kg": 92.0, "half": "train"} | truth
    (tmp_path / "truth.json").write_text(json.dumps({"007": entry}), encoding="utf-8")
    for view in View:
        (tmp_path / f"007-{view}.jpg").write_bytes(view.encode())
    (subject,) = read_people(tmp_path)
    assert subject == Subject(
        name="007",
        photos={View.FRONT: b"front", View.SIDE: b"side"},
        height_cm=181.0,
        weight_kg=92.0,
        sex=Sex.MALE,
        age_years=44.0,
        truth={CHEST: 95.0, WAIST: 78.0, HIP: 100.0, MeasurementKey.WEIGHT: 92.0},
    )


def test_a_person_without_a_photo_is_an_error(tmp_path: Path) -> None:
    entry = {"sex": "male", "age": 44, "height_cm": 181.0, "weight_kg": 92.0}
    entry |= {"chest_girth_cm": 95.0, "waist_girth_cm": 78.0, "hip_girth_cm": 100.0}
    (tmp_path / "truth.json").write_text(json.dumps({"007": entry}), encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="007-front"):
        read_people(tmp_path)


def test_the_pipeline_measures_the_sample_and_refuses_a_file_that_is_no_photo() -> None:
    sample = sample_subject()
    broken = replace(sample, name="broken", photos=dict.fromkeys(View, b"no photo"))
    outcomes = measure_people(AvatarPipeline.load(), [sample, broken], [NO_PHOTO, FRONT])
    assert [(o.subject.name, o.inputs, o.refused) for o in outcomes] == [
        ("sample", NO_PHOTO, None),
        ("sample", FRONT, None),
        ("broken", NO_PHOTO, None),
        ("broken", FRONT, RejectionReason.NOT_AN_IMAGE),
    ]
    no_photo, front = summarize([o for o in outcomes if o.subject is sample])
    # Everybody of this height, weight, sex and age is within a few centimetres; a wrong unit or key is not.
    assert 0.01 < no_photo.mean_absolute_error_cm < 8.0
    assert 0.01 < front.mean_absolute_error_cm < 5.0
    assert outcomes[0].height_error_mm == pytest.approx(0.0, abs=2.0)


@pytest.mark.slow
def test_the_command_fills_the_block_of_each_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "accuracy.md"
    page.write_text(PAGE, encoding="utf-8")
    assert main(["--only", "sample", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert all(f"| {inputs.name} " in text for inputs in INPUT_SETS)
    assert text.endswith("<!-- measured: people -->\n<!-- end: people -->\n")
    assert "| front + side " in capsys.readouterr().out


def test_a_source_that_is_not_here_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as exit_status:
        main(["--only", "people"])
    assert exit_status.value.code == 2


def test_people_are_a_source_only_when_given(tmp_path: Path) -> None:
    assert "people" not in {source.name for source in sources(None)}
    assert [source.name for source in sources(tmp_path)][-1] == "people"


@pytest.mark.shared
@pytest.mark.skipif(not DEVELOPMENT_SET.is_dir(), reason="the development set is not beside this checkout")
def test_the_development_set_has_six_people() -> None:
    (source,) = (source for source in sources(None) if source.name == "development")
    subjects = source.load()
    assert len(subjects) == 6
    assert all(set(subject.photos) == set(View) for subject in subjects)
    assert {subject.sex for subject in subjects} == set(Sex)
