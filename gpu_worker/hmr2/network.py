"""HMR2, the network that sees a person's pose, rough shape and camera in one crop, in plain PyTorch.

Goel, Pavlakos, Rajasegaran, Kanazawa, Malik: "Humans in 4D: Reconstructing and Tracking Humans with Transformers"
(ICCV 2023): a vision transformer (ViT-H, as ViTPose trained it) reads the crop, and a transformer decoder with a single
query reads SMPL's parameters from it. Modules are named so that the published checkpoint's tensors load one to one.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BODY_JOINTS = 23
SHAPE_DIRECTIONS = 10
_CAMERA_PARAMETERS = 3
_ROTATION_PARAMETERS = 6


@dataclass(frozen=True)
class NetworkDimensions:
    """Sizes of the network; the defaults are those of the published checkpoint, smaller ones serve tests.

    crop_px: side of the square crops given. The network looks at their middle three quarters (256 x 192 pixels).
    patch_px, padding_px: of the convolution that makes tokens. width, depth, heads, mlp_width: the backbone's.
    head_...: the decoder's; each of its attention heads is head_dimensions wide.
    """

    crop_px: int = 256
    patch_px: int = 16
    padding_px: int = 2
    width: int = 1280
    depth: int = 32
    heads: int = 16
    mlp_width: int = 5120
    head_width: int = 1024
    head_depth: int = 6
    head_heads: int = 8
    head_dimensions: int = 64
    head_mlp_width: int = 1024

    @property
    def margin_px(self) -> int:
        """Columns of the crop that the network does not see, on each side."""
        return self.crop_px // 8

    @property
    def tokens(self) -> int:
        rows, columns = (
            (side + 2 * self.padding_px - self.patch_px) // self.patch_px + 1
            for side in (self.crop_px, self.crop_px - 2 * self.margin_px)
        )
        return rows * columns


@dataclass(frozen=True)
class SmplEstimate:
    """What the network sees in n crops, float32 and on the network's device.

    global_orient: (n, 1, 3, 3) rotation of the whole body. body_pose: (n, 23, 3, 3) of each joint to its parent. betas:
    (n, 10) SMPL's shape. cam: (n, 3) scale and shift of the body in the crop (gpu_worker.hmr2.camera).
    """

    global_orient: Tensor
    body_pose: Tensor
    betas: Tensor
    cam: Tensor


class HMR2(nn.Module):
    """Normalised crops (n, 3, 256, 256) to a `SmplEstimate`. For inference only: no parameter takes a gradient.

    Crops are converted to the parameters' own type, so `HMR2().to(torch.bfloat16)` takes the same float32 crops. The
    last, small step, from the decoder's answer to rotations, is computed in float32 always.
    """

    def __init__(self, dimensions: NetworkDimensions | None = None) -> None:
        super().__init__()
        self.dimensions = dimensions or NetworkDimensions()
        self.backbone = _VisionTransformer(self.dimensions)
        self.smpl_head = _SmplHead(self.dimensions)
        self.requires_grad_(False)
        self.eval()

    def forward(self, crops: Tensor) -> SmplEstimate:
        """Raises ValueError where the crops are not (n, 3, crop_px, crop_px)."""
        side = self.dimensions.crop_px
        if crops.ndim != 4 or crops.shape[1:] != (3, side, side):
            raise ValueError(f"crops have shape (n, 3, {side}, {side}), not {tuple(crops.shape)}")
        margin = self.dimensions.margin_px
        return cast(SmplEstimate, self.smpl_head(self.backbone(crops[:, :, :, margin : side - margin])))


def rotations_from_6d(parameters: Tensor) -> Tensor:
    """(..., 3, 3) rotations from (..., 6): the first two columns, one after the other, not yet orthonormal.

    Gram-Schmidt after Zhou et al., "On the Continuity of Rotation Representations in Neural Networks" (CVPR 2019).
    """
    first, second = parameters[..., :3], parameters[..., 3:]
    first = F.normalize(first, dim=-1)
    second = F.normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack((first, second, torch.linalg.cross(first, second)), dim=-1)


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head attention of (n, tokens, heads * dimensions) arrays; answers the shape of `query`."""
    query, key, value = (
        part.reshape(*part.shape[:2], heads, part.shape[2] // heads).transpose(1, 2) for part in (query, key, value)
    )
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class _PatchEmbedding(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.padding_px = dimensions.padding_px
        self.proj = nn.Conv2d(3, dimensions.width, dimensions.patch_px, stride=dimensions.patch_px)

    def forward(self, crops: Tensor) -> Tensor:
        # Patches do not overlap, so one matrix product does it. As a convolution it would run in TF32 on a GPU, with
        # errors near 1e-3, unless a setting of the whole process were changed.
        patch_px = self.proj.kernel_size[0]
        padded = F.pad(crops, (self.padding_px,) * 4)
        n, colours, height_px, width_px = padded.shape
        rows, columns = height_px // patch_px, width_px // patch_px
        patches = padded[:, :, : rows * patch_px, : columns * patch_px].reshape(
            n, colours, rows, patch_px, columns, patch_px
        )
        flat = patches.permute(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, colours * patch_px**2)
        return F.linear(flat, self.proj.weight.flatten(1), self.proj.bias)


class _BackboneAttention(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.heads = dimensions.heads
        self.qkv = nn.Linear(dimensions.width, 3 * dimensions.width)
        self.proj = nn.Linear(dimensions.width, dimensions.width)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).chunk(3, dim=-1)
        return cast(Tensor, self.proj(_attend(query, key, value, self.heads)))


class _BackboneMlp(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dimensions.width, dimensions.mlp_width)
        self.fc2 = nn.Linear(dimensions.mlp_width, dimensions.width)

    def forward(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self.fc2(F.gelu(self.fc1(tokens))))


class _BackboneBlock(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dimensions.width, eps=1e-6)
        self.attn = _BackboneAttention(dimensions)
        self.norm2 = nn.LayerNorm(dimensions.width, eps=1e-6)
        self.mlp = _BackboneMlp(dimensions)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return cast(Tensor, tokens + self.mlp(self.norm2(tokens)))


class _VisionTransformer(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbedding(dimensions)
        # The first position belonged to a class token that the backbone was first trained with.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + dimensions.tokens, dimensions.width))
        self.blocks = nn.ModuleList(_BackboneBlock(dimensions) for _ in range(dimensions.depth))
        self.last_norm = nn.LayerNorm(dimensions.width, eps=1e-6)

    def forward(self, crops: Tensor) -> Tensor:
        tokens = self.patch_embed(crops.to(self.pos_embed.dtype))
        tokens = tokens + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            tokens = block(tokens)
        return cast(Tensor, self.last_norm(tokens))


class _SelfAttention(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.heads = dimensions.head_heads
        inner_width = dimensions.head_heads * dimensions.head_dimensions
        self.to_qkv = nn.Linear(dimensions.head_width, 3 * inner_width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner_width, dimensions.head_width))

    def forward(self, queries: Tensor) -> Tensor:
        query, key, value = self.to_qkv(queries).chunk(3, dim=-1)
        return cast(Tensor, self.to_out(_attend(query, key, value, self.heads)))


class _CrossAttention(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.heads = dimensions.head_heads
        inner_width = dimensions.head_heads * dimensions.head_dimensions
        self.to_kv = nn.Linear(dimensions.width, 2 * inner_width, bias=False)
        self.to_q = nn.Linear(dimensions.head_width, inner_width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner_width, dimensions.head_width))

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        key, value = self.to_kv(tokens).chunk(2, dim=-1)
        return cast(Tensor, self.to_out(_attend(self.to_q(queries), key, value, self.heads)))


class _FeedForward(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        # The published module drops out after each of these; nothing takes the place here, so that the names fit.
        self.net = nn.Sequential(
            nn.Linear(dimensions.head_width, dimensions.head_mlp_width),
            nn.GELU(),
            nn.Identity(),
            nn.Linear(dimensions.head_mlp_width, dimensions.head_width),
        )

    def forward(self, queries: Tensor) -> Tensor:
        return cast(Tensor, self.net(queries))


class _Normalised(nn.Module):
    """A layer norm before a module."""

    def __init__(self, width: int, module: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = module

    def forward(self, queries: Tensor, *others: Tensor) -> Tensor:
        return cast(Tensor, self.fn(self.norm(queries), *others))


class _DecoderLayers(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(
                _Normalised(dimensions.head_width, part(dimensions))
                for part in (_SelfAttention, _CrossAttention, _FeedForward)
            )
            for _ in range(dimensions.head_depth)
        )

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        for layer in self.layers:
            attend_self, attend_tokens, feed_forward = cast(nn.ModuleList, layer)
            queries = queries + attend_self(queries)
            queries = queries + attend_tokens(queries, tokens)
            queries = queries + feed_forward(queries)
        return queries


class _Decoder(nn.Module):
    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.to_token_embedding = nn.Linear(1, dimensions.head_width)
        self.pos_embedding = nn.Parameter(torch.zeros(1, 1, dimensions.head_width))
        self.transformer = _DecoderLayers(dimensions)

    def forward(self, tokens: Tensor) -> Tensor:
        queries = self.to_token_embedding(tokens.new_zeros(len(tokens), 1, 1)) + self.pos_embedding
        return cast(Tensor, self.transformer(queries, tokens))[:, 0]


class _SmplHead(nn.Module):
    init_body_pose: Tensor
    init_betas: Tensor
    init_cam: Tensor

    def __init__(self, dimensions: NetworkDimensions) -> None:
        super().__init__()
        self.transformer = _Decoder(dimensions)
        pose_parameters = (1 + BODY_JOINTS) * _ROTATION_PARAMETERS
        self.decpose = nn.Linear(dimensions.head_width, pose_parameters)
        self.decshape = nn.Linear(dimensions.head_width, SHAPE_DIRECTIONS)
        self.deccam = nn.Linear(dimensions.head_width, _CAMERA_PARAMETERS)
        self.register_buffer("init_body_pose", torch.zeros(1, pose_parameters))
        self.register_buffer("init_betas", torch.zeros(1, SHAPE_DIRECTIONS))
        self.register_buffer("init_cam", torch.zeros(1, _CAMERA_PARAMETERS))

    def forward(self, tokens: Tensor) -> SmplEstimate:
        answer = self.transformer(tokens)
        pose = _offset_from_mean(answer, self.decpose, self.init_body_pose)
        rotations = rotations_from_6d(pose.reshape(-1, 1 + BODY_JOINTS, _ROTATION_PARAMETERS))
        return SmplEstimate(
            global_orient=rotations[:, :1],
            body_pose=rotations[:, 1:],
            betas=_offset_from_mean(answer, self.decshape, self.init_betas),
            cam=_offset_from_mean(answer, self.deccam, self.init_cam),
        )


def _offset_from_mean(answer: Tensor, decoder: nn.Linear, mean: Tensor) -> Tensor:
    """In float32: a rounded mean pose would turn every joint."""
    return F.linear(answer.float(), decoder.weight.float(), decoder.bias.float()) + mean.float()
