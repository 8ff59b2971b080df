"""Keeps MediaPipe's start-up chatter off the error stream, which belongs to the command line's answers."""

import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# MediaPipe and TensorFlow Lite write these straight to file descriptor 2, before their log level can be set. Errors
# ("E0000 ...", "F0000 ..." and anything unknown) are passed on.
_CHATTER = re.compile(
    rb"[IW]\d{4} \d{2}:\d{2}:"
    rb"|INFO: Created TensorFlow Lite"
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
)

_lock = threading.RLock()


@contextmanager
def quiet_native_logs() -> Iterator[None]:
    """While open, native code's info and warning lines are dropped; every other line is written when it closes.

    Python warnings raised inside protobuf and MediaPipe are ignored for the same time.
    """
    with _lock, tempfile.TemporaryFile() as captured:
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module=r"google\.protobuf|mediapipe")
                yield
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            captured.seek(0)
            with os.fdopen(original, "wb") as stream:
                stream.writelines(line for line in captured if not _CHATTER.match(line))
