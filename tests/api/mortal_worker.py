"""The real worker, which the kernel kills as it enters the stage named in DIE_AT_STAGE."""

import os
import signal

from gpu_worker import handler
from gpu_worker.pipeline import AvatarFiles, AvatarPipeline, AvatarRequest, Progress, Stage

LAST_STAGE = Stage(os.environ["DIE_AT_STAGE"])


class MortalPipeline(AvatarPipeline):
    """Dies part of the way."""

    def run(self, request: AvatarRequest, *, progress: Progress = lambda stage, done: None) -> AvatarFiles:
        """Run up to the last stage."""

        def on_progress(stage: Stage, share_done: float) -> None:
            progress(stage, share_done)
            if stage is LAST_STAGE:
                os.kill(os.getpid(), signal.SIGKILL)

        return super().run(request, progress=on_progress)


handler.AvatarPipeline = MortalPipeline  # type: ignore[misc]

if __name__ == "__main__":
    handler.main()
