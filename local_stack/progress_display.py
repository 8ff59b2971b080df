"""Shows what the pipeline is doing: a bar on a terminal, plain lines elsewhere, nothing where a machine reads."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

_STAGE_NAMES = {
    "fetch_photos": "Fetching the photos",
    "read_photo": "Reading the photos",
    "find_person": "Finding the person",
    "estimate_pose": "Estimating pose and camera",
    "fit_body": "Fitting the body",
    "measure": "Measuring",
    "write_avatar": "Writing the avatar",
    "draw_preview": "Drawing the pictures",
    "upload": "Storing the files",
}


class ProgressDisplay:
    """Open it around the work. quiet: show nothing."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        if not quiet and sys.stderr.isatty():
            columns = (SpinnerColumn(), TextColumn("{task.description:32}"), BarColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        if self._bar is not None:
            self._bar.update(self._task, description=sentence)
        elif not self._quiet:
            sys.stderr.write(f"{sentence}\n")
            sys.stderr.flush()

    def stage(self, stage: str, done: float) -> None:
        """Show that a stage begins when `done` of the whole (0 to 1) is behind us."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        self.say(_STAGE_NAMES[stage])
