"""Every file a shopper may send becomes an upright sRGB array or a refusal, and nothing else."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from gpu_worker.photos import BACKGROUND_LEVEL, MAXIMUM_FILE_BYTES, Photo, read_photo
from gpu_worker.rejections import PhotoRejected
from shared.rejections import RejectionReason

pillow_heif.register_heif_opener()

WIDTH_PX, HEIGHT_PX = 512, 320
ORIENTATION_TAG = 0x0112
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
MODES_OF_FORMAT = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "HEIF": ("L", "RGB", "RGBA"),
}
# Primary-like colours with different greys, one a quarter, so that every turn and mirror image is told apart.
QUARTERS = np.array([[[230, 60, 50], [60, 200, 70]], [[40, 60, 190], [240, 240, 240]]], dtype=np.uint8)


def quartered(width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> Image.Image:
    return Image.fromarray(QUARTERS).resize((width_px, height_px), Image.Resampling.NEAREST)


def encoded(image: Image.Image, file_format: str, *, orientation: int | None = None, **options: object) -> bytes:
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = orientation
        # As bytes: from these the HEIC encoder also writes the turn that HEIC viewers obey.
        options["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "1":
        return image.convert("1", dither=Image.Dither.NONE)
    return image.convert(mode)


def quarter_colours(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(2, 2, 3) mean colour of the middle of each quarter."""
    height, width = rgb.shape[:2]
    rows, columns = (height // 8, height * 5 // 8), (width // 8, width * 5 // 8)
    means = [
        [rgb[row : row + height // 4, column : column + width // 4].mean(axis=(0, 1)) for column in columns]
        for row in rows
    ]
    return np.array(means)


def refusal(source: bytes | Path) -> RejectionReason:
    with pytest.raises(PhotoRejected) as caught:
        read_photo(source)
    return caught.value.reason


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "mode"), [(file_format, mode) for file_format in FORMATS for mode in MODES_OF_FORMAT[file_format]]
)
def test_every_mode_and_orientation_becomes_the_same_upright_rgb(file_format: str, mode: str, orientation: int) -> None:
    image = in_mode(quartered(), mode)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    carrier = quartered().copy()
    carrier.info["exif"] = exif.tobytes()
    carrier.getexif()[ORIENTATION_TAG] = orientation
    expected = ImageOps.exif_transpose(carrier)
    if mode in ("L", "LA", "I;16", "1"):
        # Greys of these colours are computed alike by Pillow; thresholds of mode "1" likewise.
        expected = expected.convert("1" if mode == "1" else "L", dither=Image.Dither.NONE).convert("RGB")

    photo = read_photo(encoded(image, file_format, orientation=orientation))

    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.shape == (expected.height, expected.width, 3)
    assert (photo.original_width_px, photo.original_height_px) == expected.size
    np.testing.assert_allclose(quarter_colours(photo.rgb), quarter_colours(np.asarray(expected)), atol=12)


def test_large_photos_are_reduced_and_small_ones_left_alone() -> None:
    large = read_photo(encoded(quartered(4032, 3024), "JPEG"))
    assert large.rgb.shape == (960, 1280, 3)
    assert (large.original_width_px, large.original_height_px) == (4032, 3024)
    assert read_photo(encoded(quartered(), "PNG")).rgb.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert max(read_photo(encoded(quartered(), "PNG"), longest_side_px=256).rgb.shape) == 256


def test_a_path_reads_like_its_bytes(tmp_path: Path) -> None:
    data = encoded(quartered(), "PNG")
    path = tmp_path / "photo with spaces.dat"
    path.write_bytes(data)
    np.testing.assert_array_equal(read_photo(path).rgb, read_photo(data).rgb)


def test_a_missing_file_is_not_the_photos_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_photo(tmp_path / "missing.jpg")


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "HEIF"])
def test_transparency_lies_on_mid_grey(file_format: str) -> None:
    image = quartered().convert("RGBA")
    image.putalpha(0)
    rgb = read_photo(encoded(image, file_format)).rgb
    np.testing.assert_allclose(rgb, BACKGROUND_LEVEL, atol=2)


def test_a_palette_may_have_a_transparent_colour() -> None:
    image = quartered().quantize(4)
    white = image.getpixel((WIDTH_PX - 1, HEIGHT_PX - 1))
    corners = quarter_colours(read_photo(encoded(image, "PNG", transparency=white)).rgb)
    np.testing.assert_allclose(corners[1, 1], BACKGROUND_LEVEL, atol=1)
    np.testing.assert_allclose(corners[0, 0], QUARTERS[0, 0], atol=2)


def test_sixteen_bits_keep_their_full_range() -> None:
    ramp = np.tile(np.linspace(0, 65535, WIDTH_PX).astype(np.uint16), (HEIGHT_PX, 1))
    rgb = read_photo(encoded(Image.fromarray(ramp), "PNG")).rgb
    assert (rgb[0, 0, 0], rgb[0, -1, 0]) == (0, 255)
    np.testing.assert_allclose(rgb[0, :, 0], ramp[0] / 257, atol=1)


def display_p3_profile() -> bytes:
    """An ICC profile (version 2, matrix and gamma 2.2) with the primaries of Display P3."""

    def tag_xyz(x: float, y: float, z: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in (x, y, z))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + b"\0" * 78
    tags = {
        b"desc": text + b"\0" * (-len(text) % 4),
        b"wtpt": tag_xyz(0.9505, 1.0, 1.0891),
        b"rXYZ": tag_xyz(0.51512, 0.24119, -0.00105),
        b"gXYZ": tag_xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": tag_xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value
    size = start + len(body)
    header = struct.pack(">I", size) + b"\0" * 4 + b"\x02\x10\0\0" + b"mntrRGB XYZ " + b"\0" * 12 + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


# Columns are the D50-adapted primaries of sRGB (IEC 61966-2-1) and, as in the profile above, of Display P3.
SRGB_TO_XYZ = np.array([[0.43607, 0.38506, 0.14308], [0.22250, 0.71688, 0.06062], [0.01393, 0.09710, 0.71417]])
P3_TO_XYZ = np.array([[0.51512, 0.29198, 0.15710], [0.24119, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])


@pytest.mark.parametrize("file_format", FORMATS)
def test_wide_gamut_colours_are_converted_to_srgb(file_format: str) -> None:
    colour = (200, 100, 50)
    light = np.linalg.solve(SRGB_TO_XYZ, P3_TO_XYZ @ (np.array(colour) / 255.0) ** 2.2)
    expected = 255.0 * (1.055 * light ** (1 / 2.4) - 0.055)
    image = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), colour)
    rgb = read_photo(encoded(image, file_format, icc_profile=display_p3_profile())).rgb[10, 10]
    assert np.abs(expected - colour).max() > 15
    np.testing.assert_allclose(rgb, expected, atol=3)


@pytest.mark.parametrize(
    "profile", [b"", b"no profile at all", display_p3_profile()[:200], display_p3_profile()[:130] + b"\xff" * 300]
)
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    np.testing.assert_allclose(
        quarter_colours(read_photo(encoded(quartered(), "PNG", icc_profile=profile)).rgb), QUARTERS, atol=1
    )


def test_a_profile_of_another_colour_space_is_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    rgb = read_photo(encoded(quartered(), "PNG", icc_profile=lab)).rgb
    np.testing.assert_allclose(quarter_colours(rgb), QUARTERS, atol=1)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_the_first_frame_of_an_animation_counts(file_format: str) -> None:
    second = Image.new("RGB", (WIDTH_PX, HEIGHT_PX))
    data = encoded(quartered(), file_format, save_all=True, append_images=[second], duration=100, lossless=True)
    np.testing.assert_allclose(quarter_colours(read_photo(data).rgb), QUARTERS, atol=2)


def test_broken_exif_leaves_the_photo_as_it_lies() -> None:
    data = encoded(quartered(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff rubbish")
    assert read_photo(data).rgb.shape == (HEIGHT_PX, WIDTH_PX, 3)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"<svg/>", b"%PDF-1.7", b"RIFF\0\0\0\0WEBPVP8 "])
def test_what_is_no_photo_is_refused(data: bytes) -> None:
    assert refusal(data) is RejectionReason.NOT_AN_IMAGE


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "BMP"])
def test_formats_that_are_not_offered_are_refused(file_format: str) -> None:
    assert refusal(encoded(quartered(), file_format)) is RejectionReason.NOT_AN_IMAGE


@pytest.mark.parametrize("size", [(479, 479), (200, 1000)])
def test_thumbnails_are_refused(size: tuple[int, int]) -> None:
    assert refusal(encoded(quartered(*size), "PNG")) is RejectionReason.IMAGE_TOO_SMALL


def test_large_files_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MAXIMUM_FILE_BYTES + 1)
    assert refusal(path) is RejectionReason.IMAGE_TOO_LARGE
    assert refusal(bytes(MAXIMUM_FILE_BYTES + 1)) is RejectionReason.IMAGE_TOO_LARGE


def png_bomb() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
        + chunk(b"IEND", b"")
    )


def webp_bomb() -> bytes:
    data = bytearray(encoded(quartered().convert("RGBA"), "WEBP", icc_profile=display_p3_profile(), lossless=True))
    assert data[12:16] == b"VP8X"
    data[24:30] = (16_000 - 1).to_bytes(3, "little") * 2
    return bytes(data)


def jpeg_bomb() -> bytes:
    data = bytearray(encoded(quartered(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    return bytes(data)


@pytest.mark.parametrize("bomb", [png_bomb(), webp_bomb(), jpeg_bomb()], ids=["png", "webp", "jpeg"])
def test_bombs_are_refused_by_their_header(bomb: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(*arguments: object) -> None:
        pytest.fail(f"memory was asked for: {arguments[:2]}")

    monkeypatch.setattr("PIL.Image.core.new", allocate)
    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", allocate)
    assert refusal(bomb) is RejectionReason.IMAGE_TOO_LARGE


def accepted_or_refused(data: bytes) -> Photo | None:
    try:
        photo = read_photo(data)
    except PhotoRejected:
        return None
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.ndim == 3
    assert photo.rgb.shape[2] == 3
    return photo


@given(
    st.binary(max_size=2_000), st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBP"])
)
@settings(max_examples=150, deadline=None)
def test_random_bytes_never_raise_anything_else(data: bytes, start: bytes) -> None:
    assert accepted_or_refused(start + data) is None


WHOLE = {
    file_format: encoded(quartered(), file_format, orientation=6, icc_profile=display_p3_profile())
    for file_format in FORMATS
}


@given(st.sampled_from(FORMATS), st.floats(0.0, 0.97))
@settings(max_examples=150, deadline=None)
def test_truncated_files_are_refused(file_format: str, share: float) -> None:
    whole = WHOLE[file_format]
    assert refusal(whole[: int(share * len(whole))]) is RejectionReason.NOT_AN_IMAGE


@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
    st.booleans(),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_never_raise_anything_else(
    file_format: str, changes: list[tuple[float, int]], in_header: bool
) -> None:
    data = bytearray(WHOLE[file_format])
    reach = min(len(data), 700) if in_header else len(data)
    for position, value in changes:
        data[int(position * reach)] = value
    accepted_or_refused(bytes(data))
