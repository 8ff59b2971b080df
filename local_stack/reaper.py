"""Outlives the process that started it by a moment, to end what that process left running.

Runs on its own, `python -I -S reaper.py`, and reads from its standard input one line a change: `+ GROUP SIGNAL` for a
process group that is to end with us, `- GROUP` for one that ended. The input closes when its writer is gone, whatever
ended it; only then is anything signalled. (Linux could do this with PR_SET_PDEATHSIG, but not for grandchildren.)
"""

import contextlib
import os
import signal
import sys


def reap() -> None:
    """Follow the changes until the input ends, then signal every group that is left."""
    groups: dict[int, int] = {}
    for line in sys.stdin:
        change, group, *signal_number = line.split()
        if change == "+":
            groups[int(group)] = int(signal_number[0])
        else:
            groups.pop(int(group), None)
    for group, last_signal in groups.items():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, last_signal)


if __name__ == "__main__":
    # Whoever interrupts us means the process we watch over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reap()
