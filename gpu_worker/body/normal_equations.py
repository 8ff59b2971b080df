"""Sums the terms of a robust least-squares problem and solves it for one bounded step."""

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray


class NormalEquations:
    """Gauss-Newton's matrix (n, n), gradient (n,) and cost of the terms added so far.

    Residuals are divided by their sigma before they come here. Without Jacobians only the cost is summed.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.matrix: FloatArray = np.zeros((size, size))
        self.gradient: FloatArray = np.zeros(size)
        self.cost = 0.0

    def add_quadratic(self, where: slice, precision: FloatArray, deviation: FloatArray) -> None:
        """A Gaussian term of precision (m, m) on the parameters at `where`, which deviate by (m,) from its mean."""
        self.matrix[where, where] += precision
        self.gradient[where] += precision @ deviation
        self.cost += 0.5 * float(deviation @ precision @ deviation)

    def add_diagonal(self, at: int, deviation: FloatArray, sigma: FloatArray | float) -> None:
        """Independent Gaussian terms on the parameters from `at` on, which deviate by (m,), with sigma."""
        where = np.arange(at, at + len(deviation))
        precision = np.broadcast_to(1.0 / np.square(sigma), deviation.shape)
        self.matrix[where, where] += precision
        self.gradient[where] += precision * deviation
        self.cost += 0.5 * float((precision * deviation**2).sum())

    def add_scalar(self, residual: float, gradient: FloatArray | None, sigma: float) -> None:
        """One residual that depends on the first len(gradient) parameters."""
        scaled = residual / sigma
        self.cost += 0.5 * scaled**2
        if gradient is not None:
            count = len(gradient)
            direction = gradient / sigma
            self.matrix[:count, :count] += np.outer(direction, direction)
            self.gradient[:count] += direction * scaled

    def add_robust(
        self,
        residuals: FloatArray,
        jacobian: FloatArray | None,
        columns: NDArray[np.intp],
        *,
        weights: FloatArray,
        huber: float,
    ) -> None:
        """Residuals (m,) with Huber's loss, quadratic up to `huber`; jacobian (m, c) belongs to the named columns."""
        sizes = np.abs(residuals)
        outlying = sizes > huber
        losses = np.where(outlying, huber * (sizes - 0.5 * huber), 0.5 * residuals**2)
        self.cost += float((weights * losses).sum())
        if jacobian is None:
            return
        weights = weights * np.where(outlying, huber / np.maximum(sizes, 1e-12), 1.0)
        weighted = jacobian * weights[:, None]
        self.matrix[np.ix_(columns, columns)] += weighted.T @ jacobian
        self.gradient[columns] += weighted.T @ residuals


def bounded_step(equations: NormalEquations, lower: FloatArray, upper: FloatArray, *, damping: float) -> FloatArray:
    """The step (n,) that lowers the cost most, kept within lower and upper by an active set.

    damping: Levenberg-Marquardt's, as a share of the matrix's diagonal.
    """
    matrix = equations.matrix + np.diag(damping * np.diag(equations.matrix) + 1e-9)
    step = np.zeros(equations.size)
    free = upper > lower
    for _ in range(equations.size):
        held = ~free
        target = -equations.gradient[free] - matrix[np.ix_(free, held)] @ step[held]
        step[free] = np.linalg.solve(matrix[np.ix_(free, free)], target)
        beyond = free & ((step < lower) | (step > upper))
        if not beyond.any():
            break
        step[beyond] = np.clip(step[beyond], lower[beyond], upper[beyond])
        free &= ~beyond
    return step
