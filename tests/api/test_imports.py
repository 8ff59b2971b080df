"""The control plane stays small: what only the worker needs is never loaded."""

import subprocess
import sys

FORBIDDEN = ("torch", "numpy", "scipy", "cv2", "mediapipe", "anny", "PIL", "runpod", "gpu_worker", "local_stack")


def test_the_api_loads_nothing_of_the_workers() -> None:
    program = f"import sys, api.app; sys.exit(', '.join(m for m in {FORBIDDEN!r} if m in sys.modules) or None)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
