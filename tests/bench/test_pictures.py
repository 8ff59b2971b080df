from io import BytesIO

from PIL import Image

from bench.pictures import side_by_side


def png(colour: str, width_px: int, height_px: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_of_any_size_stand_in_a_row_in_order() -> None:
    row = Image.open(BytesIO(side_by_side([png("red", 40, 80), png("blue", 30, 20)], height_px=40)))
    assert row.format == "JPEG"
    assert row.size == (20 + 60, 40)
    left, right = row.getpixel((10, 20)), row.getpixel((60, 20))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 200 > 50 > left[2]
    assert right[2] > 200 > 50 > right[0]
