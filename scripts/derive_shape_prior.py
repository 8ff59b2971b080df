"""Derives gpu_worker/body/shape_prior.npz: how Anny's shape parameters spread over the people of ANSUR II.

ANSUR II (Gordon et al. 2014, NATICK/TR-15/007, public tables) gives some 95 dimensions of 4,082 men and 1,986 women.
Anny is fitted to a sample of them, sex by sex, so that the mesh has their dimensions; what ships is the mean and
covariance of stature, body mass index, age and Anny's parameters, and how the measurements follow the parameters.

    python scripts/derive_shape_prior.py path/to/ansur2 [--people 300]
"""

import argparse
import csv
import logging
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.anny_cache import load_tables
from gpu_worker.body.anny_model import AnnyModel, AnnyShapeSpace
from gpu_worker.body.body import Body, FloatArray
from gpu_worker.measurement.definitions import DEFINITIONS
from gpu_worker.measurement.measure import measure
from gpu_worker.measurement.subject import Subject
from shared.measurements import MeasurementKey

OUTPUT = Path(__file__).resolve().parent.parent / "gpu_worker" / "body" / "shape_prior.npz"

_log = logging.getLogger("derive_shape_prior")


@dataclass(frozen=True)
class Target:
    """What a mesh must match. sigma: how closely, in the unit of the quantity. centred: ANSUR takes it by another rule,
    so that only differences between people count; their mean is that of Anny's own proportions."""

    name: str
    columns: tuple[str, ...]
    scale: float
    sigma: float
    centred: bool = False


# ANSUR's columns are millimetres, weight is kg x 10. Waist is ANSUR's at the navel level. Callipers press where a tape
# does not (an ellipse of ANSUR's mean hip breadth and depth is 7 % shorter than its mean hip girth), so breadths and
# depths are centred.
TARGETS = (
    Target("height_cm", ("stature",), 0.1, 0.2),
    Target("weight_kg", ("weightkg",), 0.1, 0.4),
    Target("chest_girth_cm", ("chestcircumference",), 0.1, 0.5),
    Target("waist_girth_cm", ("waistcircumference",), 0.1, 0.5),
    Target("hip_girth_cm", ("buttockcircumference",), 0.1, 0.5),
    Target("thigh_girth_cm", ("thighcircumference",), 0.1, 0.7),
    Target("neck_girth_cm", ("neckcircumference",), 0.1, 0.6),
    Target("calf_girth_cm", ("calfcircumference",), 0.1, 0.5),
    Target("ankle_girth_cm", ("anklecircumference",), 0.1, 0.5),
    Target("wrist_girth_cm", ("wristcircumference",), 0.1, 0.4),
    Target("head_girth_cm", ("headcircumference",), 0.1, 0.7),
    Target("upper_arm_girth_cm", ("bicepscircumferenceflexed",), 0.1, 0.8, centred=True),
    Target("inside_leg_height_cm", ("crotchheight",), 0.1, 1.0),
    Target("arm_length_cm", ("acromionradialelength", "radialestylionlength"), 0.1, 1.0),
    Target("knee_height_cm", ("lateralfemoralepicondyleheight",), 0.1, 1.5),
    Target("waist_height_cm", ("waistheightomphalion",), 0.1, 1.5),
    Target("back_neck_to_waist_cm", ("waistbacklength",), 0.1, 1.5),
    Target("shoulder_breadth_cm", ("biacromialbreadth",), 0.1, 1.0, centred=True),
    Target("chest_breadth_cm", ("chestbreadth",), 0.1, 0.7, centred=True),
    Target("chest_depth_cm", ("chestdepth",), 0.1, 0.7, centred=True),
    Target("waist_breadth_cm", ("waistbreadth",), 0.1, 0.7, centred=True),
    Target("waist_depth_cm", ("waistdepth",), 0.1, 0.7, centred=True),
    Target("hip_breadth_cm", ("hipbreadth",), 0.1, 0.7, centred=True),
    Target("hip_depth_cm", ("buttockdepth",), 0.1, 0.7, centred=True),
)

_CENTRE = {"muscle": 0.5, "weight": 0.6, "height": 0.45, "proportions": 0.4}
_PHENOTYPE_SPREAD, _LOCAL_SPREAD = 0.35, 0.4
# The local changes that follow the centred targets, held near zero while Anny's own proportions are asked for.
_PROPORTIONS = {"measure-upperarm-circ-incr", "measure-shoulder-dist-incr"} | {
    f"{part}-scale-{way}-incr" for part in ("torso", "hip") for way in ("depth", "horiz")
}
_PINNED_SPREAD = 0.03
_STEPS = 16
_CENTRING_PEOPLE = 40
_GENDERS = {"female": 1.0, "male": 0.0}
_SEED = 20120401


def dimensions(body: Body) -> dict[str, float]:
    """The measurements, and breadth and depth of the trunk at chest, waist and hip, in cm."""
    values = {str(key): value for key, value in measure(body).items()}
    subject = Subject(body)
    for part, key in (
        ("chest", MeasurementKey.CHEST_GIRTH),
        ("waist", MeasurementKey.WAIST_GIRTH),
        ("hip", MeasurementKey.HIP_GIRTH),
    ):
        tapes = DEFINITIONS[key].tapes
        assert tapes is not None
        extent = np.ptp(tapes(subject)[0].points, axis=0)
        values[f"{part}_breadth_cm"], values[f"{part}_depth_cm"] = 100.0 * extent[0], 100.0 * extent[2]
    return values


class Subjects:
    """ANSUR's people of one sex."""

    def __init__(self, path: Path) -> None:
        with path.open(encoding="latin-1", newline="") as table:
            rows = list(csv.DictReader(table))
        self.age_years = np.array([float(row["Age"]) for row in rows])
        self.targets = np.array(
            [[sum(float(row[column]) for column in t.columns) * t.scale for t in TARGETS] for row in rows]
        )
        self.height_cm, self.weight_kg = self.targets[:, 0], self.targets[:, 1]
        self.log_bmi = np.log(self.weight_kg / (self.height_cm / 100.0) ** 2)

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Two thirds at random, one third the extremes of body mass index, so that slopes are known at the ends."""
        extremes = np.argsort(self.log_bmi)
        tail = np.concatenate([extremes[: count // 10], extremes[-(count // 3 - count // 10) :]])
        others = rng.permutation(np.setdiff1d(np.arange(len(self.age_years)), tail))
        return np.concatenate([tail, others[: count - len(tail)]])


class Fitting:
    """Anny brought to given dimensions by Gauss-Newton with Broyden updates of one shared Jacobian."""

    def __init__(self, space: AnnyShapeSpace, *, natural: bool = False) -> None:
        """natural: leave Anny's own proportions where ANSUR's rule differs from ours, instead of following ANSUR."""
        self.space = space
        self.centre = np.array([_CENTRE.get(name, 0.0) for name in space.parameter_names])
        spread = [_spread(name, natural=natural) for name in space.parameter_names]
        self._precision = np.diag(1.0 / np.square(spread))
        self._sigmas = np.array([np.inf if natural and target.centred else target.sigma for target in TARGETS])
        self.jacobian = self._finite_differences(self.centre)

    def measured(self, parameters: FloatArray) -> FloatArray:
        vertices = self.space.rest_points(parameters).surface[: self.space.topology.vertex_count]
        height_cm = 100.0 * float(np.ptp(vertices[:, 1]))
        values = dimensions(self.space.body(parameters, height_cm=height_cm))
        return np.array([values[target.name] for target in TARGETS])

    def _finite_differences(self, parameters: FloatArray) -> FloatArray:
        step = 0.1
        columns = []
        for index in range(len(parameters)):
            offset = np.zeros(len(parameters))
            offset[index] = step
            columns.append((self.measured(parameters + offset) - self.measured(parameters - offset)) / (2.0 * step))
        return np.stack(columns, axis=1)

    def fit(self, wanted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The most plausible parameters with these dimensions, and what is left: wanted less reached."""
        parameters, jacobian = self.centre.copy(), self.jacobian.copy()
        reached = self.measured(parameters)
        cost, damping = self._cost(parameters, wanted - reached), 0.01
        for _ in range(_STEPS):
            scaled = jacobian / self._sigmas[:, None]
            gradient = scaled.T @ ((wanted - reached) / self._sigmas) - self._precision @ (parameters - self.centre)
            matrix = scaled.T @ scaled + self._precision
            step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), gradient)
            moved: FloatArray = np.clip(parameters + step, *self.space.bounds)
            step = moved - parameters
            after = self.measured(moved)
            jacobian += np.outer(after - reached - jacobian @ step, step) / max(float(step @ step), 1e-6)
            new_cost = self._cost(moved, wanted - after)
            if new_cost >= cost:
                damping *= 8.0
                continue
            gain, cost, damping = cost - new_cost, new_cost, damping / 4.0
            parameters, reached = moved, after
            if gain < 0.05:
                break
        return parameters, wanted - reached

    def _cost(self, parameters: FloatArray, left: FloatArray) -> float:
        deviation = parameters - self.centre
        return float(np.square(left / self._sigmas).sum() + deviation @ self._precision @ deviation)


def _spread(name: str, *, natural: bool) -> float:
    if name in _CENTRE:
        return _PHENOTYPE_SPREAD
    return _PINNED_SPREAD if natural and name in _PROPORTIONS else _LOCAL_SPREAD


def derive(path: Path, gender: float, people: int) -> dict[str, FloatArray]:
    """The prior's numbers for one sex."""
    rng = np.random.default_rng(_SEED)
    subjects = Subjects(path)
    model = AnnyModel(load_tables())
    fitting = Fitting(model.shape_space(gender=gender, age_years=float(subjects.age_years.mean())))
    chosen = subjects.sample(people, rng)
    centred = np.array([target.centred for target in TARGETS])
    pilot = rng.permutation(chosen)[:_CENTRING_PEOPLE]
    natural = Fitting(fitting.space, natural=True)
    left = np.array([natural.fit(subjects.targets[i])[1] for i in pilot])
    offsets = np.where(centred, left.mean(axis=0), 0.0)
    fits = [fitting.fit(subjects.targets[i] - offsets) for i in chosen]
    parameters = np.array([fit[0] for fit in fits])
    left = np.array([fit[1] for fit in fits])
    _log.info("gender %g", gender)
    for target, offset, residual in zip(TARGETS, offsets, left.T, strict=True):
        _log.info("%-24s offset %6.2f  left %6.2f +- %.2f", target.name, offset, residual.mean(), residual.std())
    for name, column in zip(fitting.space.parameter_names, parameters.T, strict=True):
        _log.info("%-30s %6.2f +- %.2f", name, column.mean(), column.std())
    return joint_moments(subjects, chosen, parameters) | measurement_response(fitting.space, parameters)


def joint_moments(subjects: Subjects, chosen: NDArray[np.intp], parameters: FloatArray) -> dict[str, FloatArray]:
    """Mean and covariance of (height_cm, log BMI, age, parameters) over all of ANSUR's people of one sex.

    The regression of the parameters on the first three comes from the sample, whose tails are over-represented; the
    spread of the first three themselves from everybody.
    """
    facts = np.stack([subjects.height_cm, subjects.log_bmi, subjects.age_years], axis=1)
    design = np.hstack([np.ones((len(chosen), 1)), facts[chosen]])
    coefficients, *_ = np.linalg.lstsq(design, parameters, rcond=None)
    residuals = parameters - design @ coefficients
    slopes = coefficients[1:]
    covariance_of_facts = np.cov(facts.T)
    shared = covariance_of_facts @ slopes
    own = slopes.T @ shared + residuals.T @ residuals / (len(chosen) - design.shape[1])
    return {
        "mean": np.concatenate([facts.mean(axis=0), coefficients[0] + facts.mean(axis=0) @ slopes]),
        "covariance": np.block([[covariance_of_facts, shared], [shared.T, own]]),
    }


def measurement_response(space: AnnyShapeSpace, parameters: FloatArray) -> dict[str, FloatArray]:
    """(M, P) how each measurement follows the parameters, by least squares over the fitted people."""
    measured = []
    for row in parameters:
        vertices = space.rest_points(row).surface[: space.topology.vertex_count]
        values = measure(space.body(row, height_cm=100.0 * float(np.ptp(vertices[:, 1]))))
        measured.append([values[key] for key in MeasurementKey])
    design = np.hstack([np.ones((len(parameters), 1)), parameters])
    coefficients, *_ = np.linalg.lstsq(design, np.array(measured), rcond=None)
    return {"measurement_response": coefficients[1:].T}


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ansur2", type=Path)
    parser.add_argument("--people", type=int, default=300, help="how many of each sex to fit")
    arguments = parser.parse_args()
    load_tables()
    with ProcessPoolExecutor(max_workers=len(_GENDERS)) as pool:
        jobs = {
            sex: pool.submit(derive, arguments.ansur2 / f"ANSUR_II_{sex.upper()}_Public.csv", gender, arguments.people)
            for sex, gender in _GENDERS.items()
        }
        arrays = {
            f"{sex}_{name}": array.astype(np.float32)
            for sex, job in jobs.items()
            for name, array in job.result().items()
        }
    np.savez_compressed(OUTPUT, **arrays)


if __name__ == "__main__":
    main()
