"""Reads an SMPL model from the pickle its makers hand out, with or without chumpy objects in it, without chumpy.

SMPL: Loper, Mahmood, Romero, Pons-Moll, Black, "SMPL: A Skinned Multi-Person Linear Model" (SIGGRAPH Asia 2015).
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_worker.weights.faults import WeightsRefused
from gpu_worker.weights.inert_pickle import Inert, StoredArray, unpickle

VERTICES, JOINTS, SHAPE_DIRECTIONS = 6890, 24, 10
# Nine entries of each joint's rotation matrix, the root's left out.
POSE_DIRECTIONS = 9 * (JOINTS - 1)
# The root's parent is stored as -1 in an unsigned integer.
_ROOT_PARENT = 2**32 - 1
_SUM_TOLERANCE = 1e-3

Array = NDArray[Any]


def read_smpl_pickle(path: Path) -> dict[str, Array]:
    """The model's arrays, named as SMPL's own files and the smplx package name them.

    v_template (6890, 3), metres; shapedirs (6890, 3, 10); posedirs (6890, 3, 207); J_regressor (24, 6890); weights
    (6890, 24), all float64; kintree_table (2, 24) int64, parents then children, -1 above the root; f (n, 3) int32,
    three vertices of each triangle. Raises WeightsRefused where the file is anything else, and OSError.
    """
    with path.open("rb") as file:
        content = unpickle(file)
    if not isinstance(content, dict):
        raise WeightsRefused("it is no SMPL model: it holds no dictionary")
    shapedirs = _numbers(content, "shapedirs", (VERTICES, 3, None))
    if shapedirs.shape[2] < SHAPE_DIRECTIONS:
        raise WeightsRefused(f"its shapedirs have {shapedirs.shape[2]} directions; {SHAPE_DIRECTIONS} are needed")
    model = {
        "v_template": _numbers(content, "v_template", (VERTICES, 3)),
        "shapedirs": np.ascontiguousarray(shapedirs[:, :, :SHAPE_DIRECTIONS]),
        "posedirs": _numbers(content, "posedirs", (VERTICES, 3, POSE_DIRECTIONS)),
        "J_regressor": _numbers(content, "J_regressor", (JOINTS, VERTICES)),
        "weights": _numbers(content, "weights", (VERTICES, JOINTS)),
        "kintree_table": _kinematic_tree(content),
        "f": _numbers(content, "f", (None, 3)).astype(np.int32),
    }
    _check_meaning(model)
    return model


def _numbers(content: dict[Any, Any], key: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    if key not in content:
        raise WeightsRefused(f"it is no SMPL model: it has no {key}")
    array = _evaluated(content[key], key)
    fits = array.ndim == len(shape) and all(
        wanted in (None, given) for wanted, given in zip(shape, array.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("n" if side is None else str(side) for side in shape)
        raise WeightsRefused(f"its {key} has shape {array.shape}, not ({expected}); is it SMPL, not SMPL-H or SMPL-X?")
    numbers = np.ascontiguousarray(array, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise WeightsRefused(f"its {key} holds numbers that are none")
    return numbers


def _evaluated(stored: Any, key: str) -> Array:
    """The array behind what the pickle holds: numpy's, scipy's sparse, or an expression of chumpy's."""
    if isinstance(stored, StoredArray):
        return stored.array
    if isinstance(stored, Inert):
        module, _ = stored.origin
        if module.startswith("scipy.sparse"):
            return _dense(stored, key)
        if module.startswith("chumpy"):
            return _chumpy_value(stored, key)
    raise WeightsRefused(f"its {key} is no array")


def _chumpy_value(stored: Inert, key: str) -> Array:
    """`Ch` is a plain array x; `Select` picks entries idxs of another, a. The released models hold no others."""
    _, name = stored.origin
    attributes = stored.attributes
    if name == "Ch" and "x" in attributes:
        return _evaluated(attributes["x"], key)
    if name == "Select" and {"a", "idxs"} <= attributes.keys():
        indices = _evaluated(attributes["idxs"], key)
        values = _evaluated(attributes["a"], key).ravel()
        if indices.dtype.kind not in "iu" or (indices.size and not 0 <= indices.min() <= indices.max() < values.size):
            raise WeightsRefused(f"its {key} selects entries that are not there")
        selected = values[indices]
        shape = attributes.get("preferred_shape")
        try:
            return selected if shape is None else selected.reshape(shape)
        except (TypeError, ValueError) as error:
            raise WeightsRefused(f"its {key} cannot have shape {shape}") from error
    raise WeightsRefused(f"its {key} is a chumpy expression of a kind not known here, {name}")


def _dense(stored: Inert, key: str) -> Array:
    """A sparse matrix of scipy's, compressed by columns (csc) or by rows (csr), as a dense one."""
    attributes = stored.attributes
    kind = stored.origin[1].removesuffix("_matrix").removesuffix("_array")
    shape = attributes.get("_shape", attributes.get("shape"))
    if kind not in {"csc", "csr"} or not isinstance(shape, tuple) or len(shape) != 2:
        raise WeightsRefused(f"its {key} is a sparse matrix of a kind not known here, {stored.origin[1]}")
    if not {"data", "indices", "indptr"} <= attributes.keys():
        raise WeightsRefused(f"its {key} is a sparse matrix without content")
    values, minor, starts = (_evaluated(attributes[part], key) for part in ("data", "indices", "indptr"))
    majors, minors = shape if kind == "csr" else shape[::-1]
    counts = np.diff(starts)
    sound = (
        len(starts) == majors + 1
        and starts[0] == 0
        and (counts >= 0).all()
        and starts[-1] == len(values) == len(minor)
        and (not len(minor) or 0 <= minor.min() <= minor.max() < minors)
    )
    if not sound:
        raise WeightsRefused(f"its {key} is a damaged sparse matrix")
    dense = np.zeros((majors, minors))
    np.add.at(dense, (np.repeat(np.arange(majors), counts), minor), values)
    return dense if kind == "csr" else dense.T


def _kinematic_tree(content: dict[Any, Any]) -> NDArray[np.int64]:
    tree = _numbers(content, "kintree_table", (2, JOINTS)).astype(np.int64)
    tree[0][tree[0] == _ROOT_PARENT] = -1
    parents = tree[0]
    if parents[0] != -1 or (parents[1:] < 0).any() or (parents[1:] >= np.arange(1, JOINTS)).any():
        raise WeightsRefused("its kintree_table is no tree in which parents come before children")
    return tree


def _check_meaning(model: dict[str, Array]) -> None:
    triangles = model["f"]
    if not len(triangles) or triangles.min() < 0 or triangles.max() >= VERTICES:
        raise WeightsRefused("its f names vertices that are not there")
    if (model["weights"] < 0.0).any() or abs(model["weights"].sum(axis=1) - 1.0).max() > _SUM_TOLERANCE:
        raise WeightsRefused("its weights do not add up to 1 at every vertex")
    if abs(model["J_regressor"].sum(axis=1) - 1.0).max() > _SUM_TOLERANCE:
        raise WeightsRefused("its J_regressor does not average vertices")
