"""Ties a child process to its parent, so that nothing outlives the command that started it."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_parent() -> None:
    """Ask the kernel to interrupt this process when its parent dies, however it dies; call it between fork and exec.

    Linux only: elsewhere a supervisor that is killed outright leaves its children to the next `tryon down`.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
