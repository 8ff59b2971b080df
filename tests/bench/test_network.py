"""The network's bench judges its figures rightly, and its page has a place for each of them."""

import zlib

import numpy as np
import pytest

from bench.document import replace_block
from bench.made_up_weights import made_up_tensor
from bench.network import PAGE, Figure


@pytest.mark.parametrize(
    ("figure", "row"),
    [
        (Figure("a", 1499.0, "", 1500.0, more_is_better=True), ("a", "1499", "≥ 1500", "missed")),
        (Figure("a", 1500.0, "", 1500.0, more_is_better=True), ("a", "1500", "≥ 1500", "reached")),
        (Figure("a", 12.0, "ms", 12.0), ("a", "12 ms", "≤ 12 ms", "reached")),
        (Figure("a", 12.5, "ms", 12.0), ("a", "12.5 ms", "≤ 12 ms", "missed")),
        (Figure("a", float("nan"), "", 1e-4), ("a", "nan", "≤ 0.0001", "missed")),
        (Figure("a", 3.0, "s"), ("a", "3 s", "", "")),
    ],
)
def test_a_figure_is_held_against_its_goal(figure: Figure, row: tuple[str, ...]) -> None:
    assert figure.row() == row


@pytest.mark.parametrize("block", ["gpu", "processor"])
def test_the_page_has_the_block(block: str) -> None:
    assert "new figures" in replace_block(PAGE.read_text(encoding="utf-8"), block, "new figures")


def test_weights_are_drawn_by_the_recipe() -> None:
    random = np.random.default_rng(zlib.crc32(b"dev:blocks.0.norm1.weight"))
    expected = random.standard_normal(7, dtype=np.float32) * np.float32(0.02) + 1
    np.testing.assert_array_equal(made_up_tensor("blocks.0.norm1.weight", (7,)), expected)
    assert made_up_tensor("smpl_head.init_body_pose", (1, 144)).std() > 0.5
    assert made_up_tensor("smpl_head.init_cam", (1, 3)).tolist() == [
        [np.float32(0.9), np.float32(0.01), np.float32(0.02)]
    ]
