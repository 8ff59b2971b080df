"""The parameters of a fitted person as a small file, from which the mesh is rebuilt exactly."""

import zipfile
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from gpu_worker.body.anny_cache import ANNY_VERSION, FORMAT_VERSION
from gpu_worker.body.anny_model import MODEL_NAME, AnnyModel, AnnyShapeSpace
from gpu_worker.body.body import Body, FloatArray
from gpu_worker.body.fitting import Fit

_TABLES_VERSION = f"{ANNY_VERSION}-{FORMAT_VERSION}"

# What reading raises on a file that was cut short or altered.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


class UnknownBodyFile(ValueError):
    """The file is no body file, or was written for a body model that this version does not have."""


def write_body_file(space: AnnyShapeSpace, fit: Fit, *, height_cm: float) -> bytes:
    """An .npz with the shape (parameters, gender, age, height) and, for each photo, its camera and pose.

    The same fit gives the same bytes.
    """
    buffer = BytesIO()
    np.savez_compressed(
        buffer,
        model=np.array(MODEL_NAME),
        tables_version=np.array(_TABLES_VERSION),
        parameter_names=np.array(space.parameter_names),
        parameters=fit.parameters,
        gender=np.array(np.nan if space.gender is None else space.gender),
        age_years=np.array(space.age_years),
        height_cm=np.array(height_cm),
        view_focal_px=np.array([view.camera.focal_px for view in fit.views]),
        view_size_px=np.array([(v.camera.width_px, v.camera.height_px) for v in fit.views], dtype=int).reshape(-1, 2),
        view_rotation=_stack([view.rotation for view in fit.views], (3, 3)),
        view_translation_m=_stack([view.translation_m for view in fit.views], (3,)),
        view_joint_vectors=_stack([view.joint_vectors for view in fit.views], (0, 3)),
    )
    return buffer.getvalue()


def read_body_file(data: bytes, anny: AnnyModel) -> Body:
    """The body a file was written for. Raises UnknownBodyFile."""
    try:
        content = _read_arrays(data)
        versions = (str(content["model"]), str(content["tables_version"]))
        gender, age_years, height_cm = (float(content[name]) for name in ("gender", "age_years", "height_cm"))
        parameters, names = content["parameters"], tuple(str(name) for name in content["parameter_names"])
    except _DAMAGE as error:
        raise UnknownBodyFile("this is not a body file") from error
    if versions != (MODEL_NAME, _TABLES_VERSION):
        raise UnknownBodyFile(f"this body file needs {' '.join(versions)}, here is {MODEL_NAME} {_TABLES_VERSION}")
    space = anny.shape_space(gender=None if np.isnan(gender) else gender, age_years=age_years)
    if names != space.parameter_names or parameters.shape != (len(names),):
        raise UnknownBodyFile("this body file has other parameters than its body model")
    return space.body(parameters, height_cm=height_cm)


def _read_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    archive = np.load(BytesIO(data), allow_pickle=False)
    if not isinstance(archive, NpzFile):
        raise ValueError("a single array, not an archive of arrays")
    with archive:
        return {name: archive[name] for name in archive.files}


def _stack(arrays: list[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    return np.stack(arrays) if arrays else np.empty((0, *shape))
