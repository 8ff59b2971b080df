"""Sums up how far measured people are from the truth, and says which goals that reaches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.document import markdown_table
from bench.outcomes import FRONT, NO_PHOTO, SIDE, InputSet, Outcome
from shared.measurements import MeasurementKey

TRUNK_GIRTHS = (MeasurementKey.CHEST_GIRTH, MeasurementKey.WAIST_GIRTH, MeasurementKey.HIP_GIRTH)
HEIGHT_LIMIT_MM = 2.0


@dataclass(frozen=True, eq=False)
class ErrorSummary:
    """How one set of inputs fares over the people whose photos were not refused.

    girth_errors_cm: (people, 3) measured less true chest, waist and hip. covered: (people, 3) whether the truth lies
    within error_p90. weight_errors_kg: (people,) of the mesh, empty where the weight was given. height_errors_mm:
    (people,) of the mesh.
    """

    inputs: InputSet
    girth_errors_cm: NDArray[np.float64]
    covered: NDArray[np.bool_]
    weight_errors_kg: NDArray[np.float64]
    height_errors_mm: NDArray[np.float64]

    @property
    def mean_absolute_error_cm(self) -> float:
        """Over chest, waist and hip of everybody; the goals are stated for this."""
        return float(np.abs(self.girth_errors_cm).mean())

    @property
    def coverage(self) -> float:
        """Share of true chest, waist and hip girths within the stated error_p90; 0.9 is what it promises."""
        return float(self.covered.mean())


def summarize(outcomes: Sequence[Outcome]) -> list[ErrorSummary]:
    """One summary a set of inputs, in the order they first occur; those whose photos were all refused are left out."""
    summaries = []
    for inputs in dict.fromkeys(outcome.inputs for outcome in outcomes):
        measured = [outcome for outcome in outcomes if outcome.inputs == inputs and outcome.refused is None]
        if measured:
            summaries.append(_summarize_one(inputs, measured))
    return summaries


def _summarize_one(inputs: InputSet, measured: Sequence[Outcome]) -> ErrorSummary:
    unweighed = [] if inputs.weight else measured
    return ErrorSummary(
        inputs,
        girth_errors_cm=np.array([[outcome.error(key) for key in TRUNK_GIRTHS] for outcome in measured]),
        covered=np.array([[outcome.is_covered(key) for key in TRUNK_GIRTHS] for outcome in measured]),
        weight_errors_kg=np.array([outcome.error(MeasurementKey.WEIGHT) for outcome in unweighed]),
        height_errors_mm=np.array([outcome.height_error_mm for outcome in measured]),
    )


def disagreements_cm(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """(people, 3) chest, waist and hip from the front photo alone less those from the side photo alone."""
    by_view = {
        inputs: {outcome.subject.name: outcome for outcome in outcomes if outcome.inputs == inputs}
        for inputs in (FRONT, SIDE)
    }
    rows = [
        [front.measured[key].value - by_view[SIDE][name].measured[key].value for key in TRUNK_GIRTHS]
        for name, front in by_view[FRONT].items()
        if front.refused is None and name in by_view[SIDE] and by_view[SIDE][name].refused is None
    ]
    return np.array(rows).reshape(-1, len(TRUNK_GIRTHS))


def goal_verdicts(summaries: Sequence[ErrorSummary]) -> list[str]:
    """One sentence a goal."""
    mean_errors_cm = {summary.inputs: summary.mean_absolute_error_cm for summary in summaries}
    verdicts = []
    for inputs, error_cm in mean_errors_cm.items():
        if inputs.limit_cm is None:
            continue
        verdicts.append(
            f"{inputs.name}: {error_cm:.2f} cm, {_verdict(error_cm <= inputs.limit_cm)} "
            f"(goal: at most {inputs.limit_cm:.1f} cm)"
        )
        if NO_PHOTO in mean_errors_cm:
            without_cm = mean_errors_cm[NO_PHOTO]
            verdicts.append(
                f"{inputs.name} better than no photo ({without_cm:.2f} cm): {_verdict(error_cm < without_cm)}"
            )
    worst_mm = max((float(np.abs(summary.height_errors_mm).max()) for summary in summaries), default=0.0)
    verdicts.append(
        f"height of the mesh: off by {worst_mm:.1f} mm at most, {_verdict(worst_mm <= HEIGHT_LIMIT_MM)} "
        f"(goal: within {HEIGHT_LIMIT_MM:.0f} mm)"
    )
    return verdicts


def render(outcomes: Sequence[Outcome], *, with_goals: bool = True) -> str:
    """Markdown: the errors, how well the two views agree, the goals, and whose photos were refused."""
    summaries = summarize(outcomes)
    people = len({outcome.subject.name for outcome in outcomes})
    parts = [
        f"{people} {'person' if people == 1 else 'people'}; mean absolute error, and in brackets the bias, in cm.",
        _error_table(summaries),
    ]
    apart_cm = disagreements_cm(outcomes)
    if len(apart_cm):
        parts += ["Front photo alone against side photo alone, the same person, in cm:", _agreement_table(apart_cm)]
    if with_goals:
        parts.append("Goals:\n\n" + "\n".join(f"- {verdict}" for verdict in goal_verdicts(summaries)))
    refusals = [f"- {o.subject.name}, {o.inputs.name}: {o.refused}" for o in outcomes if o.refused is not None]
    if refusals:
        parts.append("Refused, and so in no table:\n\n" + "\n".join(refusals))
    return "\n\n".join(parts)


def _error_table(summaries: Sequence[ErrorSummary]) -> str:
    header = ("photos", "people", "chest", "waist", "hip", "all three", "weight, kg", "within error_p90")
    rows = []
    for summary in summaries:
        cells = [_error_cell(summary.girth_errors_cm[:, index]) for index in range(len(TRUNK_GIRTHS))]
        weight = _error_cell(summary.weight_errors_kg) if len(summary.weight_errors_kg) else "given"
        everything = _error_cell(summary.girth_errors_cm.ravel())
        count = str(len(summary.girth_errors_cm))
        rows.append((summary.inputs.name, count, *cells, everything, weight, f"{100 * summary.coverage:.0f} %"))
    return markdown_table(header, rows)


def _agreement_table(apart_cm: NDArray[np.float64]) -> str:
    sizes = np.abs(apart_cm)
    rows = [
        (name, *(f"{value:.2f}" for value in values))
        for name, values in (("mean difference", sizes.mean(axis=0)), ("largest", sizes.max(axis=0)))
    ]
    return markdown_table(("", "chest", "waist", "hip"), rows)


def _error_cell(errors: NDArray[np.float64]) -> str:
    return f"{np.abs(errors).mean():.2f} ({errors.mean():+.2f})"


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"
