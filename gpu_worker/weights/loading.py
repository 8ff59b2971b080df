"""Brings converted weights into memory: each file read once, tensors straight to the device they are used on."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from gpu_worker.hmr2.network import HMR2, NetworkDimensions
from gpu_worker.weights.manifest import HMR2_NAME, SMPL_NAME, require


def load_hmr2(
    folder: Path,
    *,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
    dimensions: NetworkDimensions | None = None,
) -> HMR2:
    """The network on a device, ready to use. Raises WeightsUnusable where the folder's file is missing or not whole.

    With another dtype than float32, backbone and decoder take it; the mean pose and the last layers stay in float32.
    """
    require(folder, HMR2_NAME)
    with torch.device("meta"):
        network = HMR2(dimensions)
    network.load_state_dict(load_file(folder / HMR2_NAME, device=str(device)), assign=True)
    network.backbone.to(dtype)
    network.smpl_head.transformer.to(dtype)
    # load_state_dict gives parameters the requires_grad of what was there, buffers excepted; none takes a gradient.
    return network.requires_grad_(False).eval()


def load_smpl(folder: Path) -> dict[str, NDArray[np.generic]]:
    """SMPL's arrays, as `read_smpl_pickle` describes them. Raises WeightsUnusable."""
    require(folder, SMPL_NAME)
    with np.load(folder / SMPL_NAME, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
