"""Quantized attributes keep their promises for any input, not only for bodies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from gpu_worker.glb.quantization import quantize_positions, quantize_skin, quantize_uv

_JOINTS = 7


@given(st.data())
def test_skin_keeps_the_four_strongest_joints_to_within_a_step(data: st.DataObject) -> None:
    shape = (5, data.draw(st.integers(1, 9), label="influences"))
    joints = data.draw(npst.arrays(np.int32, shape, elements=st.integers(0, _JOINTS - 1)), label="joints")
    weights = data.draw(npst.arrays(np.float64, shape, elements=st.floats(0.0, 1.0)), label="weights")
    weights[:, 0] += 0.01
    weights /= weights.sum(axis=1, keepdims=True)
    kept_joints, kept_weights = quantize_skin(joints, weights, _JOINTS)

    assert (kept_weights.sum(axis=1, dtype=np.int64) == 255).all()
    dense, written = np.zeros((5, _JOINTS)), np.zeros((5, _JOINTS))
    np.add.at(dense, (np.arange(5)[:, None], joints), weights)
    np.add.at(written, (np.arange(5)[:, None], kept_joints), kept_weights / 255.0)
    fourth = np.sort(dense, axis=1)[:, [-4]]
    strongest = np.where(dense >= fourth, dense, 0.0)
    # With ties for the fourth place there is no telling which joint was kept.
    clear = (strongest > 0.0).sum(axis=1) <= 4
    expected = strongest / strongest.sum(axis=1, keepdims=True)
    assert np.abs(written - expected)[clear].max(initial=0.0) < 1.0 / 255.0
    assert (np.diff(kept_weights.astype(np.int64), axis=1) <= 1).all()


def test_a_joint_named_twice_on_a_vertex_counts_once() -> None:
    joints, weights = quantize_skin(np.array([[2, 1, 2]], dtype=np.int32), np.array([[0.3, 0.4, 0.3]]), 3)
    assert joints.tolist() == [[2, 1, 0, 0]]
    assert weights.tolist() == [[153, 102, 0, 0]]


def test_weights_too_small_to_write_free_their_joint() -> None:
    joints, weights = quantize_skin(np.array([[2, 1]], dtype=np.int32), np.array([[0.999, 0.001]]), 3)
    assert joints.tolist() == [[2, 0, 0, 0]]
    assert weights.tolist() == [[255, 0, 0, 0]]


@given(npst.arrays(np.float64, (6, 3), elements=st.floats(-100.0, 100.0), unique=True))
def test_positions_come_back_within_half_a_step(positions_m: NDArray[np.float64]) -> None:
    quantized = quantize_positions(positions_m)
    step_m = quantized.scale_m / 32767.0
    restored_m = quantized.values * step_m + quantized.centre_m
    assert np.abs(restored_m - positions_m).max() <= step_m * 0.5001 + 1e-12
    assert np.abs(quantized.values).max() == 32767


@pytest.mark.parametrize("outside", [-0.01, 1.01, np.nan])
def test_texture_coordinates_outside_the_picture_are_refused(outside: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        quantize_uv(np.array([[0.5, outside]]))
