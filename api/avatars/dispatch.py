"""What a worker is sent: signed URLs of one job's objects, and nothing else it could reach."""

import asyncio

from pydantic import HttpUrl

from api.avatars.jobs import Job
from api.object_storage import ObjectStorage, avatar_object, photo_object
from shared.jobs import AvatarJob, OutputFile, PhotoView, ProgressChannel, SignedUpload

PHOTO_URL_TTL_S = 7200
"""As long as the upload URLs beside them, whose life storage fixes; longer than a job may wait and run."""


class PhotosGone(Exception):
    """A photo the job needs is no longer in storage, so that no attempt can succeed."""


async def worker_input(job: Job, storage: ObjectStorage, *, callback_url: str) -> AvatarJob:
    """The input of the job's next attempt, which reports below `callback_url`.

    Raises `PhotosGone` and `StorageUnavailable`.
    """
    photos: dict[PhotoView, HttpUrl] = {}
    for view in job.photos:
        url = await storage.sign_download(photo_object(job.avatar_id, view), ttl_s=PHOTO_URL_TTL_S)
        if url is None:
            raise PhotosGone
        photos[view] = HttpUrl(url)
    signed = await asyncio.gather(
        *(storage.sign_overwriting_upload(avatar_object(job.avatar_id, file)) for file in OutputFile)
    )
    uploads = {file: SignedUpload(url=HttpUrl(each.url)) for file, each in zip(OutputFile, signed, strict=True)}
    return AvatarJob(
        job_id=job.id,
        attempt=job.attempts + 1,
        facts=job.facts,
        photos=photos,
        uploads=uploads,
        progress=ProgressChannel(url=HttpUrl(f"{callback_url}/progress")),
    )
