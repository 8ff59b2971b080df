"""How far off each measurement may be: what the fit does not know, and what no fit of a mesh to a person can."""

import numpy as np

from gpu_worker.body.body import FloatArray
from gpu_worker.measurement.definitions import DEFINITIONS, Kind
from shared.measurements import MeasurementKey

# Half-width of the interval that holds nine in ten of a normal distribution, in sigmas.
P90_SIGMAS = 1.645

# One sigma of the difference between a tape on the person and a tape on the right mesh, by kind: ISO 20685 asks body
# scanners for mean errors under 4-9 mm, which is about 5-11 mm sigma; clothes and posture come on top.
_TAPE_SIGMA = {
    Kind.GIRTH: 0.7,
    Kind.LENGTH: 0.8,
    Kind.HEIGHT: 0.8,
    Kind.BREADTH: 0.8,
    Kind.VOLUME: 1.0,
    Kind.MASS: 1.0,
}
# Trunk girths: what regression on exact tape breadths and depths leaves over in ANSUR II, cross-validated (mean
# absolute error 2.4/1.9/1.2 cm from a breadth, 1.55/1.25/1.05 cm from breadth and depth, for chest, waist, hip), times
# 1.25 to a sigma. A silhouette tells no more than those.
_SILHOUETTE_SIGMA = {
    MeasurementKey.CHEST_GIRTH: (0.0, 3.0, 1.9),
    MeasurementKey.UNDERBUST_GIRTH: (0.0, 3.0, 1.9),
    MeasurementKey.WAIST_GIRTH: (0.0, 2.4, 1.6),
    MeasurementKey.ABDOMEN_GIRTH: (0.0, 2.4, 1.6),
    MeasurementKey.HIP_GIRTH: (0.0, 1.5, 1.3),
}
_HEIGHT_SIGMA_CM = 0.1


def expected_errors(covariance: FloatArray, *, photo_count: int, weight_given: bool) -> dict[MeasurementKey, float]:
    """`error_p90` of each measurement, in its own unit.

    covariance: (M, M) of the measurements as the fit sees it, in the order of MeasurementKey. photo_count: 0 to 2.
    The height is the one given and counts as known, and so does the weight.
    """
    errors = {}
    for variance, key in zip(np.diag(covariance), MeasurementKey, strict=True):
        tape = _TAPE_SIGMA[DEFINITIONS[key].kind]
        silhouette = _SILHOUETTE_SIGMA.get(key, (0.0, 0.0, 0.0))[photo_count]
        sigma = float(np.sqrt(max(variance, 0.0) + tape**2 + silhouette**2))
        if key is MeasurementKey.HEIGHT or (key is MeasurementKey.WEIGHT and weight_given):
            sigma = _HEIGHT_SIGMA_CM if key is MeasurementKey.HEIGHT else tape
        errors[key] = P90_SIGMAS * sigma
    return errors
