"""Every column of the picture's derivative against finite differences, on a small body of random points."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.body.body import FloatArray
from gpu_worker.body.camera import Camera
from gpu_worker.body.kinematics import rotation_from_vector
from gpu_worker.body.posed_view import RIGID_PARAMETERS, PosedView
from gpu_worker.body.shape_space import RestPoints, Topology

PARENTS = np.array([-1, 0, 1, 0, 3], dtype=np.int32)
POSED = (1, 2, 4)
POINTS, SHAPES = 12, 3
ROWS = np.array([0, 3, 4, 11])


class LinearShapes:
    """Rest points that are linear in the parameters, so that their Jacobian is known."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.surface = rng.normal(scale=0.4, size=(POINTS, 3))
        self.joints = rng.normal(scale=0.4, size=(len(PARENTS), 3))
        self.surface_jacobian: NDArray[np.float32] = rng.normal(scale=0.1, size=(SHAPES, POINTS, 3)).astype(np.float32)
        self.joints_jacobian = rng.normal(scale=0.1, size=(SHAPES, len(PARENTS), 3))

    def rest(self, parameters: FloatArray) -> RestPoints:
        return RestPoints(
            self.surface + np.tensordot(parameters, self.surface_jacobian.astype(np.float64), 1),
            self.joints + np.tensordot(parameters, self.joints_jacobian, 1),
        )


def seen(rng: np.random.Generator) -> PosedView:
    topology = Topology(
        faces=np.empty((0, 3), dtype=np.int32),
        face_regions=np.empty(0, dtype=np.int32),
        joint_names=("hips", "spine", "head", "thigh", "shin"),
        joint_parents=PARENTS,
        keypoint_names=(),
        skin=rng.dirichlet(np.ones(len(PARENTS)), size=POINTS),
        vertex_count=POINTS,
    )
    return PosedView(
        topology=topology,
        camera=Camera(focal_px=700.0, width_px=480, height_px=640),
        rotation=rotation_from_vector(rng.normal(size=3)),
        translation_m=np.array([0.1, -0.2, 4.0]),
        posed_joints=POSED,
        joint_vectors=rng.normal(scale=0.7, size=(len(POSED), 3)),
    )


@pytest.fixture(params=range(4))
def scene(request: pytest.FixtureRequest) -> tuple[LinearShapes, FloatArray, PosedView]:
    rng = np.random.default_rng(request.param)
    return LinearShapes(rng), rng.normal(size=SHAPES), seen(rng)


def test_the_jacobian_is_the_derivative_of_the_pixels(scene: tuple[LinearShapes, FloatArray, PosedView]) -> None:
    shapes, parameters, view = scene
    pixels, depths, jacobian = view.pixels_and_jacobian(
        shapes.rest(parameters), ROWS, shapes.surface_jacobian, shapes.joints_jacobian
    )
    np.testing.assert_allclose(pixels, view.pixels(shapes.rest(parameters))[ROWS])
    np.testing.assert_allclose(depths, view.camera_points(shapes.rest(parameters), ROWS)[:, 2])
    size = SHAPES + view.parameter_count
    assert jacobian.shape == (len(ROWS), 2, size)

    def pixels_after(step: FloatArray) -> FloatArray:
        return view.moved(step[SHAPES:]).pixels(shapes.rest(parameters + step[:SHAPES]), ROWS)

    length = 1e-6
    slopes = [(pixels_after(length * unit) - pixels_after(-length * unit)) / (2 * length) for unit in np.eye(size)]
    np.testing.assert_allclose(jacobian, np.stack(slopes, axis=2), rtol=1e-5, atol=1e-3)


def test_a_held_shape_leaves_out_its_columns_and_changes_no_other(
    scene: tuple[LinearShapes, FloatArray, PosedView],
) -> None:
    shapes, parameters, view = scene
    rest = shapes.rest(parameters)
    _, _, full = view.pixels_and_jacobian(rest, ROWS, shapes.surface_jacobian, shapes.joints_jacobian)
    _, _, held = view.pixels_and_jacobian(rest, ROWS, None, None)
    np.testing.assert_allclose(held, full[:, :, SHAPES:])


def test_no_step_moves_nothing(scene: tuple[LinearShapes, FloatArray, PosedView]) -> None:
    shapes, parameters, view = scene
    rest = shapes.rest(parameters)
    assert view.parameter_count == RIGID_PARAMETERS + 3 * len(POSED)
    np.testing.assert_allclose(view.moved(np.zeros(view.parameter_count)).pixels(rest), view.pixels(rest))


def test_a_translation_moves_the_person_in_metres(scene: tuple[LinearShapes, FloatArray, PosedView]) -> None:
    shapes, parameters, view = scene
    rest, step = shapes.rest(parameters), np.zeros(view.parameter_count)
    step[4:7] = 0.1, 0.2, 0.3
    np.testing.assert_allclose(view.moved(step).camera_points(rest), view.camera_points(rest) + step[4:7])
