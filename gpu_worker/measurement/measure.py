"""Measures a body: every key of the contract, and the derivative of a girth for those who fit bodies to girths."""

from dataclasses import dataclass

import numpy as np

from gpu_worker.body.body import Body
from gpu_worker.measurement.definitions import DEFINITIONS
from gpu_worker.measurement.geometry import FloatArray, IndexArray, girth_gradient
from gpu_worker.measurement.subject import Subject
from shared.measurements import MeasurementKey


@dataclass(frozen=True, eq=False)
class LinearGirth:
    """A girth and how it changes as the vertices move.

    value_cm: the girth. vertices: (k,) the vertices it depends on. gradient: (k, 3) cm a metre.
    """

    value_cm: float
    vertices: IndexArray
    gradient: FloatArray


def measure(body: Body) -> dict[MeasurementKey, float]:
    """Everything a tailor would take on a body in the canonical pose: cm, l and kg, as each key says.

    Raises UnknownBodyModel if no landmarks are known for `body.model`, NothingCut if a part of the body is missing.
    """
    subject = Subject(body)
    return {key: definition.take(subject) for key, definition in DEFINITIONS.items()}


def linear_girth(body: Body, key: MeasurementKey, *, level_follows: bool = False) -> LinearGirth:
    """A girth with its derivative by the vertices of the canonical pose, where the tape lies now.

    level_follows: let a horizontal tape rise and fall with the vertices that set its level, instead of holding still.
    Raises ValueError if `key` is not a girth; else as `measure`.
    """
    tapes = DEFINITIONS[key].tapes
    if tapes is None:
        raise ValueError(f"{key} is not a girth")
    linear = [girth_gradient(tape, body.vertices_m, level_follows=level_follows) for tape in tapes(Subject(body))]
    share = 100.0 / len(linear)
    vertices, where = np.unique(np.concatenate([ids for _, ids, _ in linear]), return_inverse=True)
    gradient = np.zeros((len(vertices), 3))
    np.add.at(gradient, where, np.concatenate([share * slope for _, _, slope in linear]))
    return LinearGirth(share * sum(value for value, _, _ in linear), vertices.astype(np.int32), gradient)
