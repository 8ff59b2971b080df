"""Measures how fast HMR2 runs here, on a GPU if there is one, and puts the figures into docs/gpu.md.

Weights are made up, of the true shapes, and written and loaded as converted ones are: speed does not depend on what the
numbers are. Where ../shared/hmr2 is beside the checkout, the answers are compared with the published network's.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.document import markdown_table, rewrite_block
from bench.machine import REPOSITORY, circumstances
from bench.made_up_weights import PARITY_IMAGES, made_up_crops, made_up_tensor, parity_errors
from gpu_worker.hmr2.network import HMR2
from gpu_worker.weights.conversion import convert_hmr2, expected_shapes
from gpu_worker.weights.loading import load_hmr2

PAGE = REPOSITORY / "docs" / "gpu.md"
PARITY = REPOSITORY.parent / "shared" / "hmr2" / "parity.npz"
_LARGE_BATCH, _JOB_BATCH = 64, 16
_PARITY_LIMITS = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
_NAMES = {torch.float32: "float32", torch.bfloat16: "bf16"}

_log = logging.getLogger("bench.network")


@dataclass(frozen=True)
class Figure:
    """One measured figure and its goal: the value must be at most `limit`, or at least it where more is better."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None
    more_is_better: bool = False

    @property
    def is_missed(self) -> bool:
        if self.limit is None:
            return False
        # So written that a figure that is no number misses its goal.
        return not (self.value >= self.limit if self.more_is_better else self.value <= self.limit)

    def row(self) -> tuple[str, str, str, str]:
        if self.limit is None:
            return (self.name, f"{self.value:.4g} {self.unit}".strip(), "", "")
        goal = f"{'≥' if self.more_is_better else '≤'} {self.limit:g} {self.unit}".strip()
        return (self.name, f"{self.value:.4g} {self.unit}".strip(), goal, "missed" if self.is_missed else "reached")


def measure_cpu(folder: Path, parity: Path | None, repetitions: int) -> list[Figure]:
    """One crop on the processor, and parity there."""
    network, load_s = _loaded(folder, "cpu", torch.float32)
    crop = made_up_crops(1)
    seconds = _median_s(lambda: network(crop), repetitions, _nothing)
    cores = torch.get_num_threads()
    figures = [
        Figure(f"processor, {cores} threads: one crop, float32", seconds, "s", 15.0),
        Figure("processor: weights checked and loaded from a warm file cache", load_s, "s"),
    ]
    return figures + _parity_figures(network, parity, "processor", torch.float32)


def measure_gpu(folder: Path, parity: Path | None, repetitions: int) -> list[Figure]:
    """Throughput, latency, memory and load time on the first GPU, and parity there in both types."""
    exact, _ = _loaded(folder, "cuda", torch.float32)
    figures = _parity_figures(exact, parity, "GPU", torch.float32)
    del exact
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    network, load_s = _loaded(folder, "cuda", torch.bfloat16)
    load_peak_bytes = torch.cuda.max_memory_allocated()
    figures += _parity_figures(network, parity, "GPU", torch.bfloat16)
    large, job, one = (made_up_crops(count).cuda() for count in (_LARGE_BATCH, _JOB_BATCH, 1))
    # Before the large batch, whose memory would count.
    torch.cuda.reset_peak_memory_stats()
    _median_s(lambda: network(job), repetitions, torch.cuda.synchronize)
    job_peak_bytes = torch.cuda.max_memory_allocated()
    large_s = _median_s(lambda: network(large), repetitions, torch.cuda.synchronize)
    one_s = _median_s(lambda: network(one), repetitions, torch.cuda.synchronize)
    return [
        Figure(f"GPU: crops a second, bf16, batch {_LARGE_BATCH}", _LARGE_BATCH / large_s, "", 1500.0, True),
        Figure("GPU: one crop, bf16", one_s * 1e3, "ms", 12.0),
        Figure("GPU: one crop, bf16, replayed as a CUDA graph", _graph_s(network, one, repetitions) * 1e3, "ms"),
        Figure(f"GPU: peak memory at batch {_JOB_BATCH}, bf16", job_peak_bytes / 1e9, "GB", 8.0),
        Figure("GPU: peak memory while loading", load_peak_bytes / 1e9, "GB", 8.0),
        Figure("GPU: weights checked and loaded from a warm file cache", load_s, "s", 15.0),
        *figures,
    ]


def _loaded(folder: Path, device: str, dtype: torch.dtype) -> tuple[HMR2, float]:
    if device == "cuda":
        # Starting CUDA takes seconds of its own.
        torch.zeros(1, device=device)
        torch.cuda.synchronize()
    start_s = time.perf_counter()
    network = load_hmr2(folder, device=device, dtype=dtype)
    if device == "cuda":
        torch.cuda.synchronize()
    return network, time.perf_counter() - start_s


def _parity_figures(network: HMR2, parity: Path | None, place: str, dtype: torch.dtype) -> list[Figure]:
    if parity is None:
        return []
    device = next(network.parameters()).device
    with torch.inference_mode():
        estimate = network(made_up_crops(PARITY_IMAGES).to(device))
    worst = max(parity_errors(estimate, parity).values())
    name = f"{place}: relative error to the published network, {_NAMES[dtype]}"
    return [Figure(name, worst, "", _PARITY_LIMITS[dtype])]


def _nothing() -> None:
    """The processor is done when it answers."""


def _median_s(run: Callable[[], object], repetitions: int, wait: Callable[[], None]) -> float:
    """Median seconds of a run, after a tenth as many to warm up, at least one."""
    taken_s = []
    warm_ups = max(1, repetitions // 10)
    with torch.inference_mode():
        for repetition in range(warm_ups + repetitions):
            wait()
            start_s = time.perf_counter()
            run()
            wait()
            if repetition >= warm_ups:
                taken_s.append(time.perf_counter() - start_s)
    return statistics.median(taken_s)


def _graph_s(network: HMR2, crops: torch.Tensor, repetitions: int) -> float:
    """The same forward with all of its launches recorded once."""
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode():
        network(crops)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            network(crops)
    return _median_s(graph.replay, repetitions, torch.cuda.synchronize)


def make_weights(folder: Path) -> None:
    """Converted weights, made up: saved as a checkpoint first, so that the conversion itself is run at full size."""
    checkpoint = folder / "made-up.ckpt"
    shapes = expected_shapes()
    torch.save(
        {"state_dict": {name: torch.from_numpy(made_up_tensor(name, shape)) for name, shape in shapes.items()}},
        checkpoint,
    )
    convert_hmr2(checkpoint, folder)
    checkpoint.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on the processor, and on a GPU if there is one; print the table and put it into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.network", description=main.__doc__)
    parser.add_argument("--repetitions", type=int, default=50, metavar="N", help="forwards on the GPU, after a warm-up")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose table is rewritten")
    parser.add_argument("--parity", type=Path, default=PARITY, help="what the published network answered")
    parser.add_argument("--dry-run", action="store_true", help="print only, leave the page as it is")
    options = parser.parse_args(arguments)
    if options.repetitions < 1:
        parser.error("measure at least once")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    measured = circumstances()
    content = f"{measured} PyTorch {torch.__version__}.\n\n{_measure(options.parity, options.repetitions)}"
    if not options.dry_run:
        rewrite_block(options.page, "gpu" if torch.cuda.is_available() else "processor", content)
    sys.stdout.write(f"{content}\n")
    return 0


def _measure(parity: Path, repetitions: int) -> str:
    known = parity if parity.is_file() else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start_s = time.perf_counter()
        make_weights(folder)
        _log.info("weights made up, saved and converted in %.0f s", time.perf_counter() - start_s)
        figures = measure_cpu(folder, known, min(repetitions, 5))
        if torch.cuda.is_available():
            where = f"GPU: {torch.cuda.get_device_name()}."
            figures = [*measure_gpu(folder, known, repetitions), *figures]
        else:
            where = "There is no GPU on this machine, so what only a GPU can show was not measured."
    if known is None:
        where += " The published network's answers are not on this machine: no comparison."
    return f"{where}\n\n{markdown_table(('', 'measured', 'goal', ''), [figure.row() for figure in figures])}"


if __name__ == "__main__":
    sys.exit(main())
