"""Turns a shot into a Blender scene and a photo; the only module that needs Blender (`bpy`)."""

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from bench.people import furniture, materials
from bench.people.bodies import BodyModel
from bench.people.clothing import Layer
from bench.people.figures import figure_layers
from bench.people.shots import Camera, Light, Shot

# Enough for the denoiser; more samples change nothing that a photo of 720 x 960 pixels shows.
SAMPLES = 12
THREADS = 2


def render(model: BodyModel, shot: Shot) -> NDArray[np.uint8]:
    """(H, W, 3) the picture as the sensor sees it, before lens, noise and compression."""
    _start(shot)
    for figure in shot.figures:
        for layer in figure_layers(model, figure):
            _add_layer(layer)
    furniture.build_room(shot.room)
    _add_light(shot.light)
    bpy.context.scene.view_settings.exposure = shot.light.exposure_stops
    return _picture()[..., :3]


def render_mask(model: BodyModel, shot: Shot) -> NDArray[np.uint8]:
    """(H, W) how much of each pixel the people cover, clothes and hair included, 0 to 255, before the lens."""
    scene = _start(shot)
    scene.cycles.samples = 32
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 0
    scene.render.film_transparent = True
    for figure in shot.figures:
        for layer in figure_layers(model, figure):
            _add_layer(layer)
    return _picture()[..., 3]


def _start(shot: Shot) -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.seed = 1
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.denoising_prefilter = "FAST"
    scene.cycles.max_bounces = 4
    scene.cycles.caustics_reflective = False
    scene.cycles.caustics_refractive = False
    scene.render.threads_mode = "FIXED"
    scene.render.threads = THREADS
    scene.render.resolution_x = shot.finish.width_px
    scene.render.resolution_y = shot.finish.height_px
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    _add_camera(scene, shot.camera)
    return scene


def _picture() -> NDArray[np.uint8]:
    scene = bpy.context.scene
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGBA"))


def _add_camera(scene: bpy.types.Scene, camera: Camera) -> None:
    lens = bpy.data.cameras.new("camera")
    lens.sensor_fit = "VERTICAL"
    lens.angle_y = math.radians(camera.vertical_fov_deg)
    holder = bpy.data.objects.new("camera", lens)
    holder.location = (camera.x_m, -camera.distance_m, camera.height_m)
    across, away = camera.aim_x_m - camera.x_m, camera.distance_m
    tilt = math.atan2(camera.aim_z_m - camera.height_m, math.hypot(across, away))
    aim = Rotation.from_euler("x", math.pi / 2 + tilt)
    turned = Rotation.from_euler("z", -math.atan2(across, away)) * aim
    rolled = turned * Rotation.from_euler("z", camera.roll_deg, degrees=True)
    holder.rotation_euler = rolled.as_euler("xyz")
    scene.collection.objects.link(holder)
    scene.camera = holder


def _add_light(light: Light) -> None:
    scene = bpy.context.scene
    # Warm light has less blue, cold light less red.
    tint = (1.0 + 0.12 * light.warmth, 1.0, 1.0 - 0.25 * light.warmth)
    key = bpy.data.lights.new("key", "AREA")
    key.size = light.key_size_m
    key.energy = 90.0 * light.key_strength
    key.color = tint
    holder = bpy.data.objects.new("key", key)
    holder.location = (2.2 * light.key_side, -2.4, 2.6)
    direction = np.array([0.0, 0.3, 1.0]) - np.array(holder.location)
    yaw, level = math.atan2(direction[0], direction[1]), math.hypot(direction[0], direction[1])
    holder.rotation_euler = (math.pi / 2 + math.atan2(direction[2], level), 0.0, -yaw)
    scene.collection.objects.link(holder)
    world = bpy.data.worlds.new("room light")
    scene.world = world
    materials.light_world(world, tint, 0.55 * light.ambient_strength)


def _add_layer(layer: Layer) -> None:
    mesh = bpy.data.meshes.new(layer.name)
    mesh.from_pydata(layer.vertices_m.tolist(), [], layer.faces.tolist())
    colour = mesh.attributes.new("colour", "FLOAT_COLOR", "POINT")
    linear = materials.linear(layer.colours)
    colour.data.foreach_set("color", np.concatenate([linear, np.ones((len(linear), 1))], axis=1).ravel())
    mesh.shade_smooth()
    mesh.materials.append(materials.surface(layer.material))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new(layer.name, mesh))
