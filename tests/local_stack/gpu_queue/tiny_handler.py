"""A worker for the tests of the queue: the real SDK around a handler that does what its input says."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import runpod


async def handle(job: dict[str, Any]) -> dict[str, Any]:
    """Answer, refuse, raise, die, or work until stopped."""
    match job["input"]:
        case {"do": "answer", "value": value}:
            return {"value": value, "job_id": job["id"]}
        case {"do": "refuse"}:
            return {"error": "refused", "detail": 7}
        case {"do": "raise"}:
            raise RuntimeError("broken")
        case {"do": "die once", "marker": marker}:
            if not Path(marker).exists():
                Path(marker).touch()
                # The whole group, as a container ends with everything in it.
                os.killpg(0, signal.SIGKILL)
            return {"value": "second life"}
        case {"do": "work until stopped", "started": started, "stopped": stopped}:
            Path(started).touch()
            try:
                await asyncio.Event().wait()
            finally:
                Path(stopped).touch()
    raise ValueError(job["input"])


if __name__ == "__main__":
    runpod.serverless.start({"handler": handle})
