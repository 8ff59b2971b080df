"""Our HMR2 against the published one's answers, and everywhere against plain numpy."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.made_up_weights import OUTPUTS, PARITY_IMAGES, made_up_crops, made_up_weights, parity_errors
from gpu_worker.hmr2.network import HMR2, rotations_from_6d
from tests.gpu_worker.hmr2 import numpy_reference
from tests.gpu_worker.hmr2.small_network import SMALL, small_network, small_weights

PARITY = Path(__file__).resolve().parents[4] / "shared" / "hmr2"
NEEDED_BYTES = 8e9

needs_parity_data = pytest.mark.skipif(not PARITY.is_dir(), reason="no ../shared/hmr2")


def free_bytes() -> float:
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        rows = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return float(rows["MemAvailable"].split()[0]) * 1024.0
    return float(os.sysconf("SC_AVPHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")


def small_crops(count: int) -> torch.Tensor:
    return made_up_crops(count, side_px=SMALL.crop_px, seed=3)


@pytest.mark.shared
@needs_parity_data
class TestPublished:
    def test_the_names_and_shapes_are_those_of_the_checkpoint(self) -> None:
        published = json.loads((PARITY / "state_dict_shapes.json").read_text())
        with torch.device("meta"):
            ours = HMR2().state_dict()
        assert {name: list(tensor.shape) for name, tensor in ours.items()} == published
        assert len(published) == 503

    @pytest.mark.slow
    @pytest.mark.xdist_group("full_network")
    @pytest.mark.skipif(free_bytes() < NEEDED_BYTES, reason="less than 8 GB of memory are free")
    def test_it_answers_what_the_published_network_answers(self) -> None:
        with torch.device("meta"):
            network = HMR2()
        shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        network.load_state_dict(made_up_weights(shapes), assign=True)
        crops = made_up_crops(PARITY_IMAGES)
        exact = parity_errors(network(crops), PARITY / "parity.npz")
        assert max(exact.values()) <= 1e-4, exact
        rounded = parity_errors(network.to(torch.bfloat16)(crops), PARITY / "parity.npz")
        assert max(rounded.values()) <= 2e-2, rounded


class TestScaledDown:
    def test_it_computes_what_plain_numpy_computes(self) -> None:
        crops = small_crops(3)
        weights = {name: tensor.double().numpy() for name, tensor in small_weights().items()}
        expected = numpy_reference.estimate(crops.double().numpy(), weights, SMALL)
        exact = small_network().double()(crops)
        single = small_network()(crops)
        for name in OUTPUTS:
            reference = getattr(expected, name)
            assert getattr(exact, name).shape == reference.shape
            # The last layer is float32 on purpose.
            np.testing.assert_allclose(getattr(exact, name).numpy(), reference, rtol=0.0, atol=2e-5)
            np.testing.assert_allclose(getattr(single, name).numpy(), reference, rtol=0.0, atol=2e-4)

    def test_the_answer_depends_on_the_crop(self) -> None:
        """So that the comparison above cannot pass on mean parameters alone."""
        one, other = small_network()(small_crops(2)).body_pose
        assert float((one - other).abs().max()) > 0.05

    @pytest.mark.parametrize("name", sorted(small_weights()))
    def test_every_tensor_but_dead_ones_matters(self, name: str) -> None:
        weights = small_weights()
        weights[name] = weights[name] + 0.5 * torch.randn(
            weights[name].shape, generator=torch.Generator().manual_seed(1)
        )
        changed = HMR2(SMALL)
        changed.load_state_dict(weights)
        before, after = small_network()(small_crops(1)), changed(small_crops(1))
        differs = any(not torch.equal(getattr(before, output), getattr(after, output)) for output in OUTPUTS)
        # The query's token is zero, so what it is multiplied by plays no part.
        assert differs == (name != "smpl_head.transformer.to_token_embedding.weight")

    def test_a_crop_is_answered_the_same_in_any_batch(self) -> None:
        network, crops = small_network(), small_crops(4)
        together = network(crops)
        for index in range(4):
            alone = network(crops[index : index + 1])
            for name in OUTPUTS:
                torch.testing.assert_close(getattr(alone, name)[0], getattr(together, name)[index], rtol=0.0, atol=1e-5)

    def test_an_empty_batch_has_an_empty_answer(self) -> None:
        answer = small_network()(small_crops(0))
        assert [tuple(getattr(answer, name).shape) for name in OUTPUTS] == [
            (0, 1, 3, 3),
            (0, 23, 3, 3),
            (0, 10),
            (0, 3),
        ]

    def test_it_sees_the_middle_columns_only(self) -> None:
        network, crops = small_network(), small_crops(1)
        margin = SMALL.margin_px
        beside, inside = crops.clone(), crops.clone()
        beside[:, :, :, :margin] = 9.0
        beside[:, :, :, -margin:] = 9.0
        inside[:, :, :, margin] = 9.0
        assert torch.equal(network(beside).cam, network(crops).cam)
        assert not torch.equal(network(inside).cam, network(crops).cam)

    def test_bf16_takes_the_same_crops_and_answers_float32(self) -> None:
        crops = small_crops(2)
        exact, rounded = small_network()(crops), small_network().to(torch.bfloat16)(crops)
        for name in OUTPUTS:
            ours, reference = getattr(rounded, name), getattr(exact, name)
            assert ours.dtype == torch.float32
            assert float((ours - reference).norm() / reference.norm()) < 0.05

    def test_answers_are_rotations(self) -> None:
        rotations = small_network()(small_crops(2)).body_pose
        identity = torch.eye(3).expand_as(rotations)
        torch.testing.assert_close(rotations.mT @ rotations, identity, rtol=0.0, atol=1e-5)
        torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(2, 23), rtol=0.0, atol=1e-5)

    def test_layer_norms_are_as_published(self) -> None:
        """Too small a difference to show in the comparisons above, unless a token is nearly constant."""
        network = small_network()
        for part, eps in ((network.backbone, 1e-6), (network.smpl_head, 1e-5)):
            found = {module.eps for module in part.modules() if isinstance(module, torch.nn.LayerNorm)}
            assert found == {eps}

    def test_nothing_takes_a_gradient(self) -> None:
        network = small_network()
        assert not any(parameter.requires_grad for parameter in network.parameters())
        assert not network.training

    @pytest.mark.parametrize("shape", [(3, 64, 64), (1, 3, 64, 48), (1, 1, 64, 64), (1, 3, 256, 256)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"\(n, 3, 64, 64\)"):
            small_network()(torch.zeros(shape))


class TestRotationsFrom6d:
    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
            # The first column is (0, 1, 0); the second is (-3, 1, 0) less its share along the first.
            ([0.0, 2.0, 0.0, -3.0, 1.0, 0.0], [[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
            ([0.0, 0.0, 5.0, 4.0, 0.0, 7.0], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
        ],
    )
    def test_by_hand(self, parameters: list[float], expected: list[list[int]]) -> None:
        torch.testing.assert_close(rotations_from_6d(torch.tensor(parameters)), torch.tensor(expected).float())
