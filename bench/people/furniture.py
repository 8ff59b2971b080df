"""The room behind the person: floor, wall and clutter from simple solids."""

import math

import bpy
import numpy as np

from bench.people import materials
from bench.people.clothing import Colour
from bench.people.shots import Room

Place = tuple[float, float, float]


def build_room(room: Room) -> None:
    """Floor, back wall, skirting board, and as many pieces of furniture as the room says."""
    wall_y = room.wall_distance_m
    _box("floor", (0, wall_y - 4.0, -0.05), (9.0, 8.0, 0.1), materials.floor(room.floor, room.floor_colour), bevel_m=0)
    _box("wall", (0, wall_y + 0.05, 1.6), (9.0, 0.1, 3.4), materials.wall(room.wall, room.wall_colour), bevel_m=0)
    _box("skirting", (0, wall_y - 0.008, 0.045), (9.0, 0.016, 0.09), materials.plain("skirting", (0.93, 0.92, 0.9)))
    random = np.random.default_rng(room.seed)
    # One piece to each stretch of wall, so that they stand side by side as in a home.
    places = np.linspace(-room.clutter_reach_m, room.clutter_reach_m, room.clutter)
    places += random.uniform(-0.15, 0.15, room.clutter)
    pieces = (_bookcase, _sofa, _plant, _picture, _door, _lamp, _chair, _curtain)
    order = random.permutation(len(pieces))
    for number in range(room.clutter):
        pieces[order[number % len(pieces)]](float(places[number]), wall_y, random)


def _bookcase(x: float, wall_y: float, random: np.random.Generator) -> None:
    wood = materials.plain("bookcase", _shade(random, (0.5, 0.36, 0.24)))
    width, height, depth = 0.8, random.uniform(1.2, 2.0), 0.3
    y = wall_y - depth / 2 - 0.02
    for side in (-1, 1):
        _box("side", (x + side * width / 2, y, height / 2), (0.03, depth, height), wood)
    _box("back", (x, wall_y - 0.03, height / 2), (width, 0.02, height), wood)
    for level in np.arange(0.1, height, 0.36):
        _box("shelf", (x, y, float(level)), (width, depth, 0.025), wood)
        left = x - width / 2 + 0.04
        while left < x + width / 2 - 0.08 and random.uniform() > 0.06:
            thickness, tall = random.uniform(0.02, 0.055), random.uniform(0.18, 0.29)
            book = materials.plain("book", _any_colour(random))
            _box("book", (left + thickness / 2, y, float(level) + 0.0125 + tall / 2), (thickness, 0.2, tall), book)
            left += thickness + 0.003


def _sofa(x: float, wall_y: float, random: np.random.Generator) -> None:
    cloth = materials.plain("sofa", _any_colour(random), roughness=0.95)
    y = wall_y - 0.42
    _box("seat", (x, y, 0.22), (1.5, 0.75, 0.4), cloth, bevel_m=0.06)
    _box("back", (x, wall_y - 0.13, 0.5), (1.5, 0.22, 0.75), cloth, bevel_m=0.06)
    for side in (-1, 1):
        _box("arm", (x + side * 0.8, y, 0.32), (0.18, 0.75, 0.6), cloth, bevel_m=0.06)
    cushion = materials.plain("cushion", _any_colour(random), roughness=0.95)
    _box("cushion", (x + random.uniform(-0.4, 0.4), y + 0.12, 0.58), (0.4, 0.14, 0.36), cushion, bevel_m=0.05)


def _plant(x: float, wall_y: float, random: np.random.Generator) -> None:
    y = wall_y - 0.3
    bpy.ops.mesh.primitive_cone_add(radius1=0.11, radius2=0.15, depth=0.28, location=(x, y, 0.14), vertices=40)
    _finish(materials.plain("pot", _shade(random, (0.7, 0.45, 0.35))))
    leaf = materials.plain("leaf", _shade(random, (0.2, 0.4, 0.16)))
    for _ in range(26):
        turn, rise, size = random.uniform(0, 2 * math.pi), random.uniform(0.4, 1.2), random.uniform(0.12, 0.24)
        reach = random.uniform(0.05, 0.26)
        place = (x + reach * math.cos(turn), min(y + reach * math.sin(turn), wall_y - 0.1), 0.25 + rise * 0.75)
        bpy.ops.mesh.primitive_uv_sphere_add(radius=size, location=place, segments=12, ring_count=8)
        leaf_object = bpy.context.object
        leaf_object.scale = (1.0, 0.3, 0.08)
        leaf_object.rotation_euler = (random.uniform(-0.6, 0.6), random.uniform(-1.2, 0.2), turn)
        _finish(leaf)


def _picture(x: float, wall_y: float, random: np.random.Generator) -> None:
    width, height = random.uniform(0.4, 0.9), random.uniform(0.4, 0.8)
    z = random.uniform(1.4, 1.8)
    _box(
        "frame",
        (x, wall_y - 0.012, z),
        (width, 0.025, height),
        materials.plain("frame", _shade(random, (0.2, 0.18, 0.16))),
    )
    for _ in range(5):
        w, h = random.uniform(0.1, 0.8) * width * 0.8, random.uniform(0.1, 0.8) * height * 0.8
        dx, dz = random.uniform(-0.5, 0.5) * (width * 0.9 - w), random.uniform(-0.5, 0.5) * (height * 0.9 - h)
        paint = materials.plain("paint", _any_colour(random))
        _box("paint", (x + dx, wall_y - 0.027 - random.uniform(0, 0.002), z + dz), (w, 0.003, h), paint, bevel_m=0)


def _door(x: float, wall_y: float, random: np.random.Generator) -> None:
    paint = materials.plain("door", _shade(random, (0.75, 0.7, 0.62)))
    _box("frame", (x, wall_y - 0.015, 1.04), (0.98, 0.03, 2.1), materials.plain("door frame", (0.9, 0.89, 0.87)))
    _box("leaf", (x, wall_y - 0.03, 1.0), (0.84, 0.03, 2.0), paint)
    for z in (0.55, 1.45):
        _box("panel", (x, wall_y - 0.045, z), (0.56, 0.02, 0.7), paint, bevel_m=0.008)
    _box("handle", (x + 0.36, wall_y - 0.075, 1.0), (0.12, 0.02, 0.02), materials.plain("metal", (0.6, 0.6, 0.6)))


def _lamp(x: float, wall_y: float, random: np.random.Generator) -> None:
    y, metal = wall_y - 0.25, materials.plain("stand", (0.12, 0.12, 0.12))
    for radius, depth, z in ((0.13, 0.03, 0.015), (0.013, 1.45, 0.74)):
        bpy.ops.mesh.primitive_cylinder_add(radius=radius, depth=depth, location=(x, y, z), vertices=40)
        _finish(metal)
    bpy.ops.mesh.primitive_cone_add(radius1=0.21, radius2=0.14, depth=0.3, location=(x, y, 1.55), vertices=48)
    _finish(materials.plain("shade", _shade(random, (0.9, 0.85, 0.72)), roughness=1.0))


def _chair(x: float, wall_y: float, random: np.random.Generator) -> None:
    wood = materials.plain("chair", _shade(random, (0.45, 0.3, 0.2)))
    y = wall_y - random.uniform(0.35, 0.6)
    _box("seat", (x, y, 0.45), (0.42, 0.42, 0.04), wood)
    for across in (-0.18, 0.18):
        _box("leg", (x + across, y - 0.18, 0.22), (0.035, 0.035, 0.44), wood)
        _box("post", (x + across, y + 0.18, 0.45), (0.035, 0.035, 0.9), wood)
    for z in (0.6, 0.72, 0.85):
        _box("rail", (x, y + 0.18, z), (0.38, 0.02, 0.05), wood)


def _curtain(x: float, wall_y: float, random: np.random.Generator) -> None:
    across, steps = random.uniform(0.8, 1.2), 160
    offsets = np.linspace(-across / 2, across / 2, steps)
    folds = wall_y - 0.09 + 0.04 * np.sin(offsets * random.uniform(40, 60))
    low = [(x + offset, fold, 0.02) for offset, fold in zip(offsets.tolist(), folds.tolist(), strict=True)]
    high = [(point[0], point[1], 2.5) for point in low]
    mesh = bpy.data.meshes.new("curtain")
    mesh.from_pydata(low + high, [], [(i, i + 1, steps + i + 1, steps + i) for i in range(steps - 1)])
    mesh.shade_smooth()
    mesh.materials.append(materials.plain("curtain", _any_colour(random), roughness=0.95))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("curtain", mesh))


def _box(name: str, place: Place, size: Place, material: bpy.types.Material, *, bevel_m: float = 0.004) -> None:
    half = [side / 2 for side in size]
    corners = [(a * half[0], b * half[1], c * half[2]) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], faces)
    mesh.materials.append(material)
    box = bpy.data.objects.new(name, mesh)
    box.location = place
    bpy.context.scene.collection.objects.link(box)
    if bevel_m:
        bevel = box.modifiers.new("bevel", "BEVEL")
        bevel.width, bevel.segments = bevel_m, 3


def _finish(material: bpy.types.Material) -> None:
    bpy.ops.object.shade_smooth()
    bpy.context.object.data.materials.append(material)


def _any_colour(random: np.random.Generator) -> Colour:
    base = random.uniform(0.12, 0.8)
    red, green, blue = np.clip(base + random.normal(0, 0.07, 3), 0.04, 0.95).tolist()
    return (red, green, blue)


def _shade(random: np.random.Generator, colour: Colour) -> Colour:
    factor = float(random.uniform(0.6, 1.3))
    return (min(colour[0] * factor, 0.95), min(colour[1] * factor, 0.95), min(colour[2] * factor, 0.95))
