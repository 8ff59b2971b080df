"""Makes the pictures that README.md shows, from the sample that ships: `python -m bench.pictures`."""

import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from bench.machine import REPOSITORY
from bench.sample import load_sample
from gpu_worker.pipeline import AvatarPipeline

FOLDER = REPOSITORY / "docs" / "pictures"
_HEIGHT_PX = 720
# Cloning should not cost megabytes for pictures; at this quality the outline stays crisp.
_JPEG_QUALITY = 88


def side_by_side(pictures: Sequence[bytes], height_px: int = _HEIGHT_PX) -> bytes:
    """The pictures (any format Pillow reads) in a row, scaled to one height, as a JPEG."""
    opened = [Image.open(BytesIO(picture)).convert("RGB") for picture in pictures]
    scaled = [image.resize((round(image.width * height_px / image.height), height_px)) for image in opened]
    row = Image.new("RGB", (sum(image.width for image in scaled), height_px))
    left_px = 0
    for image in scaled:
        row.paste(image, (left_px, 0))
        left_px += image.width
    buffer = BytesIO()
    row.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def main(folder: Path = FOLDER) -> int:
    """Write both pictures."""
    files = AvatarPipeline.load().run(load_sample().request).files
    folder.mkdir(parents=True, exist_ok=True)
    overlays = side_by_side([files["overlay-front.png"], files["overlay-side.png"]])
    for name, picture in (("overlays.jpg", overlays), ("preview.jpg", side_by_side([files["preview.png"]]))):
        (folder / name).write_bytes(picture)
        sys.stdout.write(f"{folder / name}: {len(picture) // 1000} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
