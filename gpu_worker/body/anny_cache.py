"""Builds, once, the compact tables that let Anny run without torch in milliseconds.

Anny blends its phenotypes multilinearly, so the meshes at the corners of the phenotype grid hold everything there is to
know: between them, linear interpolation is exact. Building them takes about a minute and needs torch; reading them
back takes milliseconds and needs numpy alone.
"""

import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_worker.body.body import IndexArray, Region

ANNY_VERSION = "0.6.2"
FORMAT_VERSION = 4

# Grid anchors of Anny's phenotypes that the fit moves or the shopper gives; the rest stay at their average.
# Ages are Anny's own scale: 2/3 is 25 years ("young"), 1 is 90 ("old").
GRID: dict[str, tuple[float, ...]] = {
    "gender": (0.0, 1.0),
    "age": (2.0 / 3.0, 1.0),
    "muscle": (0.0, 0.5, 1.0),
    "weight": (0.0, 0.5, 1.0),
    "height": (0.0, 1.0),
    "proportions": (0.0, 1.0),
}

LOCAL_CHANGES: tuple[str, ...] = (
    "measure-bust-circ-incr",
    "measure-underbust-circ-incr",
    "measure-waist-circ-incr",
    "measure-hips-circ-incr",
    "measure-thigh-circ-incr",
    "measure-upperarm-circ-incr",
    "measure-shoulder-dist-incr",
    "measure-napetowaist-dist-incr",
    "measure-upperleg-height-incr",
    "measure-lowerleg-height-incr",
    "measure-upperarm-length-incr",
    "measure-lowerarm-length-incr",
    "measure-neck-circ-incr",
    "measure-calf-circ-incr",
    "measure-ankle-circ-incr",
    "measure-wrist-circ-incr",
    "measure-knee-circ-incr",
    "stomach-tone-incr",
    "buttocks-volume-incr",
    "torso-scale-depth-incr",
    "torso-scale-horiz-incr",
    "hip-scale-depth-incr",
    "hip-scale-horiz-incr",
    "head-scale-depth-incr",
    "head-scale-horiz-incr",
)

_HIDDEN_PARTS = ("mouth_cavity", "tongue", "eye_back.L", "eye_back.R", "eye_cavity.L", "eye_cavity.R")

# What reading raises where the file is not what we wrote: a full disk, a copy that was cut short.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, AttributeError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class AnnyTables:
    """Everything the numpy model needs, in metres, Y up, facing +Z; P = V vertices, then K keypoints, then J joints.

    corners: (2, 2, 3, 3, 2, 2, P, 3) float32 points over the grid of `GRID`.
    local_changes: (L, 2, P, 3) float32 offsets of each local change at +1 and at -1.
    faces (F, 3), face_regions (F,), visible_faces (F,), uv (U, 2), face_uv (F, 3): as in `Body`.
    joint_names (J), joint_parents (J,), keypoint_names (K): COCO's 17 and 6 of the feet.
    skin_joints, skin_weights: (V, S). keypoint_skin: (K, J) the keypoints' own weights.
    """

    corners: NDArray[np.float32]
    local_changes: NDArray[np.float32]
    faces: IndexArray
    face_regions: IndexArray
    visible_faces: NDArray[np.bool_]
    uv: NDArray[np.float32]
    face_uv: IndexArray
    joint_names: NDArray[np.str_]
    joint_parents: IndexArray
    keypoint_names: NDArray[np.str_]
    skin_joints: IndexArray
    skin_weights: NDArray[np.float32]
    keypoint_skin: NDArray[np.float32]

    @property
    def vertex_count(self) -> int:
        return len(self.skin_joints)


def default_cache_dir() -> Path:
    """Where the tables are kept: $TRYON_CACHE_DIR, else the user's cache folder."""
    configured = os.environ.get("TRYON_CACHE_DIR")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tryon"


def load_tables(cache_dir: Path | None = None, *, announce: Callable[[str], None] = _log.info) -> AnnyTables:
    """Read the tables, building them first if this machine has none.

    announce: told, in one sentence, when a build begins, since it takes about a minute.
    Raises OSError if the cache folder cannot be written.
    """
    path = _tables_path(cache_dir)
    try:
        return _read(path)
    except FileNotFoundError:
        announce("Preparing the body model; this happens once and takes about a minute.")
    except _DAMAGE:
        announce("The prepared body model is damaged. Preparing it again; this takes about a minute.")
    _write_atomically(path, _build_tables())
    return _read(path)


def tables_are_ready(cache_dir: Path | None = None) -> bool:
    """Whether `load_tables` would find the tables, whole, and build nothing."""
    try:
        _read(_tables_path(cache_dir))
    except (FileNotFoundError, *_DAMAGE):
        return False
    return True


def _tables_path(cache_dir: Path | None) -> Path:
    return (cache_dir or default_cache_dir()) / f"anny-{ANNY_VERSION}-{FORMAT_VERSION}.npz"


def _read(path: Path) -> AnnyTables:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return AnnyTables(**{name: archive[name] for name in AnnyTables.__dataclass_fields__})


def _write_atomically(path: Path, tables: AnnyTables) -> None:
    # The stub of savez gives its flag a name that unpacked arrays might carry.
    arrays: dict[str, Any] = {name: getattr(tables, name) for name in AnnyTables.__dataclass_fields__}
    archive = BytesIO()
    np.savez(archive, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(archive.getbuffer())
        # Temporary files are their owner's alone; an image baked by root is read by others.
        partial.chmod(0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _build_tables() -> AnnyTables:
    import anny.paths

    callers_cache = anny.paths.get_anny_cache_path()
    # Anny caches about 1 GB of intermediate tensors that nobody needs once ours are written.
    with tempfile.TemporaryDirectory(prefix="anny-build-") as scratch:
        anny.paths.set_anny_cache_path(scratch)
        try:
            model = anny.Anny(
                local_changes=list(LOCAL_CHANGES),
                phenotypes="all",
                phenotype_blendshapes="original",
                skinning_method="lbs",  # the only one that compiles nothing
            )
        finally:
            anny.paths.set_anny_cache_path(callers_cache)
        return _extract(model)


def _extract(model: Any) -> AnnyTables:
    import torch
    from anny.keypoints import KeypointsRegressor

    keypoints = KeypointsRegressor.coco(model)
    keypoint_weights = keypoints.regression_weights.numpy()
    joints = _MergedJoints(model.bone_labels, model.bone_parents)

    def points(phenotypes: dict[str, float], local_changes: dict[str, float]) -> NDArray[np.float64]:
        with torch.no_grad():
            rest = model(phenotype_kwargs=phenotypes, local_changes_kwargs=local_changes)
        vertices = rest["rest_vertices"][0].numpy()
        heads = rest["rest_bone_heads"][0].numpy()[joints.kept]
        stacked = np.concatenate([vertices, keypoint_weights @ vertices, heads])
        return np.stack([stacked[:, 0], stacked[:, 2], -stacked[:, 1]], axis=1)

    shape = tuple(len(anchors) for anchors in GRID.values())
    reference = points({"gender": 0.5, "age": GRID["age"][0]}, {})
    corners = np.empty((*shape, *reference.shape), dtype=np.float32)
    for corner in np.ndindex(*shape):
        values = {name: anchors[i] for (name, anchors), i in zip(GRID.items(), corner, strict=True)}
        corners[corner] = points(values, {})
    changes = np.empty((len(LOCAL_CHANGES), 2, *reference.shape), dtype=np.float32)
    for index, label in enumerate(LOCAL_CHANGES):
        for side, sign in enumerate((1.0, -1.0)):
            changes[index, side] = points({"gender": 0.5, "age": GRID["age"][0]}, {label: sign}) - reference

    faces = model.faces.numpy().astype(np.int32)
    skin_joints, skin_weights, dense = joints.merge_skin(
        model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    )
    return AnnyTables(
        corners=corners,
        local_changes=changes,
        faces=faces,
        face_regions=_face_regions(faces, dense, joints.names),
        visible_faces=_visible_faces(model),
        uv=model.texture_coordinates.numpy().astype(np.float32),
        face_uv=model.face_texture_coordinate_indices.numpy().astype(np.int32),
        joint_names=np.array(joints.names),
        joint_parents=joints.parents,
        keypoint_names=np.array(keypoints.labels),
        skin_joints=skin_joints,
        skin_weights=skin_weights,
        keypoint_skin=(keypoint_weights @ dense).astype(np.float32),
    )


class _MergedJoints:
    """Anny's skeleton without fingers, toes and eyes, which follow the hand, the foot and the head."""

    def __init__(self, labels: list[str], parents: list[int]) -> None:
        dropped = [label.startswith(("toe", "finger", "metacarpal", "eye")) for label in labels]
        self.kept = [bone for bone, is_dropped in enumerate(dropped) if not is_dropped]
        self.names = [labels[bone] for bone in self.kept]
        self._target = np.empty(len(labels), dtype=np.int32)
        for bone, parent in enumerate(parents):
            self._target[bone] = self._target[parent] if dropped[bone] else self.kept.index(bone)
        self.parents = np.array(
            [-1 if parents[bone] < 0 else self._target[parents[bone]] for bone in self.kept], dtype=np.int32
        )

    def merge_skin(
        self, indices: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> tuple[IndexArray, NDArray[np.float32], NDArray[np.float64]]:
        """Sum each vertex's weights over merged bones; answers the sparse rows and the dense (V, J) matrix."""
        dense = np.zeros((len(indices), len(self.names)))
        np.add.at(dense, (np.arange(len(indices))[:, None], self._target[indices]), weights)
        dense /= dense.sum(axis=1, keepdims=True)
        width = int((dense > 0).sum(axis=1).max())
        order = np.argsort(-dense, axis=1, kind="stable")[:, :width].astype(np.int32)
        sorted_weights = np.take_along_axis(dense, order, axis=1)
        order[sorted_weights == 0] = 0
        return order, sorted_weights.astype(np.float32), dense


def _face_regions(faces: IndexArray, dense_skin: NDArray[np.float64], joint_names: list[str]) -> IndexArray:
    regions = np.array([_region_of_joint(name) for name in joint_names])
    by_region = np.zeros((len(dense_skin), len(Region)))
    np.add.at(by_region.T, regions, dense_skin.T)
    largest: IndexArray = by_region[faces].sum(axis=1).argmax(axis=1).astype(np.int32)
    return largest


def _region_of_joint(name: str) -> Region:
    part, _, side = name.partition(".")
    if part in ("root", "pelvis", "spine05", "spine04"):
        return Region.LOWER_TRUNK
    if part in ("spine03", "spine02", "spine01", "clavicle", "shoulder01"):
        return Region.UPPER_TRUNK
    if part.startswith("neck"):
        return Region.NECK
    if part == "head":
        return Region.HEAD
    limb = {"upperarm": "UPPER_ARM", "lowerarm": "FOREARM", "wrist": "HAND"} | {
        "upperleg": "THIGH",
        "lowerleg": "LOWER_LEG",
        "foot": "FOOT",
    }
    return Region[f"{'LEFT' if side == 'L' else 'RIGHT'}_{limb[part.rstrip('0123456789')]}"]


def _visible_faces(model: Any) -> NDArray[np.bool_]:
    from anny.face_segmentation import get_face_segmentation_mask

    hidden: NDArray[np.bool_] = get_face_segmentation_mask(model, list(_HIDDEN_PARTS)).numpy()
    return ~hidden
