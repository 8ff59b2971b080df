"""Makes sure that the worker finds its body model prepared, before anything waits for it to start."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

# The worker of this program, whose body model is prepared here; another command sees to its own.
DEFAULT_WORKER = (sys.executable, "-m", "gpu_worker.handler")


def prepare_body_model(worker_command: tuple[str, ...], *, announce: Callable[[str], None]) -> None:
    """Build the default worker's tables if this machine has none, which takes about a minute and is announced.

    Raises OSError if the cache folder cannot be written.
    """
    if worker_command != DEFAULT_WORKER:
        return
    from gpu_worker.body.anny_cache import tables_are_ready

    if tables_are_ready():
        return
    announce("Preparing the body model; this happens once and takes about a minute.")
    # In a process of its own: building takes 2 GB that the supervisor would keep.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_build).result()


def _build() -> None:
    from gpu_worker.body.anny_cache import load_tables

    load_tables()
