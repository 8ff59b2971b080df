"""Turns any file a phone, camera or scanner writes into one plain 8-bit sRGB array, or refuses it."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from gpu_worker.rejections import PhotoRejected
from shared.rejections import RejectionReason

MAXIMUM_FILE_BYTES = 25_000_000
MAXIMUM_PIXELS = 40_000_000
# Below this a person who fills the photo is under 450 pixels tall: a pixel is then 4 mm of the body or more.
MINIMUM_LONGEST_SIDE_PX = 480
MINIMUM_SHORTEST_SIDE_PX = 240
# At 1280 a person who fills most of the photo has about 1.6 mm to a pixel, finer than the outline can be found.
WORKING_LONGEST_SIDE_PX = 1280

# Transparent pixels become mid-grey: a cut-out person in white (or black) clothes keeps an outline against it.
BACKGROUND_LEVEL = 128

_FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")

# What Pillow, its plug-ins and libheif raise on damaged files; not MemoryError, which is our fault.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_SWAPS_AXES = frozenset(_TRANSPOSITIONS[orientation] for orientation in (5, 6, 7, 8))

# The colour space an ICC profile states, and the Pillow mode its numbers are in.
_MODE_OF_PROFILE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright photo with nothing left of the file but its pixels.

    rgb: (H, W, 3) uint8, sRGB, at working resolution. original_width_px, original_height_px: the size the file had,
    upright.
    """

    rgb: NDArray[np.uint8]
    original_width_px: int
    original_height_px: int


def read_photo(source: bytes | Path, *, longest_side_px: int = WORKING_LONGEST_SIDE_PX) -> Photo:
    """Decode a JPEG, PNG, WebP or HEIC file; the first frame where there are several.

    The EXIF orientation is applied, an embedded colour profile is converted to sRGB (a broken one is ignored),
    transparency is laid on mid-grey. Photos whose longest side exceeds `longest_side_px` are reduced to it.

    Raises PhotoRejected: not_an_image, image_too_large (decided from the header, before any pixel is decoded) or
    image_too_small. A path that cannot be read raises OSError.
    """
    data = _read_at_most(source, MAXIMUM_FILE_BYTES + 1)
    if len(data) > MAXIMUM_FILE_BYTES:
        raise PhotoRejected(RejectionReason.IMAGE_TOO_LARGE)
    with _damage_refused():
        image = _open(data)
        width_px, height_px = image.size
        transposition = _transposition(image)
        profile = image.info.get("icc_profile")
        if image.format in ("JPEG", "MPO"):
            # Decodes at a half, a quarter or an eighth where that is still no smaller than what we keep.
            image.draft(None, _fitted(image.size, longest_side_px))
        image.load()
        image = _reduced(_resizable(image), longest_side_px)
        image = _opaque_srgb(image, profile)
        if transposition is not None:
            image = image.transpose(transposition)
            if transposition in _SWAPS_AXES:
                width_px, height_px = height_px, width_px
    return Photo(rgb=np.array(image), original_width_px=width_px, original_height_px=height_px)


def _read_at_most(source: bytes | Path, count: int) -> bytes:
    if isinstance(source, bytes):
        return source
    with source.open("rb") as file:
        return file.read(count)


@contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Pillow warns of oddities (broken EXIF, an MPO that is a JPEG) that do not concern the shopper.
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise PhotoRejected(RejectionReason.IMAGE_TOO_LARGE) from error
    except _DECODER_ERRORS as error:
        raise PhotoRejected(RejectionReason.NOT_AN_IMAGE) from error


def _open(data: bytes) -> Image.Image:
    pillow_heif.register_heif_opener()
    webp_size = _webp_canvas_size(data)
    if webp_size is not None:
        # Pillow's WebP plug-in allocates the canvas as it opens the file, before its size can be asked for.
        _check_size(webp_size)
    image = Image.open(BytesIO(data), formats=_FORMATS)
    _check_size(image.size)
    return image


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAXIMUM_PIXELS:
        raise PhotoRejected(RejectionReason.IMAGE_TOO_LARGE)
    if max(size) < MINIMUM_LONGEST_SIDE_PX or min(size) < MINIMUM_SHORTEST_SIDE_PX:
        raise PhotoRejected(RejectionReason.IMAGE_TOO_SMALL)


def _webp_canvas_size(data: bytes) -> tuple[int, int] | None:
    """Width and height a WebP header states (RFC 9649, sections 2.5 to 2.7), None for anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _transposition(image: Image.Image) -> Image.Transpose | None:
    """The turn that makes the image upright; none where the EXIF data are broken."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DECODER_ERRORS:
        return None
    return _TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None


def _fitted(size: tuple[int, int], longest_side_px: int) -> tuple[int, int]:
    scale = min(1.0, longest_side_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resizable(image: Image.Image) -> Image.Image:
    """The image in a mode whose pixels may be averaged: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _reduced(image: Image.Image, longest_side_px: int) -> Image.Image:
    size = _fitted(image.size, longest_side_px)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _opaque_srgb(image: Image.Image, profile: object) -> Image.Image:
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha is not None:
        image = image.convert(image.mode[:-1])
    image = _in_srgb(image, profile) if isinstance(profile, bytes) else image.convert("RGB")
    if alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, (BACKGROUND_LEVEL,) * 3), alpha)
    return image


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _MODE_OF_PROFILE.get(source.profile.xcolor_space.strip())
        # A grey photo may carry the profile of the RGB photo it was made from; no other pair makes sense.
        if mode is None or (image.mode != mode and (image.mode, mode) != ("L", "RGB")):
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image.convert(mode), source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, *_DECODER_ERRORS):
        return image.convert("RGB")
    return image.convert("RGB") if converted is None else converted
