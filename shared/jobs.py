"""The wire contract between the control plane and the GPU worker: what a job is, what it reports, what it answers."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, HttpUrl, model_validator

from shared.measurements import MeasurementKey
from shared.person import AGE_RANGE_YEARS, HEIGHT_RANGE_CM, Sex, check_plausible
from shared.rejections import REJECTION_ADVICE, RejectionReason, WarningReason

CONTRACT_VERSION: Final = 1
"""Raised whenever one side's older release would misread the other's newer; an unknown version is refused."""

MAX_PHOTO_BYTES = 25 * 1024 * 1024


class WireModel(BaseModel):
    """A message on the wire: unknown fields are refused and a message never changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PhotoView(StrEnum):
    """Which photo of the shopper this is."""

    FRONT = "front"
    SIDE = "side"


class Stage(StrEnum):
    """What the worker is doing, in the order in which it happens."""

    FETCH_PHOTOS = "fetch_photos"
    READ_PHOTO = "read_photo"
    FIND_PERSON = "find_person"
    ESTIMATE_POSE = "estimate_pose"
    FIT_BODY = "fit_body"
    MEASURE = "measure"
    WRITE_AVATAR = "write_avatar"
    DRAW_PREVIEW = "draw_preview"
    UPLOAD = "upload"


class OutputFile(StrEnum):
    """A file the worker writes for an avatar. Its name ends its object key too, so a second run overwrites.

    The pipeline's overlays are not among them: they show the photo, which is not kept.
    """

    GLB = "avatar.glb"
    MEASUREMENTS = "measurements.json"
    BODY = "body.npz"
    PREVIEW = "preview.png"
    RESULT = "result.json"


OUTPUT_CONTENT_TYPES: dict[OutputFile, str] = {
    OutputFile.GLB: "model/gltf-binary",
    OutputFile.MEASUREMENTS: "application/json",
    OutputFile.BODY: "application/octet-stream",
    OutputFile.PREVIEW: "image/png",
    OutputFile.RESULT: "application/json",
}


class BodyFacts(WireModel):
    """What the shopper says about their body."""

    height_cm: Annotated[FiniteFloat, Field(ge=HEIGHT_RANGE_CM[0], le=HEIGHT_RANGE_CM[1])]
    weight_kg: FiniteFloat | None = None
    sex: Sex | None = None
    age_years: Annotated[int, Field(ge=AGE_RANGE_YEARS[0], le=AGE_RANGE_YEARS[1])] | None = None

    @model_validator(mode="after")
    def _are_plausible(self) -> Self:
        reason = check_plausible(height_cm=self.height_cm, weight_kg=self.weight_kg)
        if reason is not None:
            raise ValueError(REJECTION_ADVICE[reason])
        return self


class SignedUpload(WireModel):
    """One signed request that stores one object."""

    url: HttpUrl
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str] = {}


class ProgressChannel(WireModel):
    """Where the worker reports progress; the URL ends in this attempt's unguessable token."""

    url: HttpUrl


class AvatarJob(WireModel):
    """The input of an avatar job: everything the worker may touch, and nothing else."""

    contract_version: Literal[1] = CONTRACT_VERSION
    kind: Literal["avatar"] = "avatar"
    job_id: UUID
    attempt: Annotated[int, Field(ge=1)]
    facts: BodyFacts
    photos: dict[PhotoView, HttpUrl]
    uploads: dict[OutputFile, SignedUpload]
    progress: ProgressChannel

    @model_validator(mode="after")
    def _every_file_has_a_place(self) -> Self:
        if missing := set(OutputFile) - self.uploads.keys():
            raise ValueError(f"uploads lack {', '.join(sorted(missing))}")
        return self


class ProgressReport(WireModel):
    """One message on the progress channel. `sequence` grows by one within an attempt; a smaller one is stale."""

    attempt: Annotated[int, Field(ge=1)]
    queue_job_id: Annotated[str, Field(min_length=1, max_length=200)]
    """RunPod's id of this run, so that a dispatch whose answer was lost is found again."""
    sequence: Annotated[int, Field(ge=1, le=1_000_000)]
    stage: Stage
    percent: Annotated[int, Field(ge=0, le=99)]


class Verdict(StrEnum):
    """What the control plane tells a worker that reports progress."""

    CONTINUE = "continue"
    FINISHED = "finished"
    """The result of this job already lies in storage: answer that one and do no work."""
    STOP = "stop"
    """Nobody waits for this attempt any more: it was superseded or its avatar deleted."""


class ProgressAnswer(WireModel):
    """The control plane's answer to a progress report."""

    verdict: Verdict
    result_url: HttpUrl | None = None
    """A signed URL of the result; given with `finished` only."""


class Measurement(WireModel):
    """One measurement and how far off it may be: nine in ten lie within `error_p90`, same unit as the key says."""

    value: FiniteFloat
    error_p90: Annotated[FiniteFloat, Field(ge=0)]


class AvatarReady(WireModel):
    """The avatar's files are all in storage."""

    outcome: Literal["ready"] = "ready"
    contract_version: Literal[1] = CONTRACT_VERSION
    job_id: UUID
    files: list[OutputFile]
    measurements: dict[MeasurementKey, Measurement]
    warnings: list[WarningReason] = []


class AvatarRefused(WireModel):
    """The input cannot become an avatar; the shopper is told why and what to do."""

    outcome: Literal["refused"] = "refused"
    contract_version: Literal[1] = CONTRACT_VERSION
    job_id: UUID
    reason: RejectionReason
    advice: Annotated[str, Field(min_length=1, max_length=500)]
    """A sentence that tells the shopper what to do."""


AvatarResult = Annotated[AvatarReady | AvatarRefused, Field(discriminator="outcome")]
"""What lies in `result.json` and what the worker answers RunPod."""
