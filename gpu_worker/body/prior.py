"""What shapes people have, before any photo is looked at."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpu_worker.body.body import FloatArray


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
