"""The body model's tables on disk: found where they should be, never half-written, built again where damaged."""

import dataclasses
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.body import anny_cache
from gpu_worker.body.anny_cache import GRID, LOCAL_CHANGES, AnnyTables, default_cache_dir, load_tables
from gpu_worker.body.anny_model import AnnyModel
from gpu_worker.body.body import Region


class Builds:
    """Stands in for the minute of building: hands out tables and counts."""

    def __init__(self, tables: AnnyTables) -> None:
        self.tables = tables
        self.count = 0

    def __call__(self) -> AnnyTables:
        self.count += 1
        return self.tables


@pytest.fixture
def small_tables(anny: AnnyModel) -> AnnyTables:
    """Tables without the bulk."""
    return dataclasses.replace(
        anny.tables,
        corners=np.zeros((2, 2, 3, 3, 2, 2, 4, 3), dtype=np.float32),
        local_changes=np.zeros((len(LOCAL_CHANGES), 2, 4, 3), dtype=np.float32),
    )


@pytest.fixture
def builds(small_tables: AnnyTables, monkeypatch: pytest.MonkeyPatch) -> Builds:
    builds = Builds(small_tables)
    monkeypatch.setattr(anny_cache, "_build_tables", builds)
    return builds


def cached_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_tables_are_built_once_announced_once_and_read_back_as_they_were(tmp_path: Path, builds: Builds) -> None:
    said: list[str] = []
    folder = tmp_path / "not" / "yet" / "there"
    built = load_tables(folder, announce=said.append)
    again = load_tables(folder, announce=said.append)
    assert builds.count == 1
    assert len(said) == 1
    assert "minute" in said[0]
    for name in AnnyTables.__dataclass_fields__:
        for tables in (built, again):
            np.testing.assert_array_equal(getattr(tables, name), getattr(builds.tables, name))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"no archive at all"])
def test_a_damaged_cache_is_announced_and_built_again(tmp_path: Path, builds: Builds, content: bytes) -> None:
    load_tables(tmp_path)
    cached_file(tmp_path).write_bytes(content)
    said: list[str] = []
    load_tables(tmp_path, announce=said.append)
    assert builds.count == 2
    assert "damaged" in said[0]
    load_tables(tmp_path, announce=said.append)
    assert builds.count == 2


def test_a_cache_that_was_cut_short_is_built_again(tmp_path: Path, builds: Builds) -> None:
    load_tables(tmp_path)
    path = cached_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-5000])
    load_tables(tmp_path)
    assert builds.count == 2


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 100 kB, as on a disk that has no more room."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, builds: Builds) -> None:
    with pytest.raises(OSError, match="large"):
        load_tables(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> AnnyTables:
        raise KeyboardInterrupt

    monkeypatch.setattr(anny_cache, "_build_tables", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_tables(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_users_of_the_machine_can_read_the_cache(tmp_path: Path, builds: Builds) -> None:
    load_tables(tmp_path)
    assert stat.S_IMODE(cached_file(tmp_path).stat().st_mode) == 0o644


def test_a_folder_that_cannot_be_made_is_an_error_not_a_rebuild_each_time(tmp_path: Path, builds: Builds) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        load_tables(tmp_path / "file" / "cache")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TRYON_CACHE_DIR": "/a/b"}, Path("/a/b")),
        ({"TRYON_CACHE_DIR": "/a/b", "XDG_CACHE_HOME": "/c"}, Path("/a/b")),
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/tryon")),
        ({"HOME": "/home/somebody"}, Path("/home/somebody/.cache/tryon")),
        ({"HOME": "/home/somebody", "TRYON_CACHE_DIR": ""}, Path("/home/somebody/.cache/tryon")),
    ],
)
def test_the_cache_is_where_the_environment_says(
    environment: dict[str, str], expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRYON_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_cache_dir() == expected


def test_the_environment_is_honoured_when_loading(
    tmp_path: Path, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYON_CACHE_DIR", str(tmp_path / "mine"))
    load_tables()
    assert cached_file(tmp_path / "mine").suffix == ".npz"


class TestTables:
    """The tables this machine works with."""

    def test_shapes_agree(self, anny: AnnyModel) -> None:
        tables = anny.tables
        joints, keypoints = len(tables.joint_names), len(tables.keypoint_names)
        points = tables.vertex_count + keypoints + joints
        assert tables.corners.shape == (*(len(anchors) for anchors in GRID.values()), points, 3)
        assert tables.local_changes.shape == (len(LOCAL_CHANGES), 2, points, 3)
        assert tables.faces.min() == 0
        assert tables.faces.max() == tables.vertex_count - 1
        assert tables.face_uv.shape == tables.faces.shape
        assert tables.face_uv.max() < len(tables.uv)
        assert tables.keypoint_skin.shape == (keypoints, joints)

    def test_parents_come_before_children(self, anny: AnnyModel) -> None:
        parents = anny.tables.joint_parents
        assert parents[0] == -1
        assert (parents[1:] >= 0).all()
        assert (parents[1:] < np.arange(1, len(parents))).all()

    def test_every_row_of_skin_weights_sums_to_one(self, anny: AnnyModel) -> None:
        np.testing.assert_allclose(anny.tables.skin_weights.sum(axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(anny.tables.keypoint_skin.sum(axis=1), 1.0, atol=1e-5)
        assert (anny.tables.skin_joints[anny.tables.skin_weights == 0] == 0).all()

    def test_every_region_has_faces_where_it_should_be(self, anny: AnnyModel) -> None:
        tables = anny.tables
        rest = tables.corners[0, 0, 1, 1, 0, 0]
        centres = {
            region: rest[np.unique(tables.faces[tables.face_regions == region])].mean(axis=0) for region in Region
        }
        for left in (region for region in Region if region.name.startswith("LEFT")):
            right = Region[left.name.replace("LEFT", "RIGHT")]
            assert centres[left][0] > 0.02
            np.testing.assert_allclose(centres[right], centres[left] * [-1, 1, 1], atol=0.01)
        downwards = [Region.HEAD, Region.NECK, Region.UPPER_TRUNK, Region.LOWER_TRUNK, Region.LEFT_THIGH]
        downwards += [Region.LEFT_LOWER_LEG, Region.LEFT_FOOT]
        heights = [centres[region][1] for region in downwards]
        assert heights == sorted(heights, reverse=True)
        assert centres[Region.LEFT_FOOT][2] > centres[Region.LEFT_LOWER_LEG][2]

    def test_only_faces_of_the_head_are_hidden(self, anny: AnnyModel) -> None:
        hidden = anny.tables.face_regions[~anny.tables.visible_faces]
        assert len(hidden) > 100
        assert set(hidden.tolist()) == {Region.HEAD}
