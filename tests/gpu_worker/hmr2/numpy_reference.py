"""HMR2 once more, in float64 numpy and loops, written from its description and not from our torch modules."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from gpu_worker.hmr2.network import NetworkDimensions

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """The network's answer for n crops, shaped as `SmplEstimate` is."""

    global_orient: Array
    body_pose: Array
    betas: Array
    cam: Array


def layer_norm(x: Array, scale: Array, shift: Array, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    normal: Array = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * scale + shift
    return normal


def gelu(x: Array) -> Array:
    result: Array = x * 0.5 * (1.0 + erf(x / np.sqrt(2.0)))
    return result


def attention(query: Array, key: Array, value: Array, heads: int) -> Array:
    """One sample: (a, width), (b, width), (b, width)."""
    width = query.shape[1] // heads
    mixed = np.empty_like(query)
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        scores = query[:, part] @ key[:, part].T / np.sqrt(width)
        likeness = np.exp(scores - scores.max(1, keepdims=True))
        mixed[:, part] = likeness / likeness.sum(1, keepdims=True) @ value[:, part]
    return mixed


def tokens_of(crop: Array, w: Mapping[str, Array], dimensions: NetworkDimensions) -> Array:
    margin, patch, padding = dimensions.crop_px // 8, dimensions.patch_px, dimensions.padding_px
    seen = np.pad(crop[:, :, margin:-margin], ((0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((side - patch) // patch + 1 for side in seen.shape[1:])
    kernel, bias = w["backbone.patch_embed.proj.weight"], w["backbone.patch_embed.proj.bias"]
    tokens = [
        (kernel * seen[:, r * patch : (r + 1) * patch, c * patch : (c + 1) * patch]).sum((1, 2, 3)) + bias
        for r in range(rows)
        for c in range(columns)
    ]
    position = w["backbone.pos_embed"][0]
    placed: Array = np.array(tokens) + position[1:] + position[0]
    return placed


def backbone(tokens: Array, w: Mapping[str, Array], dimensions: NetworkDimensions) -> Array:
    for index in range(dimensions.depth):
        b = f"backbone.blocks.{index}."
        normal = layer_norm(tokens, w[b + "norm1.weight"], w[b + "norm1.bias"], 1e-6)
        query, key, value = np.split(normal @ w[b + "attn.qkv.weight"].T + w[b + "attn.qkv.bias"], 3, axis=1)
        mixed = attention(query, key, value, dimensions.heads)
        tokens = tokens + mixed @ w[b + "attn.proj.weight"].T + w[b + "attn.proj.bias"]
        normal = layer_norm(tokens, w[b + "norm2.weight"], w[b + "norm2.bias"], 1e-6)
        hidden = gelu(normal @ w[b + "mlp.fc1.weight"].T + w[b + "mlp.fc1.bias"])
        tokens = tokens + hidden @ w[b + "mlp.fc2.weight"].T + w[b + "mlp.fc2.bias"]
    return layer_norm(tokens, w["backbone.last_norm.weight"], w["backbone.last_norm.bias"], 1e-6)


def decoder(tokens: Array, w: Mapping[str, Array], dimensions: NetworkDimensions) -> Array:
    h = "smpl_head.transformer."
    query = (w[h + "to_token_embedding.bias"] + w[h + "pos_embedding"][0, 0])[None]
    for index in range(dimensions.head_depth):
        layer = f"{h}transformer.layers.{index}."
        own, cross, feed = (layer + f"{part}." for part in range(3))
        normal = layer_norm(query, w[own + "norm.weight"], w[own + "norm.bias"], 1e-5)
        q, k, v = np.split(normal @ w[own + "fn.to_qkv.weight"].T, 3, axis=1)
        mixed = attention(q, k, v, dimensions.head_heads)
        query = query + mixed @ w[own + "fn.to_out.0.weight"].T + w[own + "fn.to_out.0.bias"]
        normal = layer_norm(query, w[cross + "norm.weight"], w[cross + "norm.bias"], 1e-5)
        k, v = np.split(tokens @ w[cross + "fn.to_kv.weight"].T, 2, axis=1)
        mixed = attention(normal @ w[cross + "fn.to_q.weight"].T, k, v, dimensions.head_heads)
        query = query + mixed @ w[cross + "fn.to_out.0.weight"].T + w[cross + "fn.to_out.0.bias"]
        normal = layer_norm(query, w[feed + "norm.weight"], w[feed + "norm.bias"], 1e-5)
        hidden = gelu(normal @ w[feed + "fn.net.0.weight"].T + w[feed + "fn.net.0.bias"])
        query = query + hidden @ w[feed + "fn.net.3.weight"].T + w[feed + "fn.net.3.bias"]
    answer: Array = query[0]
    return answer


def rotation(parameters: Array) -> Array:
    first = parameters[:3] / np.linalg.norm(parameters[:3])
    second = parameters[3:] - first @ parameters[3:] * first
    second = second / np.linalg.norm(second)
    return np.column_stack([first, second, np.cross(first, second)])


def estimate(crops: Array, w: Mapping[str, Array], dimensions: NetworkDimensions) -> Reference:
    rotations, betas, cams = [], [], []
    for crop in crops:
        answer = decoder(backbone(tokens_of(crop, w, dimensions), w, dimensions), w, dimensions)

        def decoded(layer: str, mean: str, answer: Array = answer) -> Array:
            offset: Array = w[f"smpl_head.{layer}.weight"] @ answer + w[f"smpl_head.{layer}.bias"]
            moved: Array = offset + w[f"smpl_head.{mean}"][0]
            return moved

        rotations.append([rotation(part) for part in decoded("decpose", "init_body_pose").reshape(24, 6)])
        betas.append(decoded("decshape", "init_betas"))
        cams.append(decoded("deccam", "init_cam"))
    turned = np.array(rotations)
    return Reference(turned[:, :1], turned[:, 1:], np.array(betas), np.array(cams))
