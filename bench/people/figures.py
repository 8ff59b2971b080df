"""Puts a person together where they stand in the scene: body, looks and clothes."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from bench.people.bodies import BodyModel, FloatArray
from bench.people.clothing import Layer, dress
from bench.people.looks import appear
from bench.people.posing import stand
from bench.people.shots import Figure, Shot, project


def figure_layers(model: BodyModel, figure: Figure) -> list[Layer]:
    """The surfaces of one person, in the scene's metres."""
    body = model.rest(figure.shape)
    posed = stand(model, body, figure.pose)
    layers = appear(model, body, posed, figure.look) + dress(model, body, posed, figure.outfit)
    return [replace(layer, vertices_m=_placed(figure, layer.vertices_m)) for layer in layers]


def skin_in_scene(model: BodyModel, figure: Figure) -> FloatArray:
    """(V, 3) the bare body's vertices in the scene's metres: what a perfect fit would find."""
    return _placed(figure, stand(model, model.rest(figure.shape), figure.pose).vertices_m)


def joints_px(model: BodyModel, shot: Shot) -> dict[str, tuple[float, float]]:
    """Where the first figure's bones begin in the picture, by bone name, before lens distortion."""
    figure = shot.figures[0]
    joints = _placed(figure, stand(model, model.rest(figure.shape), figure.pose).joints_m)
    places = np.round(project(shot.camera, shot.finish, joints), 2).tolist()
    return {name: (x, y) for name, (x, y) in zip(model.bone_names, places, strict=True)}


def _placed(figure: Figure, points_m: FloatArray) -> FloatArray:
    turned = Rotation.from_euler("z", figure.facing_deg, degrees=True).apply(points_m)
    return np.asarray(turned + np.array([figure.x_m, figure.y_m, 0.0]), dtype=np.float64)
