"""The whole second stage on drawn people, on real photos that come with packages, and on the rendered people."""

from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.person.detection import Landmark
from gpu_worker.person.figure import height_px
from gpu_worker.person.finder import PersonFinder
from gpu_worker.person.person import View
from gpu_worker.photos import read_photo
from gpu_worker.rejections import PhotoRejected
from shared.rejections import RejectionReason, WarningReason
from tests.gpu_worker.person.drawn_people import FIGURES, draw, drawn_outline, drawn_photo

Photo = NDArray[np.uint8]

PEOPLE = Path(__file__).resolve().parents[2] / "fixtures" / "people"
DEVSET = Path(__file__).resolve().parents[4] / "shared" / "devset"


@pytest.fixture(scope="module")
def finder() -> PersonFinder:
    return PersonFinder()


def refusal(finder: PersonFinder, photo: Photo, view: View = View.FRONT) -> PhotoRejected:
    with pytest.raises(PhotoRejected) as caught:
        finder.find_person(np.ascontiguousarray(photo), view)
    return caught.value


def beside(photo: Photo, *, shift_px: float, scale: float) -> Photo:
    """The photo with the drawn person of "front" standing on the same floor, shifted and scaled."""
    floor_px, middle_px = 600.0, 240.0
    move = np.array([[scale, 0.0, (1 - scale) * middle_px + shift_px], [0.0, scale, (1 - scale) * floor_px]])
    size = photo.shape[1::-1]
    person = cv2.warpAffine(drawn_photo("front"), move, size, flags=cv2.INTER_AREA)
    cover = cv2.warpAffine(drawn_outline("front"), move, size)[..., None]
    return (photo * (1 - cover) + person * cover).astype(np.uint8)


def widened(photo: Photo, *, px: int) -> Photo:
    return np.pad(photo, ((0, 0), (px, px), (0, 0)), mode="edge")


@pytest.mark.parametrize("name", ["front", "side"])
def test_the_person_is_found_where_they_stand(finder: PersonFinder, name: str) -> None:
    photo, truth = drawn_photo(name), drawn_outline(name) > 0.5
    person = finder.find_person(photo, View(name))
    mask = person.mask > 0.5
    assert person.warnings == ()
    assert person.landmarks_px.shape == (33, 2)
    assert person.visibility.shape == (33,)
    assert person.mask.shape == truth.shape
    assert person.mask.dtype == np.float32
    assert (mask & truth).sum() / (mask | truth).sum() > 0.96
    ankles = person.landmarks_px[[Landmark.LEFT_ANKLE, Landmark.RIGHT_ANKLE]]
    assert all(truth[int(y_px), int(x_px)] for x_px, y_px in ankles)
    assert np.flatnonzero(truth.any(axis=1))[0] < person.landmarks_px[Landmark.NOSE, 1] < ankles[:, 1].min()


def test_left_is_the_persons_own(finder: PersonFinder) -> None:
    landmarks = finder.find_person(drawn_photo("front"), View.FRONT).landmarks_px
    assert landmarks[Landmark.LEFT_SHOULDER, 0] > landmarks[Landmark.RIGHT_SHOULDER, 0]


def test_the_same_photo_gives_the_same_person(finder: PersonFinder) -> None:
    first = finder.find_person(drawn_photo("front"), View.FRONT)
    finder.find_person(drawn_photo("side"), View.SIDE)
    for again in (finder, PersonFinder()):
        second = again.find_person(drawn_photo("front"), View.FRONT)
        np.testing.assert_array_equal(first.landmarks_px, second.landmarks_px)
        np.testing.assert_array_equal(first.mask, second.mask)


def test_nothing_is_written_to_the_error_stream(capfd: pytest.CaptureFixture[str]) -> None:
    PersonFinder().find_person(drawn_photo("front"), View.FRONT)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("arms-down", (WarningReason.ARMS_AGAINST_TRUNK,)),
        ("hands-on-hips", (WarningReason.HANDS_ON_HIPS,)),
        ("heavy", ()),
    ],
)
def test_poses_are_warned_of_and_builds_are_not(
    finder: PersonFinder, name: str, expected: tuple[WarningReason, ...]
) -> None:
    assert finder.find_person(drawn_photo(name), View.FRONT).warnings == expected


def test_a_long_skirt_is_warned_of(finder: PersonFinder) -> None:
    photo = drawn_photo("front")
    landmarks = finder.find_person(photo, View.FRONT).landmarks_px
    hips, ankles = (
        landmarks[[Landmark[f"{side}_{joint}"] for side in ("LEFT", "RIGHT")]] for joint in ("HIP", "ANKLE")
    )
    hem_px = ankles[:, 1].min() - 12
    corners = [
        (hips[0, 0] + 25, hips[0, 1]),
        (hips[1, 0] - 25, hips[1, 1]),
        (ankles[1, 0] - 45, hem_px),
        (ankles[0, 0] + 45, hem_px),
    ]
    cv2.fillConvexPoly(photo, np.array(corners).round().astype(np.int32), (120.0, 40.0, 60.0), lineType=cv2.LINE_AA)
    assert WarningReason.LOOSE_CLOTHES in finder.find_person(photo, View.FRONT).warnings


@pytest.mark.parametrize("gain", [0.25, 0.12])
def test_people_in_the_dark_are_found_and_told(finder: PersonFinder, gain: float) -> None:
    dark = (drawn_photo("front") * gain).astype(np.uint8)
    assert finder.find_person(dark, View.FRONT).warnings == (WarningReason.TOO_DARK,)


def test_blur_is_warned_of(finder: PersonFinder) -> None:
    blurred = cv2.GaussianBlur(drawn_photo("front"), (0, 0), 4.0).astype(np.uint8)
    assert WarningReason.BLURRED in finder.find_person(blurred, View.FRONT).warnings


@pytest.mark.parametrize(
    ("name", "view", "side"),
    [
        ("side", View.FRONT, "side"),
        ("half-turned", View.FRONT, "side"),
        ("back", View.FRONT, "back"),
        ("back", View.SIDE, "back"),
        ("front", View.SIDE, "front"),
    ],
)
def test_people_who_are_turned_away_are_told_how_we_see_them(
    finder: PersonFinder, name: str, view: View, side: str
) -> None:
    refused = refusal(finder, drawn_photo(name), view)
    assert refused.reason is RejectionReason.TURNED_AWAY
    assert side in refused.detail


@pytest.mark.parametrize("name", ["front", "side"])
@pytest.mark.parametrize("part", ["feet", "legs", "head", "left edge", "right edge"])
def test_people_who_are_cut_off_are_told_where(finder: PersonFinder, name: str, part: str) -> None:
    photo, truth = drawn_photo(name), drawn_outline(name) > 0.5
    landmarks = finder.find_person(photo, View(name)).landmarks_px
    columns = np.flatnonzero(truth.any(axis=0))
    cropped = {
        "feet": photo[: int(landmarks[[Landmark.LEFT_ANKLE, Landmark.RIGHT_ANKLE], 1].max())],
        "legs": photo[: int(landmarks[Landmark.LEFT_HIP, 1] + 30)],
        "head": photo[int(landmarks[Landmark.NOSE, 1]) :],
        "left edge": photo[:, columns[0] + 25 :],
        "right edge": photo[:, : columns[-1] - 25],
    }[part]
    refused = refusal(finder, cropped, View(name))
    assert refused.reason is RejectionReason.BODY_CUT_OFF
    assert part in refused.detail


def test_a_real_half_body_portrait_is_cut_off(finder: PersonFinder) -> None:
    astronaut: Photo = skimage.data.astronaut()  # type: ignore[no-untyped-call]  # no types
    refused = refusal(finder, astronaut)
    assert refused.reason is RejectionReason.BODY_CUT_OFF
    assert "legs" in refused.detail


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket"])
def test_real_photos_without_people_show_nobody(finder: PersonFinder, name: str) -> None:
    assert refusal(finder, getattr(skimage.data, name)()).reason is RejectionReason.NO_PERSON


def test_an_empty_room_shows_nobody(finder: PersonFinder) -> None:
    assert refusal(finder, np.full((640, 480, 3), 200, dtype=np.uint8)).reason is RejectionReason.NO_PERSON


@pytest.mark.parametrize(("shift_px", "scale"), [(230.0, 1.0), (-200.0, 1.0), (110.0, 0.95), (250.0, 0.6)])
@pytest.mark.parametrize("name", ["arms-down", "side"])
def test_two_people_are_counted(finder: PersonFinder, name: str, shift_px: float, scale: float) -> None:
    room = widened(drawn_photo(name), px=150)
    pair = beside(room, shift_px=150 + shift_px, scale=scale)
    assert refusal(finder, pair, View.SIDE if name == "side" else View.FRONT).reason is RejectionReason.SEVERAL_PEOPLE


def test_a_distant_passer_by_does_no_harm(finder: PersonFinder) -> None:
    street = beside(widened(drawn_photo("front"), px=150), shift_px=380.0, scale=0.2)
    assert height_px(finder.find_person(street, View.FRONT).mask) > 450


@pytest.mark.parametrize("width_px", [70, 110])
def test_a_portrait_on_the_wall_does_no_harm(finder: PersonFinder, width_px: int) -> None:
    portrait = Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    portrait = portrait.resize((width_px, round(portrait.height * width_px / portrait.width)))
    room = widened(drawn_photo("front"), px=100)
    room[70 : 70 + portrait.height, 20 : 20 + width_px] = np.asarray(portrait)
    assert finder.find_person(room, View.FRONT).warnings == ()


def test_somebody_too_far_away_is_asked_to_step_closer(finder: PersonFinder) -> None:
    small = cv2.resize(drawn_photo("front"), None, fx=0.42, fy=0.42, interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert refusal(finder, small).reason is RejectionReason.PERSON_TOO_SMALL


def test_the_pictures_are_those_that_are_drawn() -> None:
    photo, cover = draw(FIGURES["front"])
    assert np.abs(photo.astype(float) - drawn_photo("front")).mean() < 4.0
    np.testing.assert_allclose(cover, drawn_outline("front"), atol=0.01)


@pytest.mark.parametrize(
    ("name", "view", "expected"),
    [
        ("man-front", View.FRONT, ()),
        ("man-side", View.SIDE, ()),
        ("arms-against-trunk", View.FRONT, (WarningReason.ARMS_AGAINST_TRUNK,)),
        ("hands-on-hips", View.FRONT, (WarningReason.HANDS_ON_HIPS,)),
        ("blurred", View.FRONT, (WarningReason.BLURRED,)),
        ("dark", View.FRONT, (WarningReason.TOO_DARK,)),
        ("hoodie", View.FRONT, (WarningReason.LOOSE_CLOTHES,)),
        ("wide-dress", View.FRONT, (WarningReason.LOOSE_CLOTHES,)),
    ],
)
def test_rendered_people_get_the_warning_they_need_and_no_other(
    finder: PersonFinder, name: str, view: View, expected: tuple[WarningReason, ...]
) -> None:
    photo = read_photo(PEOPLE / f"{name}.jpg").rgb
    assert finder.find_person(photo, view).warnings == expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("two-people", RejectionReason.SEVERAL_PEOPLE),
        ("turned-away", RejectionReason.TURNED_AWAY),
        ("cut-at-head", RejectionReason.BODY_CUT_OFF),
        ("cut-at-knees", RejectionReason.BODY_CUT_OFF),
    ],
)
def test_rendered_people_who_cannot_be_measured_are_refused(
    finder: PersonFinder, name: str, reason: RejectionReason
) -> None:
    assert refusal(finder, read_photo(PEOPLE / f"{name}.jpg").rgb).reason is reason


@pytest.mark.shared
@pytest.mark.skipif(not DEVSET.exists(), reason="the shared folder is not beside the checkout")
@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("number", range(6))
def test_the_devset_is_accepted_without_a_warning(finder: PersonFinder, number: int, view: View) -> None:
    photo = np.array(Image.open(DEVSET / f"{number:02d}-{view}.jpg"))
    assert finder.find_person(photo, view).warnings == ()
    assert finder.find_person(np.ascontiguousarray(photo[:, ::-1]), view).warnings == ()
