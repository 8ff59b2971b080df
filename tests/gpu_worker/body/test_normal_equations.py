"""Sums and steps against closed forms on problems small enough to solve by other means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.body.body import FloatArray
from gpu_worker.body.normal_equations import NormalEquations, bounded_step

SIZE = 5


def random_equations(seed: int, size: int = SIZE) -> NormalEquations:
    rng = np.random.default_rng(seed)
    equations = NormalEquations(size)
    jacobian = rng.normal(size=(3 * size, size))
    equations.add_robust(rng.normal(size=3 * size), jacobian, np.arange(size), weights=np.ones(3 * size), huber=np.inf)
    return equations


def test_a_gaussian_term_is_half_its_mahalanobis_distance() -> None:
    precision = np.array([[4.0, 1.0], [1.0, 2.0]])
    equations = NormalEquations(4)
    equations.add_quadratic(slice(1, 3), precision, np.array([0.5, -1.0]))
    assert equations.cost == pytest.approx(0.5 * (4.0 * 0.25 + 2.0 * -0.5 + 2.0))
    np.testing.assert_allclose(equations.gradient, [0.0, 1.0, -1.5, 0.0])
    np.testing.assert_allclose(equations.matrix[1:3, 1:3], precision)
    assert equations.matrix.sum() == pytest.approx(precision.sum())


def test_independent_terms_are_a_diagonal_gaussian() -> None:
    deviation, sigma = np.array([0.3, -0.2]), np.array([0.1, 2.0])
    one, other = NormalEquations(4), NormalEquations(4)
    one.add_diagonal(2, deviation, sigma)
    other.add_quadratic(slice(2, 4), np.diag(1.0 / sigma**2), deviation)
    np.testing.assert_allclose(one.matrix, other.matrix)
    np.testing.assert_allclose(one.gradient, other.gradient)
    assert one.cost == pytest.approx(other.cost)


def test_a_scalar_residual_is_a_least_squares_term_of_one_row() -> None:
    equations = NormalEquations(3)
    equations.add_scalar(0.6, np.array([2.0, -1.0]), 0.2)
    assert equations.cost == pytest.approx(0.5 * 9.0)
    np.testing.assert_allclose(equations.gradient, [30.0, -15.0, 0.0])
    np.testing.assert_allclose(equations.matrix, [[100.0, -50.0, 0.0], [-50.0, 25.0, 0.0], [0.0, 0.0, 0.0]])


def test_terms_without_a_jacobian_add_cost_alone() -> None:
    equations = NormalEquations(2)
    equations.add_scalar(1.0, None, 0.5)
    equations.add_robust(np.array([1.0, 4.0]), None, np.arange(2), weights=np.array([1.0, 0.5]), huber=2.0)
    # 2 for the scalar, 1/2 for the inlier, half of 2 (4 - 1) for the outlier.
    assert equations.cost == pytest.approx(2.0 + 0.5 + 3.0)
    assert not equations.matrix.any()
    assert not equations.gradient.any()


@given(st.integers(0, 10_000), st.floats(0.1, 3.0))
def test_the_robust_gradient_is_the_derivative_of_the_robust_cost(seed: int, huber: float) -> None:
    rng = np.random.default_rng(seed)
    jacobian, constant = rng.normal(size=(8, 2)), 2.0 * rng.normal(size=8)
    weights, columns = rng.uniform(0.2, 1.0, size=8), np.array([3, 1])

    def at(parameters: FloatArray) -> NormalEquations:
        equations = NormalEquations(SIZE)
        residuals = constant + jacobian @ parameters[columns]
        equations.add_robust(residuals, jacobian, columns, weights=weights, huber=huber)
        return equations

    here, step = at(np.zeros(SIZE)), 1e-6
    slope = [(at(step * unit).cost - at(-step * unit).cost) / (2 * step) for unit in np.eye(SIZE)]
    np.testing.assert_allclose(here.gradient, slope, atol=1e-5)
    inliers = np.abs(constant) <= huber
    shares = weights * np.where(inliers, 1.0, huber / np.abs(constant))
    np.testing.assert_allclose(here.matrix[np.ix_(columns, columns)], jacobian.T @ (shares[:, None] * jacobian))


@given(st.integers(0, 10_000))
def test_an_unbounded_undamped_step_solves_the_problem(seed: int) -> None:
    equations = random_equations(seed)
    unbounded = np.full(SIZE, np.inf)
    step = bounded_step(equations, -unbounded, unbounded, damping=0.0)
    np.testing.assert_allclose(equations.matrix @ step, -equations.gradient, atol=1e-6)


def test_damping_shortens_the_step_in_every_direction_of_a_diagonal_problem() -> None:
    equations = NormalEquations(2)
    equations.add_diagonal(0, np.array([1.0, -2.0]), np.array([0.5, 3.0]))
    unbounded = np.full(2, np.inf)
    step = bounded_step(equations, -unbounded, unbounded, damping=1.0)
    np.testing.assert_allclose(step, [-0.5, 1.0], rtol=1e-6)


@given(
    st.integers(0, 10_000), st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.5)), min_size=SIZE, max_size=SIZE)
)
def test_a_bounded_step_stays_in_its_box_and_is_stationary_where_it_is_free(
    seed: int, margins: list[tuple[float, float]]
) -> None:
    equations = random_equations(seed)
    below, above = np.array(margins).T
    step = bounded_step(equations, -below, above, damping=0.0)
    assert (step >= -below).all()
    assert (step <= above).all()
    free = (step > -below) & (step < above)
    slope = equations.gradient + equations.matrix @ step
    np.testing.assert_allclose(slope[free], 0.0, atol=1e-6)


def test_parameters_without_room_are_held_while_the_others_find_their_best() -> None:
    equations = random_equations(1)
    lower, upper = np.full(SIZE, -np.inf), np.full(SIZE, np.inf)
    lower[:2] = upper[:2] = 0.0
    step = bounded_step(equations, lower, upper, damping=0.0)
    assert step[:2].tolist() == [0.0, 0.0]
    expected = np.linalg.solve(equations.matrix[2:, 2:], -equations.gradient[2:])
    np.testing.assert_allclose(step[2:], expected, rtol=1e-6)


def test_separable_bounds_are_met_exactly() -> None:
    equations = NormalEquations(3)
    equations.add_diagonal(0, np.array([1.0, 1.0, -1.0]), 0.3)
    step = bounded_step(equations, np.full(3, -0.25), np.array([np.inf, np.inf, 2.0]), damping=0.0)
    np.testing.assert_allclose(step, [-0.25, -0.25, 1.0], rtol=1e-6)
