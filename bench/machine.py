"""Says on which machine, on which day and from which commit a figure was measured; without that it means nothing."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def circumstances() -> str:
    """One sentence: date, commit, processor and how many of its cores this process may use, Python, system."""
    today = datetime.now(UTC).date().isoformat()
    system = f"{platform.system()} {platform.machine()}"
    return (
        f"Measured {today} at commit {_commit()} on {_usable_cores()} cores of {_processor()}, {system}, "
        f"Python {platform.python_version()}, one-minute load {_load()} when it began."
    )


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = bool(git("status", "--porcelain", "--", "gpu_worker", "shared", "local_stack"))
        return git("rev-parse", "--short", "HEAD") + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _usable_cores() -> int:
    # Only Linux lets a process be confined to some cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "an unnamed processor"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
