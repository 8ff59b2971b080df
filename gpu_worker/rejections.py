"""The worker's expected faults: an input it must refuse, with a reason the shopper can act on."""

from shared.rejections import REJECTION_ADVICE, RejectionReason


class PhotoRejected(Exception):
    """An input was refused; nothing was kept.

    `reason` is the stable slug, `advice` a sentence that tells the shopper what to do, `detail` (optional) names what
    was wrong with this very input, such as the part of the body that is cut off.
    """

    def __init__(self, reason: RejectionReason, *, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.advice = f"{detail} {REJECTION_ADVICE[reason]}".strip()
        super().__init__(f"{reason}: {self.advice}")
