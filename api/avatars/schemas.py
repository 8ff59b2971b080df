"""Avatars on the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from api.avatars.states import AvatarStatus
from api.schemas import AnswerModel, RequestModel
from shared.jobs import BodyFacts, Measurement, PhotoView, Stage
from shared.measurements import MeasurementKey
from shared.rejections import RejectionReason, WarningReason


def _front_first(photos: list[PhotoView]) -> list[PhotoView]:
    if len(set(photos)) != len(photos):
        raise ValueError("names a photo twice")
    if PhotoView.SIDE in photos and PhotoView.FRONT not in photos:
        raise ValueError("a side photo needs a front photo with it")
    return sorted(photos)


class Consent(RequestModel):
    """What the shopper agreed to, as it was put to them."""

    text_version: Annotated[str, Field(min_length=1, max_length=50, description="Version of the wording shown.")]
    purposes: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,49}$")]], Field(min_length=1, max_length=20)
    ]


class CreateAvatar(BodyFacts):
    """A shopper's wish for an avatar. Without photos it is made from the numbers alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "height_cm": 172,
                    "weight_kg": 68.5,
                    "sex": "female",
                    "age_years": 34,
                    "photos": ["front", "side"],
                    "consent": {"text_version": "2026-11", "purposes": ["avatar", "size_recommendation"]},
                }
            ]
        }
    )

    photos: Annotated[list[PhotoView], Field(max_length=2), AfterValidator(_front_first)]
    consent: Consent

    @model_validator(mode="after")
    def _say_enough(self) -> Self:
        if not self.photos and self.weight_kg is None and self.sex is None:
            raise ValueError("without a photo, give at least weight_kg or sex")
        return self

    def facts(self) -> BodyFacts:
        """What the worker is told."""
        return BodyFacts(height_cm=self.height_cm, weight_kg=self.weight_kg, sex=self.sex, age_years=self.age_years)


class PhotoUpload(AnswerModel):
    """Where to send a photo, once: the browser sends it straight to storage.

    `headers` go with the request; another image type than JPEG is sent with its own Content-Type.
    """

    url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_at: datetime


class NewAvatar(AnswerModel):
    """An avatar that waits for its photos and its start."""

    id: UUID
    status: AvatarStatus
    uploads: dict[PhotoView, PhotoUpload]


class Progress(AnswerModel):
    """How far the job is. `stage` is null until a worker has begun."""

    stage: Stage | None
    percent: Annotated[int, Field(ge=0, le=100)]


class Failure(AnswerModel):
    """Why there is no avatar, and what the shopper can do."""

    reason: RejectionReason | Literal["internal"]
    advice: str


class AvatarWarning(AnswerModel):
    """Why the avatar is less certain than it could be, and what would help."""

    reason: WarningReason
    advice: str


class AvatarState(AnswerModel):
    """What changes while a job runs; the data of an event on the stream. Holds no URL."""

    id: UUID
    status: AvatarStatus
    progress: Progress
    failure: Failure | None = None


class AvatarView(AvatarState):
    """An avatar. `glb_url` and `preview_url` are signed and last minutes: ask again rather than keep them."""

    created_at: datetime
    photos: list[PhotoView]
    measurements: dict[MeasurementKey, Measurement] | None = None
    warnings: list[AvatarWarning] = Field(default=[])
    glb_url: str | None = None
    preview_url: str | None = None
    photos_deleted_at: datetime | None = None
