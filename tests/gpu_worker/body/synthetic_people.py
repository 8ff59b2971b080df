"""People of known shape, posed and seen by known cameras, as the fit would get them: masks and landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gpu_worker.body.anny_model import AnnyModel, AnnyShapeSpace
from gpu_worker.body.body import FloatArray
from gpu_worker.body.camera import Camera
from gpu_worker.body.kinematics import rotation_from_vector
from gpu_worker.body.landmarks import MEDIAPIPE_INDEX
from gpu_worker.body.posed_view import PosedView
from gpu_worker.body.prior import AnnyPrior
from gpu_worker.body.shape_space import RestPoints
from gpu_worker.body.sighting import Sighting
from gpu_worker.glb.normals import vertex_normals
from gpu_worker.measurement.measure import measure
from gpu_worker.person.person import Person, View
from gpu_worker.preview.rasterizer import rasterize_mask
from shared.measurements import MeasurementKey
from shared.person import Sex

WIDTH_PX, HEIGHT_PX = 720, 960
_SAMPLES = 3
_LANDMARK_NOISE_PX = 4.0
_CLOTHES_M = 0.003
_HEIGHT_CM = {Sex.FEMALE: 164.0, Sex.MALE: 177.0}


@dataclass(frozen=True, eq=False)
class SyntheticPerson:
    """A shape, what a tape says of it, and how it looks in each view."""

    sex: Sex
    age_years: float
    height_cm: float
    measurements: dict[MeasurementKey, float]
    sightings: dict[View, Sighting]

    @property
    def weight_kg(self) -> float:
        return self.measurements[MeasurementKey.WEIGHT]

    def seen_from(self, *views: View) -> list[Sighting]:
        return [self.sightings[view] for view in views]


def synthetic_person(anny: AnnyModel, prior: AnnyPrior, sex: Sex, seed: int) -> SyntheticPerson:
    """Somebody drawn from the prior of random facts. The same seed gives the same person."""
    rng = np.random.default_rng([seed, int(sex is Sex.MALE)])
    told_height_cm, bmi = rng.normal(_HEIGHT_CM[sex], 6.0), np.exp(rng.normal(np.log(25.0), 0.13))
    age_years = float(rng.uniform(20.0, 55.0))
    expected = prior.of_person(
        height_cm=told_height_cm, weight_kg=bmi * (told_height_cm / 100.0) ** 2, sex=sex, age_years=age_years
    )
    space = anny.shape_space(gender=expected.gender, age_years=age_years)
    drawn = rng.multivariate_normal(expected.parameters.mean, expected.parameters.covariance)
    parameters = np.clip(drawn, *space.bounds)
    rest = space.rest_points(parameters)
    height_cm = 100.0 * float(np.ptp(rest.surface[: space.topology.vertex_count, 1]))
    pose = _standing(space, rng)
    return SyntheticPerson(
        sex=sex,
        age_years=age_years,
        height_cm=height_cm,
        measurements=measure(space.body(parameters, height_cm=height_cm)),
        sightings={view: _sighting(space, rest, view, pose, rng) for view in View},
    )


def _standing(space: AnnyShapeSpace, rng: np.random.Generator) -> dict[int, FloatArray]:
    """Arms and legs held a little away from the body, everything else nearly at rest."""
    names: Sequence[str] = ("spine04", "spine02", "neck01", "head")
    pose = {space.topology.joint(name): rng.normal(scale=0.02, size=3) for name in names}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        limbs = {
            "upperarm01": (0.0, 0.0, -0.2 * sign),
            "lowerarm01": (0.0, 0.0, 0.0),
            "upperleg01": (0.0, 0.0, -0.05 * sign),
        }
        for name, turn in limbs.items():
            pose[space.topology.joint(f"{name}.{side}")] = np.array(turn) + rng.normal(scale=0.04, size=3)
    return pose


def _sighting(
    space: AnnyShapeSpace, rest: RestPoints, view: View, pose: dict[int, FloatArray], rng: np.random.Generator
) -> Sighting:
    seen = _placed(space, rest, view, pose, rng)
    vertex_count, faces = space.topology.vertex_count, space.topology.faces
    skin = rest.surface[:vertex_count]
    clothed = RestPoints(
        np.concatenate([skin + _CLOTHES_M * vertex_normals(skin, faces), rest.surface[vertex_count:]]), rest.joints
    )
    vertices_px = seen.pixels(clothed, slice(0, vertex_count))
    fine = rasterize_mask(_SAMPLES * vertices_px, faces, (_SAMPLES * WIDTH_PX, _SAMPLES * HEIGHT_PX))
    mask = cv2.resize(fine, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    keypoints_px = dict(zip(space.topology.keypoint_names, seen.pixels(rest)[vertex_count:], strict=True))
    landmarks_px, visibility = np.zeros((33, 2)), np.zeros(33)
    for name, index in MEDIAPIPE_INDEX.items():
        landmarks_px[index] = keypoints_px[name] + rng.normal(scale=_LANDMARK_NOISE_PX, size=2)
        visibility[index] = 1.0
    return Sighting(view, (HEIGHT_PX, WIDTH_PX), Person(landmarks_px, visibility, mask, ()))


def _placed(
    space: AnnyShapeSpace, rest: RestPoints, view: View, pose: dict[int, FloatArray], rng: np.random.Generator
) -> PosedView:
    """The person in the middle of the photo, filling three quarters of its height."""
    camera = Camera.with_field_of_view(float(rng.uniform(50.0, 64.0)), width_px=WIDTH_PX, height_px=HEIGHT_PX)
    quarter_turn = np.pi / 2 + rng.normal(scale=0.05) if view is View.SIDE else rng.normal(scale=0.03)
    upright_to_camera = np.diag([1.0, -1.0, -1.0])
    pitch = rotation_from_vector(np.array([rng.normal(scale=0.04), 0.0, 0.0]))
    rotation = pitch @ upright_to_camera @ rotation_from_vector(np.array([0.0, quarter_turn, 0.0]))
    vertices = rest.surface[: space.topology.vertex_count]
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2.0
    distance_m = np.ptp(vertices[:, 1]) * camera.focal_px / (0.75 * HEIGHT_PX)
    return PosedView(
        topology=space.topology,
        camera=camera,
        rotation=rotation,
        translation_m=np.array([0.05, 0.05, distance_m]) - rotation @ middle,
        posed_joints=tuple(pose),
        joint_vectors=np.stack(list(pose.values())) + rng.normal(scale=0.02, size=(len(pose), 3)),
    )
