"""What shapes people of a given height, weight, sex and age have, before any photo is looked at.

The numbers come from ANSUR II through scripts/derive_shape_prior.py: one normal distribution a sex over stature, body
mass index, age and Anny's parameters, conditioned here on whatever is known.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Self

import numpy as np

from gpu_worker.body.body import FloatArray
from shared.person import Sex

# ANSUR's people are 17 to 58 years old; beyond that its slopes are not followed.
_AGE_RANGE_YEARS = (18.0, 60.0)
# Soldiers vary less than shoppers: body mass index, where it is not given, spreads this much wider.
_BMI_WIDENING = 1.5
# Anny's fit to a soldier is itself uncertain, and shoppers vary in ways soldiers do not (sigmas of the parameters).
_PHENOTYPE_WIDENING, _LOCAL_WIDENING = 0.1, 0.25
_PHENOTYPE_COUNT = 4
_HEIGHT, _LOG_BMI, _AGE, _FACTS = 0, 1, 2, 3


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """A normal distribution over shape parameters: mean (P,), covariance (P, P)."""

    mean: FloatArray
    covariance: FloatArray

    @cached_property
    def precision(self) -> FloatArray:
        """(P, P) inverse of the covariance."""
        inverse: FloatArray = np.linalg.inv(self.covariance)
        return inverse


@dataclass(frozen=True, eq=False)
class _Population:
    """One sex. mean (3 + P,), covariance (3 + P, 3 + P) of height in cm, log body mass index, age and parameters.

    measurement_response: (M, P) cm (l, kg) a parameter, in the order of MeasurementKey.
    """

    mean: FloatArray
    covariance: FloatArray
    measurement_response: FloatArray

    def condition(
        self, height_cm: float, weight_kg: float | None, age_years: float | None
    ) -> tuple[GaussianPrior, float]:
        """The parameters' distribution given the facts, and the log density of the facts."""
        known, values = [_HEIGHT], [height_cm]
        if weight_kg is not None:
            known.append(_LOG_BMI)
            values.append(float(np.log(weight_kg / (height_cm / 100.0) ** 2)))
        if age_years is not None:
            known.append(_AGE)
            values.append(float(np.clip(age_years, *_AGE_RANGE_YEARS)))
        covariance = self.covariance if weight_kg is not None else self._widened()
        shared = covariance[_FACTS:][:, known]
        of_known = covariance[np.ix_(known, known)]
        deviation = np.array(values) - self.mean[known]
        gain = np.linalg.solve(of_known, shared.T).T
        prior = GaussianPrior(
            mean=self.mean[_FACTS:] + gain @ deviation,
            covariance=covariance[_FACTS:, _FACTS:] - gain @ shared.T + self._own_widening(),
        )
        # Age says nothing of sex here: ANSUR's ages are the Army's, not the shop's.
        bodily = [index for index in known if index != _AGE]
        part = deviation[: len(bodily)]
        of_bodily = self.covariance[np.ix_(bodily, bodily)]
        log_density = -0.5 * float(part @ np.linalg.solve(of_bodily, part) + np.log(np.linalg.det(of_bodily)))
        return prior, log_density

    def _widened(self) -> FloatArray:
        """The covariance with the spread of log BMI, and all that follows it, widened."""
        facts = self.covariance[:_FACTS, :_FACTS]
        own_variance = 1.0 / np.linalg.inv(facts)[_LOG_BMI, _LOG_BMI]
        slopes = np.linalg.solve(facts, self.covariance[:_FACTS, _FACTS:])[_LOG_BMI]
        direction = np.concatenate([[0.0, 1.0, 0.0], slopes])
        widened: FloatArray = self.covariance + (_BMI_WIDENING**2 - 1.0) * own_variance * np.outer(direction, direction)
        return widened

    def _own_widening(self) -> FloatArray:
        sigmas = np.full(len(self.mean) - _FACTS, _LOCAL_WIDENING)
        sigmas[:_PHENOTYPE_COUNT] = _PHENOTYPE_WIDENING
        return np.diag(sigmas**2)


@dataclass(frozen=True, eq=False)
class PersonPrior:
    """What is expected of one person.

    gender: 0 male, 1 female, None where the fit must find it (then it is a parameter, after the phenotypes).
    parameters: the shape's distribution. measurement_response: (M, P) in the order of MeasurementKey.
    """

    gender: float | None
    parameters: GaussianPrior
    measurement_response: FloatArray


class AnnyPrior:
    """The prior over Anny's parameters, from the numbers that ship with the package."""

    def __init__(self, populations: dict[Sex, _Population]) -> None:
        self._populations = populations

    @classmethod
    def load(cls) -> Self:
        with (
            files("gpu_worker.body").joinpath("shape_prior.npz").open("rb") as stream,
            np.load(stream, allow_pickle=False) as archive,
        ):
            populations = {
                sex: _Population(
                    *(
                        archive[f"{sex}_{name}"].astype(np.float64)
                        for name in ("mean", "covariance", "measurement_response")
                    )
                )
                for sex in Sex
            }
        return cls(populations)

    def of_person(
        self, *, height_cm: float, weight_kg: float | None, sex: Sex | None, age_years: float | None
    ) -> PersonPrior:
        """Condition on what is known."""
        given = {s: p.condition(height_cm, weight_kg, age_years) for s, p in self._populations.items()}
        responses = {s: p.measurement_response for s, p in self._populations.items()}
        if sex is not None:
            return PersonPrior(1.0 if sex is Sex.FEMALE else 0.0, given[sex][0], responses[sex])
        female = 1.0 / (1.0 + np.exp(given[Sex.MALE][1] - given[Sex.FEMALE][1]))
        shares = {Sex.FEMALE: female, Sex.MALE: 1.0 - female}
        means = {s: _insert_gender(prior.mean, float(s is Sex.FEMALE)) for s, (prior, _) in given.items()}
        mean = sum((shares[s] * means[s] for s in Sex), start=np.zeros_like(means[Sex.MALE]))
        covariance = np.zeros((len(mean), len(mean)))
        for s, (prior, _) in given.items():
            within = np.insert(
                np.insert(prior.covariance, _PHENOTYPE_COUNT, 0.0, axis=0), _PHENOTYPE_COUNT, 0.0, axis=1
            )
            within[_PHENOTYPE_COUNT, _PHENOTYPE_COUNT] = _PHENOTYPE_WIDENING**2
            apart = means[s] - mean
            covariance += shares[s] * (within + np.outer(apart, apart))
        response = sum((shares[s] * responses[s] for s in Sex), start=np.zeros_like(responses[Sex.MALE]))
        return PersonPrior(None, GaussianPrior(mean, covariance), np.insert(response, _PHENOTYPE_COUNT, 0.0, axis=1))


def _insert_gender(parameters: FloatArray, gender: float) -> FloatArray:
    return np.insert(parameters, _PHENOTYPE_COUNT, gender)
