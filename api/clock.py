"""The one clock of the control plane, so that a test can move time and no two parts disagree about it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment, in UTC with a time zone."""


def system_clock() -> datetime:
    """The machine's own time."""
    return datetime.now(UTC)
