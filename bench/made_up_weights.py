"""Weights of HMR2's true names and shapes but without its licence: drawn at random, the same on every machine.

What the published network answers with them is known (../shared/hmr2), so they show whether ours computes the same, and
speed does not depend on what the numbers are.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gpu_worker.hmr2.network import SmplEstimate

PARITY_SALT, PARITY_IMAGE_SEED, PARITY_IMAGES = "dev", 11, 2
OUTPUTS = ("global_orient", "body_pose", "betas", "cam")
_NORMS = ("norm1.weight", "norm2.weight", "last_norm.weight", "norm.weight")


def made_up_tensor(name: str, shape: Sequence[int], salt: str = PARITY_SALT) -> NDArray[np.float32]:
    """The tensor of this name, as the recipe beside the parity data draws it."""
    random = np.random.default_rng(zlib.crc32(f"{salt}:{name}".encode()))
    tensor = random.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
    if name.endswith(_NORMS):
        tensor += np.float32(1.0)
    if name.endswith("init_body_pose"):
        # From the same generator, which has already drawn once.
        tensor = random.standard_normal(shape, dtype=np.float32)
    if name.endswith("init_cam"):
        tensor = np.array([[0.9, 0.01, 0.02]], dtype=np.float32)
    return tensor


def made_up_weights(shapes: Mapping[str, Sequence[int]], salt: str = PARITY_SALT) -> dict[str, torch.Tensor]:
    """A state dict of made-up tensors."""
    return {name: torch.from_numpy(made_up_tensor(name, shape, salt)) for name, shape in shapes.items()}


def made_up_crops(count: int, *, side_px: int = 256, seed: int = PARITY_IMAGE_SEED) -> torch.Tensor:
    """(count, 3, side_px, side_px) float32, distributed like normalised crops."""
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.standard_normal((count, 3, side_px, side_px), dtype=np.float32))


def parity_errors(estimate: SmplEstimate, published: Path) -> dict[str, float]:
    """Relative error of each answer for the parity images, |ours - published| / |published|."""
    with np.load(published) as expected:
        return {
            name: float(np.linalg.norm(getattr(estimate, name).cpu().numpy() - expected[name]))
            / float(np.linalg.norm(expected[name]))
            for name in OUTPUTS
        }
