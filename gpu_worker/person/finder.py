"""Finds the one person in a photo: landmarks, outline, and whether the photo will do."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.cautions import (
    has_arms_against_trunk,
    has_hands_on_hips,
    has_loose_clothes,
    is_blurred,
    is_dark,
    lit,
)
from gpu_worker.person.checks import (
    is_credible_person,
    is_far_away,
    is_whole_person,
    parts_cut_off,
    wrong_side,
)
from gpu_worker.person.counting import SMALLEST_HEIGHT_RATIO, has_second_face, is_convincing_second, paint_over
from gpu_worker.person.detection import Detector, Pose
from gpu_worker.person.figure import height_px
from gpu_worker.person.mask import refine_mask
from gpu_worker.person.person import Person, View
from gpu_worker.rejections import PhotoRejected
from shared.rejections import RejectionReason, WarningReason


class PersonFinder:
    """Finds people in photos; build one and keep it, the networks load once."""

    def __init__(self) -> None:
        self._detector = Detector()

    def find_person(self, photo_rgb: NDArray[np.uint8], view: View) -> Person:
        """The person in an (H, W, 3) sRGB photo that is meant to show `view`. The same photo gives the same person.

        Raises PhotoRejected: no_person, several_people, body_cut_off, turned_away or person_too_small.
        """
        dark = is_dark(photo_rgb)
        if dark:
            photo_rgb = lit(photo_rgb)
        pose = self._only_person(photo_rgb, self._most_prominent(photo_rgb))
        missing = parts_cut_off(pose.landmarks_px, pose.visibility, pose.mask)
        if missing:
            raise PhotoRejected(RejectionReason.BODY_CUT_OFF, detail=f"We cannot see your {' and '.join(missing)}.")
        if is_far_away(pose.mask):
            raise PhotoRejected(RejectionReason.PERSON_TOO_SMALL)
        wrong = wrong_side(pose.landmarks_px, view)
        if wrong is not None:
            raise PhotoRejected(RejectionReason.TURNED_AWAY, detail=f"We seem to see you from the {wrong}.")
        mask = refine_mask(photo_rgb, pose.mask)
        return Person(
            landmarks_px=pose.landmarks_px,
            visibility=pose.visibility,
            mask=mask,
            warnings=tuple(_cautions(photo_rgb, view, pose.landmarks_px, mask, dark=dark)),
        )

    def _most_prominent(self, photo_rgb: NDArray[np.uint8]) -> Pose:
        pose = self._detector.pose(photo_rgb)
        if pose is not None and is_credible_person(pose.visibility):
            return pose
        pose = self._detector.pose(photo_rgb, faint=True)
        if pose is not None and is_whole_person(pose.visibility):
            return pose
        raise PhotoRejected(RejectionReason.NO_PERSON)

    def _only_person(self, photo_rgb: NDArray[np.uint8], first: Pose) -> Pose:
        without_first, painted = paint_over(photo_rgb, first.mask)
        faces = self._detector.faces(photo_rgb) + self._detector.faces(without_first)
        if has_second_face(first, faces, painted):
            raise PhotoRejected(RejectionReason.SEVERAL_PEOPLE)
        second = self._detector.pose(without_first)
        if second is None or not is_convincing_second(first, second, painted):
            return first
        if height_px(first.mask) < SMALLEST_HEIGHT_RATIO * height_px(second.mask):
            # The network took a passer-by; the shopper is the other one.
            return second
        raise PhotoRejected(RejectionReason.SEVERAL_PEOPLE)


def _cautions(
    photo_rgb: NDArray[np.uint8],
    view: View,
    landmarks_px: NDArray[np.float64],
    mask: NDArray[np.float32],
    *,
    dark: bool,
) -> Iterator[WarningReason]:
    if view is View.FRONT:
        if has_hands_on_hips(landmarks_px):
            yield WarningReason.HANDS_ON_HIPS
        elif has_arms_against_trunk(landmarks_px, mask):
            yield WarningReason.ARMS_AGAINST_TRUNK
        if has_loose_clothes(landmarks_px, mask):
            yield WarningReason.LOOSE_CLOTHES
    if dark:
        yield WarningReason.TOO_DARK
    if is_blurred(photo_rgb, mask):
        yield WarningReason.BLURRED
