"""SMPL's pickle in the forms it is handed out in, and everything that only looks like it."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from gpu_worker.weights.faults import WeightsRefused
from gpu_worker.weights.smpl_file import read_smpl_pickle
from tests.gpu_worker.weights.made_up_files import PARENTS, pretended, save_smpl, smpl_arrays

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return smpl_arrays()


def same(read: Arrays, arrays: Arrays) -> None:
    for name in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights"):
        np.testing.assert_array_equal(read[name], arrays[name])
        assert read[name].dtype == np.float64
    np.testing.assert_array_equal(read["f"], arrays["f"])
    assert read["kintree_table"].tolist() == [PARENTS, list(range(24))]


class TestReading:
    @pytest.mark.parametrize("with_chumpy", [False, True])
    @pytest.mark.parametrize("protocol", [0, 2, 5])
    def test_every_array_is_what_was_stored(
        self, tmp_path: Path, arrays: Arrays, with_chumpy: bool, protocol: int
    ) -> None:
        path = tmp_path / "smpl.pkl"
        save_smpl(path, arrays, with_chumpy=with_chumpy, protocol=protocol)
        same(read_smpl_pickle(path), arrays)
        assert not any(name.partition(".")[0] == "chumpy" for name in sys.modules)

    def test_more_shape_directions_than_needed_are_cut(self, tmp_path: Path, arrays: Arrays) -> None:
        wide = np.concatenate([arrays["shapedirs"], np.ones((6890, 3, 290))], axis=2)
        save_smpl(tmp_path / "smpl.pkl", {**arrays, "shapedirs": wide})
        same(read_smpl_pickle(tmp_path / "smpl.pkl"), arrays)

    @pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csc_array])
    def test_the_regressor_may_be_dense_or_sparse(
        self, tmp_path: Path, arrays: Arrays, stored: Callable[[Any], Any]
    ) -> None:
        content = {**arrays, "J_regressor": stored(arrays["J_regressor"])}
        (tmp_path / "smpl.pkl").write_bytes(pickle.dumps(content))
        same(read_smpl_pickle(tmp_path / "smpl.pkl"), arrays)


class TestRefusals:
    def refused(self, tmp_path: Path, content: Any, match: str) -> None:
        path = tmp_path / "smpl.pkl"
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(WeightsRefused, match=match):
            read_smpl_pickle(path)

    def test_no_dictionary(self, tmp_path: Path) -> None:
        self.refused(tmp_path, [1], "holds no dictionary")

    @pytest.mark.parametrize("name", ["v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f"])
    def test_a_missing_array(self, tmp_path: Path, arrays: Arrays, name: str) -> None:
        rest = {key: array for key, array in arrays.items() if key != name}
        self.refused(tmp_path, rest, f"has no {name}")

    def test_another_body_model(self, tmp_path: Path, arrays: Arrays) -> None:
        self.refused(tmp_path, {**arrays, "v_template": np.zeros((10475, 3))}, "SMPL-X")

    def test_too_few_shape_directions(self, tmp_path: Path, arrays: Arrays) -> None:
        self.refused(tmp_path, {**arrays, "shapedirs": arrays["shapedirs"][:, :, :8]}, "8 directions")

    def test_numbers_that_are_none(self, tmp_path: Path, arrays: Arrays) -> None:
        self.refused(tmp_path, {**arrays, "v_template": np.full((6890, 3), np.nan)}, "numbers that are none")

    def test_weights_that_do_not_add_up(self, tmp_path: Path, arrays: Arrays) -> None:
        self.refused(tmp_path, {**arrays, "weights": arrays["weights"] * 1.1}, "do not add up")

    def test_a_regressor_that_does_not_average(self, tmp_path: Path, arrays: Arrays) -> None:
        self.refused(tmp_path, {**arrays, "J_regressor": arrays["J_regressor"] * 2.0}, "does not average")

    def test_triangles_of_vertices_that_are_not_there(self, tmp_path: Path, arrays: Arrays) -> None:
        self.refused(tmp_path, {**arrays, "f": np.array([[0, 1, 6890]])}, "not there")
        self.refused(tmp_path, {**arrays, "f": np.empty((0, 3), int)}, "not there")

    def test_parents_after_children(self, tmp_path: Path, arrays: Arrays) -> None:
        tree = arrays["kintree_table"].copy()
        tree[0, 3] = 9
        self.refused(tmp_path, {**arrays, "kintree_table": tree}, "no tree")

    def test_a_damaged_sparse_matrix(self, tmp_path: Path, arrays: Arrays) -> None:
        regressor = sparse.csc_matrix(arrays["J_regressor"])
        regressor.indices = regressor.indices + np.int32(24)
        self.refused(tmp_path, {**arrays, "J_regressor": regressor}, "damaged sparse")

    @pytest.mark.parametrize("attributes", [{}, {"x": 3}])
    def test_a_chumpy_object_without_an_array(self, tmp_path: Path, arrays: Arrays, attributes: dict[str, Any]) -> None:
        with pretended("chumpy.ch", Ch=object) as classes:
            empty = classes["Ch"]()
            empty.__dict__.update(attributes)
            self.refused(tmp_path, {**arrays, "v_template": empty}, "v_template")

    def test_an_unknown_chumpy_expression(self, tmp_path: Path, arrays: Arrays) -> None:
        with pretended("chumpy.ch_ops", add=object) as classes:
            self.refused(tmp_path, {**arrays, "v_template": classes["add"]()}, "not known here, add")
