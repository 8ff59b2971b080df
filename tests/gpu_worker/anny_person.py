"""An average adult made by the embedded body model, for tests that must hold on a real body."""

from functools import cache

import numpy as np

from gpu_worker.body.anny_cache import load_tables
from gpu_worker.body.anny_model import AnnyModel
from gpu_worker.body.body import Body


@cache
def anny_person() -> Body:
    """A woman of 30, 172 cm tall. Builds the body model's tables if this machine has none."""
    shapes = AnnyModel(load_tables()).shape_space(gender=1.0, age_years=30.0)
    averages = {"muscle": 0.5, "weight": 0.6, "height": 0.5, "proportions": 0.5}
    parameters = np.array([averages.get(name, 0.0) for name in shapes.parameter_names])
    return shapes.body(parameters, height_cm=172.0)
