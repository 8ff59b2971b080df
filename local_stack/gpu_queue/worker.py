"""How the unmodified `runpod` SDK is told to take its jobs from the local queue."""

import os
from pathlib import Path
from uuid import uuid4

PING_INTERVAL_S = 1


def worker_environment(*, base_url: str, endpoint: str, key: str, home: Path) -> dict[str, str]:
    """Return the environment that RunPod would give a worker, pointing at the queue at `base_url` (without /v2).

    Each call names a new worker, as each container on RunPod is one. `home` becomes its home directory: in the user's
    own the SDK may find the key of an account at RunPod, and would send that one.
    """
    worker = f"local-{uuid4().hex[:12]}"
    root = f"{base_url}/v2/{endpoint}"
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": caches,
        # The SDK appends `&…` to these, so each needs a query of its own.
        "RUNPOD_WEBHOOK_GET_JOB": f"{root}/job-take/{worker}?gpu=local",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{root}/job-done/{worker}/$ID?gpu=local",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{root}/job-stream/{worker}/$ID?gpu=local",
        "RUNPOD_WEBHOOK_PING": f"{root}/ping/{worker}?gpu=local",
        "RUNPOD_PING_INTERVAL": str(PING_INTERVAL_S * 1000),
        "RUNPOD_AI_API_KEY": key,
        "RUNPOD_POD_ID": worker,
        "RUNPOD_ENDPOINT_ID": endpoint,
        # At DEBUG, the SDK's default, it logs whole results.
        "RUNPOD_LOG_LEVEL": "INFO",
        # Start-up checks that ask for CUDA and for the internet, which this machine may well not have.
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }
