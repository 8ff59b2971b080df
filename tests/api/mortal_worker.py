"""The real worker, which the kernel kills as it enters the stage named in DIE_AT_STAGE."""

import os
import signal

from gpu_worker.handler import serve
from gpu_worker.pipeline import AvatarFiles, AvatarPipeline, AvatarRequest, Progress
from gpu_worker.settings import WorkerSettings
from shared.jobs import Stage


class MortalPipeline:
    """Dies part of the way."""

    def __init__(self, pipeline: AvatarPipeline, last_stage: Stage) -> None:
        self._pipeline = pipeline
        self._last_stage = last_stage

    def run(self, request: AvatarRequest, *, progress: Progress) -> AvatarFiles:
        """Run up to the last stage."""

        def on_progress(stage: Stage, share_done: float) -> None:
            progress(stage, share_done)
            if stage is self._last_stage:
                os.kill(os.getpid(), signal.SIGKILL)

        return self._pipeline.run(request, progress=on_progress)


if __name__ == "__main__":
    serve(MortalPipeline(AvatarPipeline.load(), Stage(os.environ["DIE_AT_STAGE"])), WorkerSettings())
