"""A body file rebuilds its mesh exactly, and nothing else is taken for one."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.body.anny_model import AnnyModel, AnnyShapeSpace
from gpu_worker.body.body_file import UnknownBodyFile, read_body_file, write_body_file
from gpu_worker.body.camera import Camera
from gpu_worker.body.fitting import Fit
from gpu_worker.body.posed_view import PosedView

HEIGHT_CM = 171.3


def some_fit(space: AnnyShapeSpace, view_count: int = 1) -> Fit:
    rng = np.random.default_rng(11)
    count = len(space.parameter_names)
    view = PosedView(
        topology=space.topology,
        camera=Camera(focal_px=900.0, width_px=720, height_px=960),
        rotation=np.diag([1.0, -1.0, -1.0]),
        translation_m=np.array([0.1, 0.9, 3.0]),
        posed_joints=(1, 2),
        joint_vectors=rng.normal(size=(2, 3)),
    )
    parameters = np.clip(rng.normal(0.4, 0.2, size=count), *space.bounds)
    return Fit(parameters, np.eye(count), (view,) * view_count, (0.001,) * view_count)


@pytest.fixture(scope="module")
def content(anny: AnnyModel) -> bytes:
    space = anny.shape_space(gender=1.0, age_years=33.0)
    return write_body_file(space, some_fit(space), height_cm=HEIGHT_CM)


@pytest.mark.parametrize("gender", [0.0, 1.0, None])
@pytest.mark.parametrize("view_count", [0, 1, 2])
def test_the_mesh_is_rebuilt_to_the_last_bit(anny: AnnyModel, gender: float | None, view_count: int) -> None:
    space = anny.shape_space(gender=gender, age_years=47.0)
    fit = some_fit(space, view_count)
    data = write_body_file(space, fit, height_cm=HEIGHT_CM)
    rebuilt = read_body_file(data, anny)
    original = space.body(fit.parameters, height_cm=HEIGHT_CM)
    assert rebuilt.vertices_m.tobytes() == original.vertices_m.tobytes()
    assert rebuilt.skeleton.positions_m.tobytes() == original.skeleton.positions_m.tobytes()
    assert write_body_file(space, fit, height_cm=HEIGHT_CM) == data
    assert len(data) < 10_000


def test_cameras_and_poses_are_kept(content: bytes) -> None:
    with np.load(BytesIO(content), allow_pickle=False) as archive:
        assert archive["view_focal_px"].tolist() == [900.0]
        assert archive["view_size_px"].tolist() == [[720, 960]]
        assert archive["view_rotation"].shape == (1, 3, 3)
        assert archive["view_translation_m"].tolist() == [[0.1, 0.9, 3.0]]
        assert archive["view_joint_vectors"].shape == (1, 2, 3)


@pytest.mark.parametrize("damage", [b"", b"PK", b"PK\x03\x04", b"not a body", b"\x93NUMPY", b"\x80\x04K\x01."])
def test_what_is_no_body_file_is_refused(anny: AnnyModel, damage: bytes) -> None:
    with pytest.raises(UnknownBodyFile):
        read_body_file(damage, anny)


def test_a_bare_array_is_refused(anny: AnnyModel) -> None:
    buffer = BytesIO()
    np.save(buffer, np.zeros(3))
    with pytest.raises(UnknownBodyFile):
        read_body_file(buffer.getvalue(), anny)


@given(st.data())
def test_a_file_that_was_cut_short_is_refused(anny: AnnyModel, content: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(UnknownBodyFile):
        read_body_file(content[:length], anny)


@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(anny: AnnyModel, content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        body = read_body_file(bytes(changed), anny)
    except UnknownBodyFile:
        return
    assert body.vertices_m.tobytes() == read_body_file(content, anny).vertices_m.tobytes()


def test_parameters_in_another_order_are_refused(anny: AnnyModel, content: bytes) -> None:
    names = anny.shape_space(gender=1.0, age_years=33.0).parameter_names
    with pytest.raises(UnknownBodyFile, match="other parameters"):
        read_body_file(altered(content, parameter_names=names[::-1]), anny)


def altered(content: bytes, **arrays: object) -> bytes:
    with np.load(BytesIO(content), allow_pickle=False) as archive:
        kept = {name: archive[name] for name in archive.files}
    buffer = BytesIO()
    np.savez(buffer, **(kept | {name: np.asarray(value) for name, value in arrays.items()}))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model", "smpl", "needs smpl"),
        ("tables_version", "0.0.1-1", r"needs anny 0\.0\.1-1"),
        ("parameters", np.zeros(3), "other parameters"),
        ("parameter_names", ["muscle"], "other parameters"),
        ("height_cm", [1.0, 2.0], "not a body file"),
    ],
)
def test_a_body_file_of_another_model_says_which(
    anny: AnnyModel, content: bytes, name: str, value: object, message: str
) -> None:
    with pytest.raises(UnknownBodyFile, match=message):
        read_body_file(altered(content, **{name: value}), anny)
