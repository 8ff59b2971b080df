"""Checkpoints and SMPL models with made-up numbers, pickled the way that the real ones are.

Classes of packages that are not installed (yacs, chumpy) exist only while something is pickled.
"""

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from gpu_worker.weights.smpl_file import JOINTS, POSE_DIRECTIONS, VERTICES

# Each SMPL joint's parent.
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]


@contextmanager
def pretended(module: str, **bases: type) -> Iterator[dict[str, type]]:
    """Classes of a module that is not installed, importable until the block ends, so that pickle can name them."""
    parts = module.split(".")
    names = [".".join(parts[: end + 1]) for end in range(len(parts))]
    made = {name: ModuleType(name) for name in names if name not in sys.modules}
    classes = {name: type(name, (base,), {"__module__": module}) for name, base in bases.items()}
    for name, class_ in classes.items():
        setattr(made[module], name, class_)
    sys.modules.update(made)
    try:
        yield classes
    finally:
        for name in made:
            del sys.modules[name]


def save_lightning_checkpoint(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """What Lightning saves: a state dict with a discriminator, the optimizer's state, and settings as yacs nodes."""
    state = {**weights, "discriminator.fc.weight": torch.ones(4, 4), "initialized": torch.tensor(True)}
    parameter = torch.nn.Parameter(torch.ones(3))
    with pretended("yacs.config", CfgNode=dict) as classes:
        settings = classes["CfgNode"]({"MODEL": classes["CfgNode"]({"IMAGE_SIZE": 256, "MEAN": [0.485, 0.456, 0.406]})})
        settings.__dict__["__immutable__"] = True
        content = {
            "epoch": 35,
            "global_step": 1000000,
            "pytorch-lightning_version": "1.8.1",
            "state_dict": state,
            "optimizer_states": [{"state": {0: {"exp_avg": parameter}}, "param_groups": [{"lr": np.float64(1e-5)}]}],
            "callbacks": {"checkpoint": {"dirpath": Path("logs"), "best": np.arange(3.0)}},
            "hyper_parameters": {"cfg": settings, "init_renderer": False},
            "hparams_name": "kwargs",
        }
        torch.save(content, path)


def smpl_arrays() -> dict[str, NDArray[Any]]:
    """Arrays of SMPL's shapes that satisfy what SMPL's do: weights and regressor average, parents before children."""
    random = np.random.default_rng(8)
    weights = random.random((VERTICES, JOINTS)) ** 8
    regressor = np.zeros((JOINTS, VERTICES))
    for joint in range(JOINTS):
        regressor[joint, random.choice(VERTICES, 30, replace=False)] = 1.0 / 30.0
    return {
        "v_template": random.standard_normal((VERTICES, 3)),
        "shapedirs": random.standard_normal((VERTICES, 3, 10)),
        "posedirs": random.standard_normal((VERTICES, 3, POSE_DIRECTIONS)),
        "J_regressor": regressor,
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "kintree_table": np.array([PARENTS, range(JOINTS)]).astype(np.uint32),
        "f": random.integers(0, VERTICES, (13776, 3)).astype(np.uint32),
    }


def save_smpl(path: Path, arrays: Mapping[str, Any], *, with_chumpy: bool = False, protocol: int = 2) -> None:
    """SMPL's pickle: the regressor sparse, beside parts that nobody needs; optionally with chumpy's objects."""
    content: dict[str, Any] = dict(arrays)
    if isinstance(content.get("J_regressor"), np.ndarray):
        content["J_regressor"] = sparse.csc_matrix(content["J_regressor"])
    content |= {"bs_style": "lbs", "bs_type": "lrotmin", "pose_training_info": {"gender": "neutral", "n": 1786}}
    if not with_chumpy:
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        return
    with pretended("chumpy.ch", Ch=object) as ch, pretended("chumpy.reordering", Select=object) as reordering:
        for name in ("v_template", "weights", "posedirs"):
            content[name] = _with_attributes(ch["Ch"], x=arrays[name], _dirty_vars=set(), _itr=None)
        shapedirs = arrays["shapedirs"]
        # As released: 10 of more directions, picked out of a flat array.
        wider = np.concatenate([shapedirs, np.full((VERTICES, 3, 2), 7.0)], axis=2)
        picked = np.arange(wider.size).reshape(wider.shape)[:, :, :10].ravel()
        content["shapedirs"] = _with_attributes(
            reordering["Select"], a=_with_attributes(ch["Ch"], x=wider), idxs=picked, preferred_shape=shapedirs.shape
        )
        path.write_bytes(pickle.dumps(content, protocol=protocol))


def _with_attributes(class_: type, **attributes: Any) -> Any:
    made = class_()
    made.__dict__.update(attributes)
    return made
