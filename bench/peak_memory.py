"""Runs the worker's pipeline in a process of its own and writes that process's peak memory, in bytes, to stdout."""

import resource
import sys

from bench.sample import load_sample
from gpu_worker.pipeline import AvatarPipeline

# The second run shows what the first one left behind.
_RUNS = 2


def main() -> None:
    pipeline = AvatarPipeline.load()
    sample = load_sample()
    for _ in range(_RUNS):
        pipeline.run(sample.request)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, everybody else kibibytes.
    sys.stdout.write(f"{peak if sys.platform == 'darwin' else 1024 * peak}\n")


if __name__ == "__main__":
    main()
