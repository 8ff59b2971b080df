"""HMR2 scaled down until it runs in milliseconds anywhere, with every part that the large one has."""

import torch

from bench.made_up_weights import made_up_weights
from gpu_worker.hmr2.network import HMR2, NetworkDimensions

SMALL = NetworkDimensions(
    crop_px=64,
    width=48,
    depth=2,
    heads=3,
    mlp_width=96,
    head_width=32,
    head_depth=2,
    head_heads=2,
    head_dimensions=8,
    head_mlp_width=40,
)


def small_weights(*, spread: float = 10.0) -> dict[str, torch.Tensor]:
    """Made-up weights, the matrices enlarged: at a spread of 0.02 so small a network would hardly answer."""
    shapes = {name: tuple(tensor.shape) for name, tensor in HMR2(SMALL).state_dict().items()}
    weights = made_up_weights(shapes, salt="small")
    return {
        name: tensor * spread if tensor.ndim > 1 and "init" not in name else tensor for name, tensor in weights.items()
    }


def small_network() -> HMR2:
    network = HMR2(SMALL)
    network.load_state_dict(small_weights())
    return network
