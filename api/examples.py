"""One merchant and one shopper on their way through the API, so that every example in its description fits the others.

The measurements are those of the sample person (`gpu_worker/sample`) as the pipeline answers them.
"""

import json
from typing import Final

from pydantic.config import JsonDict

from shared.rejections import REJECTION_ADVICE, WARNING_ADVICE, RejectionReason, WarningReason

BRAND_ID: Final = "5f0d7c1e-8a43-4b1e-9c52-6d2b7f3e4a10"
KEY_ID: Final = "b2a9e4d6-17c3-4f58-8e0b-93c1d5a7f624"
AVATAR_ID: Final = "c81f3a52-6b9d-4e07-a2f4-0d5e8b7c1936"
SHOP_ORIGIN: Final = "https://shop.example"
PUBLISHABLE_KEY: Final = "pk_example_publishable_key"
IDEMPOTENCY_KEY: Final = "fitting-room-visit-1842"
LAST_EVENT_ID: Final = "7"
_STORAGE: Final = "https://storage.example/storage/v1/object"

CREATE_BRAND: Final[JsonDict] = {
    "name": "Example Knitwear",
    "shopify_shop_domain": "example.myshopify.com",
    "allowed_origins": [SHOP_ORIGIN],
}
UPDATE_BRAND: Final[JsonDict] = {"allowed_origins": [SHOP_ORIGIN, "https://www.shop.example"]}
BRAND: Final[JsonDict] = {"id": BRAND_ID, **CREATE_BRAND, "created_at": "2026-11-02T09:00:00Z"}
NEW_BRAND: Final[JsonDict] = {**BRAND, "publishable_key": PUBLISHABLE_KEY, "secret_key": "sk_example_secret_key"}

CREATE_KEY: Final[JsonDict] = {"kind": "secret"}
KEY: Final[JsonDict] = {
    "id": KEY_ID,
    "kind": "secret",
    "key_prefix": "sk_example",
    "created_at": "2026-11-02T09:00:00Z",
    "expires_at": None,
    "revoked_at": None,
}
ROTATE_KEY: Final[JsonDict] = {"overlap_s": 86_400}
NEW_KEY: Final[JsonDict] = {
    **KEY,
    "id": "e64b0f19-d85a-4c72-b3e6-2a7f9c0d4851",
    "key_prefix": "sk_another",
    "created_at": "2026-11-09T09:00:00Z",
    "key": "sk_another_secret_key",
}
SHOPPER_TOKEN: Final[JsonDict] = {"token": "example.shopper.token", "expires_at": "2026-11-16T19:30:00Z"}

CONSENT: Final[JsonDict] = {"text_version": "2026-11", "purposes": ["avatar", "size_recommendation"]}
CREATE_AVATAR: Final[JsonDict] = {
    "height_cm": 168,
    "weight_kg": 64,
    "sex": "female",
    "age_years": 31,
    "photos": ["front", "side"],
    "consent": CONSENT,
}


def _upload(view: str) -> JsonDict:
    return {
        "url": f"{_STORAGE}/upload/sign/photos/{AVATAR_ID}/{view}?token=example",
        "method": "PUT",
        "headers": {"Content-Type": "image/jpeg"},
        "expires_at": "2026-11-16T20:30:00Z",
    }


PHOTO_UPLOAD: Final[JsonDict] = _upload("front")
NEW_AVATAR: Final[JsonDict] = {
    "id": AVATAR_ID,
    "status": "pending",
    "uploads": {"front": PHOTO_UPLOAD, "side": _upload("side")},
}

PROGRESS: Final[JsonDict] = {"stage": "fit_body", "percent": 60}
FAILURE: Final[JsonDict] = {"reason": "body_cut_off", "advice": REJECTION_ADVICE[RejectionReason.BODY_CUT_OFF]}
AVATAR_WARNING: Final[JsonDict] = {"reason": "loose_clothes", "advice": WARNING_ADVICE[WarningReason.LOOSE_CLOTHES]}
STATE_PROCESSING: Final[JsonDict] = {"id": AVATAR_ID, "status": "processing", "progress": PROGRESS, "failure": None}
STATE_READY: Final[JsonDict] = {
    "id": AVATAR_ID,
    "status": "ready",
    "progress": {"stage": "upload", "percent": 100},
    "failure": None,
}
STATE_FAILED: Final[JsonDict] = {
    "id": AVATAR_ID,
    "status": "failed",
    "progress": {"stage": "find_person", "percent": 20},
    "failure": FAILURE,
}

_VALUES_AND_ERRORS: Final[dict[str, tuple[float, float]]] = {
    "height_cm": (168.0, 0.2),
    "chest_girth_cm": (94.3, 4.9),
    "underbust_girth_cm": (81.0, 5.5),
    "waist_girth_cm": (79.8, 5.1),
    "hip_girth_cm": (98.2, 3.2),
    "abdomen_girth_cm": (79.4, 5.2),
    "neck_girth_cm": (30.1, 2.0),
    "upper_arm_girth_cm": (26.7, 1.7),
    "elbow_girth_cm": (23.4, 1.6),
    "wrist_girth_cm": (16.2, 1.5),
    "thigh_girth_cm": (58.8, 1.6),
    "knee_girth_cm": (36.7, 1.7),
    "calf_girth_cm": (35.6, 1.9),
    "ankle_girth_cm": (21.2, 1.7),
    "head_girth_cm": (55.4, 1.7),
    "shoulder_breadth_cm": (41.6, 1.7),
    "back_neck_to_waist_cm": (45.2, 1.6),
    "arm_length_cm": (56.9, 3.2),
    "inside_leg_height_cm": (76.9, 1.8),
    "waist_height_cm": (100.5, 1.8),
    "hip_height_cm": (86.4, 1.9),
    "knee_height_cm": (45.2, 1.7),
    "crotch_length_cm": (62.1, 1.6),
    "body_volume_l": (63.5, 5.8),
    "weight_kg": (64.0, 1.6),
}
AVATAR_STARTED: Final[JsonDict] = {
    **STATE_PROCESSING,
    "progress": {"stage": None, "percent": 0},
    "created_at": "2026-11-16T18:30:00Z",
    "photos": ["front", "side"],
    "measurements": None,
    "warnings": [],
    "glb_url": None,
    "preview_url": None,
    "photos_deleted_at": None,
}
AVATAR_READY: Final[JsonDict] = {
    **AVATAR_STARTED,
    **STATE_READY,
    "measurements": {key: {"value": value, "error_p90": error} for key, (value, error) in _VALUES_AND_ERRORS.items()},
    "warnings": [AVATAR_WARNING],
    "glb_url": f"{_STORAGE}/sign/avatars/{AVATAR_ID}/avatar.glb?token=example",
    "preview_url": f"{_STORAGE}/sign/avatars/{AVATAR_ID}/preview.png?token=example",
    "photos_deleted_at": "2026-11-16T18:31:40Z",
}
AVATAR_FAILED: Final[JsonDict] = {**AVATAR_STARTED, **STATE_FAILED, "photos_deleted_at": "2026-11-16T18:31:10Z"}


def _event(identifier: int, state: JsonDict) -> str:
    return f"id: {identifier}\nevent: avatar\ndata: {json.dumps(state, separators=(',', ':'))}\n\n"


AVATAR_EVENTS: Final = "retry: 2000\n\n" + _event(7, STATE_PROCESSING) + ": still here\n\n" + _event(8, STATE_READY)
METRICS: Final = (
    "# HELP tryon_jobs_ended_total Jobs that reached a terminal state.\n"
    "# TYPE tryon_jobs_ended_total counter\n"
    'tryon_jobs_ended_total{outcome="ready"} 41.0\n'
)
