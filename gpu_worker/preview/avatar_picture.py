"""Draws a body from three sides in one picture, so that a person can judge an avatar without a 3D viewer."""

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import Body, FloatArray, Region
from gpu_worker.glb.normals import vertex_normals
from gpu_worker.preview.png import encode_png
from gpu_worker.preview.rasterizer import rasterize_values

Picture = NDArray[np.float32]

_HEIGHT_PX = 720
_MARGIN_PX = 40
_SUPERSAMPLING = 2
# Rows: right, up and towards the viewer, in the body's frame (Y up, facing +Z).
_VIEWS = (
    np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]),
)
_SHADED_RGB = np.array([78.0, 71.0, 68.0], dtype=np.float32)
_LIT_RGB = np.array([241.0, 233.0, 224.0], dtype=np.float32)
_BACKGROUND_TOP_RGB = np.array([250.0, 250.0, 249.0], dtype=np.float32)
_BACKGROUND_BOTTOM_RGB = np.array([232.0, 232.0, 230.0], dtype=np.float32)
_FLOOR_SHADOW = 0.3
# The picture wears a plain dark suit on trunk and thighs: nobody asked to be shown bare.
_SUIT_REGIONS = (Region.UPPER_TRUNK, Region.LOWER_TRUNK, Region.LEFT_THIGH, Region.RIGHT_THIGH)
_SUIT_BRIGHTNESS = 0.42
# Rounds of averaging with the neighbours, which turn the jagged border of the faces into a soft hem.
_HEM_SOFTENING = 4


def render_preview(body: Body) -> bytes:
    """PNG of the body's front, left side and back, at one scale and on one floor, without perspective.

    The picture is 720 pixels high and as wide as the body needs.
    """
    normals = vertex_normals(body.vertices_m, body.faces)
    height_m = float(np.ptp(body.vertices_m[:, 1]))
    px_per_m = (_HEIGHT_PX - 2 * _MARGIN_PX) / height_m
    brightness = _brightness(body)
    panels = [_panel(body, normals, brightness, view, px_per_m) for view in _VIEWS]
    return encode_png(np.hstack(panels))


def _brightness(body: Body) -> FloatArray:
    """(V,) how much light each vertex gives back: less where every face around it is of the suit."""
    bare = body.faces[~np.isin(body.face_regions, [int(region) for region in _SUIT_REGIONS])]
    brightness = np.full(len(body.vertices_m), _SUIT_BRIGHTNESS)
    brightness[np.unique(bare)] = 1.0
    for _ in range(_HEM_SOFTENING):
        by_face = brightness[body.faces].mean(axis=1)
        shares = np.bincount(body.faces.ravel(), np.repeat(by_face, 3), minlength=len(brightness))
        brightness = shares / np.maximum(np.bincount(body.faces.ravel(), minlength=len(brightness)), 1)
    return brightness


def _panel(
    body: Body, normals: FloatArray, brightness: FloatArray, view: FloatArray, px_per_m: float
) -> NDArray[np.uint8]:
    seen_m = body.vertices_m @ view.T
    left_m, right_m = float(seen_m[:, 0].min()), float(seen_m[:, 0].max())
    width_px = int(np.ceil((right_m - left_m) * px_per_m)) + _MARGIN_PX
    middle_px = width_px / 2.0 - (left_m + right_m) / 2.0 * px_per_m
    floor_px = _HEIGHT_PX - _MARGIN_PX + float(seen_m[:, 1].min()) * px_per_m
    points_px = np.stack([middle_px + seen_m[:, 0] * px_per_m, floor_px - seen_m[:, 1] * px_per_m], axis=1)

    size = (width_px, _HEIGHT_PX)
    fine_light, fine_coverage = rasterize_values(
        points_px * _SUPERSAMPLING,
        -seen_m[:, 2],
        body.faces,
        _light(normals @ view.T) * brightness,
        (width_px * _SUPERSAMPLING, _HEIGHT_PX * _SUPERSAMPLING),
    )
    alpha = cv2.resize(fine_coverage.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    light = cv2.resize(fine_light, size, interpolation=cv2.INTER_AREA)
    picture = _backdrop(points_px, size)
    figure = alpha > 0.0
    opacity = alpha[figure][:, None]
    shade = np.clip(light[figure][:, None] / opacity, 0.0, 1.0)
    picture[figure] += opacity * (_SHADED_RGB + (_LIT_RGB - _SHADED_RGB) * shade - picture[figure])
    return np.rint(picture).astype(np.uint8)


def _light(normals: FloatArray) -> FloatArray:
    """Brightness of a matte surface, (V,) in [0, 1], under a soft lamp, a weaker one opposite and a bright sky.

    normals: (V, 3) right, up, towards the viewer.
    """
    lamp = np.array([-0.58, 0.51, 0.635])
    fill = np.array([0.75, 0.1, 0.65])
    facing = np.clip(normals[:, 2], 0.0, 1.0)
    # Half-Lambert: light that wraps round the form keeps its shaded side readable.
    wrapped = ((normals @ lamp + 1.0) / 2.0) ** 2
    brightness: FloatArray = (
        0.74 * wrapped + 0.12 * np.clip(normals @ fill, 0.0, 1.0) + 0.08 * (normals[:, 1] + 1.0) / 2.0 + 0.18 * facing
    )
    return brightness


def _backdrop(points_px: FloatArray, size: tuple[int, int]) -> Picture:
    """A light wall with the soft shadow of the feet on the floor."""
    width, height = size
    down = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    wall = _BACKGROUND_TOP_RGB + (_BACKGROUND_BOTTOM_RGB - _BACKGROUND_TOP_RGB) * down
    picture = np.repeat(wall, width, axis=1)

    floor_px = float(points_px[:, 1].max())
    feet_x = points_px[points_px[:, 1] > floor_px - 0.06 * height, 0]
    ground = picture[round(floor_px) - _MARGIN_PX :]
    shadow = np.zeros(ground.shape[:2], dtype=np.float32)
    centre = (round(float(feet_x.min() + feet_x.max()) / 2.0), _MARGIN_PX - 2)
    axes = (round(float(np.ptp(feet_x)) / 2.0) + 8, 7)
    cv2.ellipse(shadow, centre, axes, 0.0, 0.0, 360.0, (1.0,), cv2.FILLED)
    ground *= 1.0 - _FLOOR_SHADOW * cv2.GaussianBlur(shadow, (0, 0), 9.0, sigmaY=4.0)[:, :, None]
    return picture
