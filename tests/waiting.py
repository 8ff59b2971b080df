"""Waits for what another process does, which sends the test no word of it."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 60.0
_PAUSE_S = 0.05

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value | None], *, deadline_s: float = DEADLINE_S) -> Value:
    """Return the condition's value as soon as it is true; fail the test when it is not within `deadline_s` seconds."""
    deadline = time.monotonic() + deadline_s
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(_PAUSE_S)
    return value
