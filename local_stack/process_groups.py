"""Starts child processes so that none of them, nor anything they start, outlives this process."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Process = subprocess.Popen[bytes]


class ProcessGroups:
    """The groups of processes that belong to this one; each child leads a group of its own."""

    def __init__(self, reaper: Process) -> None:
        self._reaper = reaper

    def start(
        self,
        command: Sequence[str],
        *,
        log_file: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        last_signal: signal.Signals = signal.SIGKILL,
    ) -> Process:
        """Start a child that writes to a log file; `last_signal` ends its group should this process die first."""
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                start_new_session=True,
            )
        self._tell_reaper(f"+ {process.pid} {int(last_signal)}")
        return process

    def end(self, process: Process, *, first_signal: signal.Signals = signal.SIGTERM, timeout_s: float = 5.0) -> None:
        """Ask a child to end, wait so long, and kill whatever of its group is still there."""
        if process.poll() is None:
            process.send_signal(first_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
        self.forget(process)
        process.wait()

    def forget(self, process: Process) -> None:
        """Kill what is left of the group of a child that ended by itself, or that will not."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self._tell_reaper(f"- {process.pid}")

    def _tell_reaper(self, line: str) -> None:
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(f"{line}\n".encode())
        self._reaper.stdin.flush()


@contextlib.contextmanager
def process_groups() -> Iterator[ProcessGroups]:
    """Give a way to start children; those that are still there at the end are killed."""
    reaper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("reaper.py"))],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield ProcessGroups(reaper)
    finally:
        assert reaper.stdin is not None
        reaper.stdin.close()
        reaper.wait()
