"""Measures how fast the worker is and what memory it needs, and puts the figures into docs/performance.md.

A later part of the system that has figures of its own (the API's throughput, the GPU) gets a module that answers a
`Report`, a block of markers in the page, and an entry in `REPORTS`.
"""

import argparse
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from bench.document import markdown_table, rewrite_block
from bench.machine import REPOSITORY, circumstances
from bench.sample import Sample, load_sample
from gpu_worker.pipeline import PIPELINE_STAGES, AvatarPipeline, AvatarRequest
from shared.jobs import Stage

PAGE = REPOSITORY / "docs" / "performance.md"
REPETITIONS = 5
# What phones' main cameras give by default: 12 megapixels, upright.
_PHONE_SIZE_PX = (3024, 4032)

_log = logging.getLogger("bench.speed")


@dataclass(frozen=True)
class Figure:
    """One measured figure. limit: the most it may be for the goal to be reached; None where there is no goal."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def is_missed(self) -> bool:
        return self.limit is not None and self.value > self.limit

    def row(self) -> tuple[str, str, str, str]:
        goal = "" if self.limit is None else f"≤ {self.limit:g} {self.unit}"
        verdict = "" if self.limit is None else "missed" if self.is_missed else "reached"
        return (self.name, f"{self.value:.2f} {self.unit}", goal, verdict)


@dataclass(frozen=True)
class Report:
    """Figures of one part of the system. details: further tables, as Markdown, by their caption."""

    figures: Sequence[Figure]
    details: Mapping[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        table = markdown_table(("", "measured", "goal", ""), [figure.row() for figure in self.figures])
        return "\n\n".join([table, *(f"{caption}\n\n{detail}" for caption, detail in self.details.items())])

    def missed(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.is_missed]


@dataclass(frozen=True)
class Warm:
    """Runs of one request in a warm process, warm-up left out. stages_s: seconds of each run, by stage."""

    totals_s: Sequence[float]
    stages_s: Mapping[Stage, Sequence[float]]
    glb_bytes: int

    @property
    def median_s(self) -> float:
        return statistics.median(self.totals_s)


def measure_worker(repetitions: int) -> Report:
    """The figures of the worker, on the photos that ship with it."""
    sample = load_sample()
    # First: on Linux a process starts with the peak of the one that started it, and this one is still small.
    _log.info("peak memory")
    peak_bytes = _peak_memory_bytes()
    _log.info("cold command")
    cold_s = statistics.median(_timed(_run_command, repetitions))
    pipeline = AvatarPipeline.load()
    requests = _warm_requests(sample)
    warm = {}
    for name, request in requests.items():
        _log.info(name)
        warm[name] = measure_warm(pipeline, request, repetitions)
    limits_s = dict(zip(requests, (2.0, 2.0, 3.0, 0.7), strict=True))
    figures = [Figure(f"{name}, warm process", runs.median_s, "s", limits_s[name]) for name, runs in warm.items()]
    figures += [
        Figure("`tryon avatar`, cold process, front and side photo", cold_s, "s", 12.0),
        Figure("peak memory, front and side photo", peak_bytes / 1e9, "GB", 1.5),
        Figure("avatar.glb", max(runs.glb_bytes for runs in warm.values()) / 1e3, "kB", 500.0),
    ]
    return Report(figures, {"Where the time of a warm run goes (median seconds a stage):": _stage_table(warm)})


REPORTS: Mapping[str, Callable[[int], Report]] = {"worker": measure_worker}


def measure_warm(pipeline: AvatarPipeline, request: AvatarRequest, repetitions: int) -> Warm:
    """Time from the bytes of the photos to the bytes of every file, after one run that does not count."""
    made = pipeline.run(request)
    glb_bytes = len(made.files["avatar.glb"])
    stages_s: dict[Stage, list[float]] = {stage: [] for stage in PIPELINE_STAGES}
    totals_s = []
    for _ in range(repetitions):
        began = time.perf_counter()
        made = pipeline.run(request)
        totals_s.append(time.perf_counter() - began)
        for stage, seconds in made.timings_s.items():
            stages_s[stage].append(seconds)
    return Warm(totals_s, stages_s, glb_bytes)


def _warm_requests(sample: Sample) -> dict[str, AvatarRequest]:
    return {
        "front photo": sample.front_only,
        "front photo of 12 megapixels": replace(sample.front_only, front=_enlarged(sample.front_only.front)),
        "front and side photo": sample.request,
        "no photo": sample.no_photo,
    }


def _enlarged(photo: bytes | None) -> bytes:
    """The photo at the size a phone gives, as a JPEG: more to decode and a finer outline to find."""
    assert photo is not None
    buffer = BytesIO()
    with Image.open(BytesIO(photo)) as image:
        image.resize(_PHONE_SIZE_PX, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _timed(run: Callable[[], None], repetitions: int) -> list[float]:
    """Seconds of each run, after one that does not count."""
    run()
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return seconds


def _run_command() -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["avatar", "--sample", "--out", f"{folder}/out", "--json"]
        _run_python("local_stack.command_line", *arguments)


def _peak_memory_bytes() -> int:
    return int(_run_python("bench.peak_memory"))


def _run_python(module: str, *arguments: str) -> str:
    """What a fresh interpreter writes that runs the module. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True).stdout


def _stage_table(warm: Mapping[str, Warm]) -> str:
    rows = [
        (stage.replace("_", " "), *(f"{statistics.median(runs.stages_s[stage]):.3f}" for runs in warm.values()))
        for stage in PIPELINE_STAGES
    ]
    return markdown_table(("stage", *warm), rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every report, print it, and put it into the page. Goals missed are told, but are no failure."""
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=main.__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, metavar="N", help="runs after the warm-up")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose tables are rewritten")
    parser.add_argument("--dry-run", action="store_true", help="print only, leave the page as it is")
    options = parser.parse_args(arguments)
    if options.repetitions < 1:
        parser.error("measure at least once")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name, measure in REPORTS.items():
        measured = f"{circumstances()} Median of {options.repetitions} after a warm-up."
        report = measure(options.repetitions)
        content = f"{measured}\n\n{report.markdown()}"
        if not options.dry_run:
            rewrite_block(options.page, name, content)
        missed = ", ".join(figure.name for figure in report.missed())
        verdict = f"Goals missed: {missed}." if missed else "Every goal is reached."
        sys.stdout.write(f"{content}\n\n{verdict}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
