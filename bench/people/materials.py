"""Procedural Blender materials: skin, cloth, hair, walls and floors; nothing is loaded from files."""

import math
from typing import Any

import bpy
import numpy as np

from bench.people.bodies import FloatArray
from bench.people.clothing import Colour

# roughness, subsurface weight, sheen, size of the bumps (noise scale), strength of the bumps
FINISHES: dict[str, tuple[float, float, float, float, float]] = {
    "skin": (0.52, 0.12, 0.0, 260.0, 0.04),
    "eyes": (0.15, 0.0, 0.0, 1.0, 0.0),
    "cloth": (0.85, 0.0, 0.25, 420.0, 0.12),
    "knit": (0.9, 0.0, 0.4, 9.0, 0.5),
    "hair": (0.5, 0.0, 0.1, 90.0, 0.7),
}


def linear(colours: FloatArray) -> FloatArray:
    """sRGB values, 0 to 1, as the linear light Blender computes with (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((np.maximum(colours, 0) + 0.055) / 1.055) ** 2.4)


def surface(finish: str) -> bpy.types.Material:
    """The material of a person's layer; its colour is the mesh's `colour` attribute."""
    if finish in bpy.data.materials:
        return bpy.data.materials[finish]
    roughness, subsurface, sheen, bump_scale, bump_strength = FINISHES[finish]
    material, shader = _new(finish)
    nodes = material.node_tree.nodes
    attribute = nodes.new("ShaderNodeAttribute")
    attribute.attribute_name = "colour"
    _link(material, attribute.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Subsurface Weight"].default_value = subsurface
    shader.inputs["Subsurface Radius"].default_value = (0.012, 0.005, 0.003)
    shader.inputs["Subsurface Scale"].default_value = 1.0
    shader.inputs["Sheen Weight"].default_value = sheen
    if bump_strength:
        # Hair runs downwards: its bumps are stretched along the height.
        stretch = (1.0, 1.0, 0.08) if finish == "hair" else (1.0, 1.0, 0.7)
        _bump(material, shader, bump_scale, bump_strength, stretch)
    return material


def plain(name: str, colour: Colour, *, roughness: float = 0.6) -> bpy.types.Material:
    """One even colour (sRGB)."""
    material, shader = _new(name)
    shader.inputs["Base Color"].default_value = _rgba(colour)
    shader.inputs["Roughness"].default_value = roughness
    return material


def wall(kind: str, colour: Colour) -> bpy.types.Material:
    """Paint with faint unevenness, bricks, or striped paper."""
    material, shader = _new("wall")
    shader.inputs["Roughness"].default_value = 0.85
    if kind == "brick":
        texture = _bricks(material, colour, scale=4.0, width=0.9, height=0.3, contrast=0.82, mortar=0.012, upright=True)
    elif kind == "stripes":
        stripes = _node(material, "ShaderNodeTexWave", Scale=3.0)
        texture = _ramp(material, stripes.outputs[1], colour, 0.88)
    else:
        noise = _node(material, "ShaderNodeTexNoise", Scale=1.2, Detail=2.0)
        texture = _ramp(material, noise.outputs[0], colour, 0.95)
    _link(material, texture.outputs[0], shader.inputs["Base Color"])
    return material


def floor(kind: str, colour: Colour) -> bpy.types.Material:
    """Boards, tiles or carpet."""
    material, shader = _new("floor")
    if kind == "carpet":
        noise = _node(material, "ShaderNodeTexNoise", Scale=180.0, Detail=3.0)
        texture = _ramp(material, noise.outputs[0], colour, 0.6)
        shader.inputs["Roughness"].default_value = 1.0
    elif kind == "tiles":
        texture = _bricks(material, colour, scale=1.0, width=0.45, height=0.45, contrast=0.94, mortar=0.006)
        shader.inputs["Roughness"].default_value = 0.3
    else:
        texture = _bricks(material, colour, scale=1.0, width=1.3, height=0.14, contrast=0.8, mortar=0.0015)
        shader.inputs["Roughness"].default_value = 0.42
    _link(material, texture.outputs[0], shader.inputs["Base Color"])
    return material


def light_world(world: bpy.types.World, tint: Colour, strength: float) -> None:
    """Even light from everywhere: what a room's walls throw back."""
    background = world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*tint, 1.0)
    background.inputs["Strength"].default_value = strength


def _new(name: str) -> tuple[bpy.types.Material, Any]:
    material = bpy.data.materials.new(name)
    return material, material.node_tree.nodes["Principled BSDF"]


def _node(material: bpy.types.Material, kind: str, *, upright: bool = False, **inputs: float) -> Any:
    """A texture over the floor's plane, or over the back wall's if upright."""
    node = material.node_tree.nodes.new(kind)
    position, turn = (material.node_tree.nodes.new(f"ShaderNode{name}") for name in ("NewGeometry", "Mapping"))
    turn.inputs["Rotation"].default_value = (math.pi / 2 if upright else 0.0, 0.0, 0.0)
    _link(material, position.outputs["Position"], turn.inputs["Vector"])
    _link(material, turn.outputs["Vector"], node.inputs["Vector"])
    for name, value in inputs.items():
        node.inputs[name].default_value = value
    return node


def _bricks(
    material: bpy.types.Material,
    colour: Colour,
    *,
    scale: float,
    width: float,
    height: float,
    contrast: float,
    mortar: float,
    upright: bool = False,
) -> Any:
    bricks = _node(material, "ShaderNodeTexBrick", upright=upright, Scale=scale)
    bricks.inputs["Mortar Size"].default_value = mortar
    bricks.inputs["Brick Width"].default_value = width
    bricks.inputs["Row Height"].default_value = height
    bricks.inputs["Color1"].default_value = _rgba(colour)
    bricks.inputs["Color2"].default_value = _rgba(_times(colour, contrast))
    bricks.inputs["Mortar"].default_value = _rgba(_times(colour, 0.6))
    return bricks


def _ramp(material: bpy.types.Material, factor: Any, colour: Colour, contrast: float) -> Any:
    ramp = material.node_tree.nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.4, 0.6
    ramp.color_ramp.elements[0].color = _rgba(_times(colour, contrast))
    ramp.color_ramp.elements[1].color = _rgba(colour)
    _link(material, factor, ramp.inputs[0])
    return ramp


def _bump(
    material: bpy.types.Material, shader: Any, scale: float, strength: float, stretch: tuple[float, float, float]
) -> None:
    nodes = material.node_tree.nodes
    noise, bump, mapping = (nodes.new(f"ShaderNode{kind}") for kind in ("TexNoise", "Bump", "Mapping"))
    position = nodes.new("ShaderNodeNewGeometry")
    mapping.inputs["Scale"].default_value = stretch
    noise.inputs["Scale"].default_value = scale
    bump.inputs["Strength"].default_value = strength
    bump.inputs["Distance"].default_value = 0.25 / scale
    _link(material, position.outputs["Position"], mapping.inputs["Vector"])
    _link(material, mapping.outputs["Vector"], noise.inputs["Vector"])
    _link(material, noise.outputs[0], bump.inputs["Height"])
    _link(material, bump.outputs["Normal"], shader.inputs["Normal"])


def _link(material: bpy.types.Material, output: Any, target: Any) -> None:
    material.node_tree.links.new(output, target)


def _rgba(colour: Colour) -> tuple[float, float, float, float]:
    red, green, blue = linear(np.array(colour)).tolist()
    return (red, green, blue, 1.0)


def _times(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
