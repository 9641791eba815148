import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.runner.faults import InputError
from edgekit.runner.pictures import picture_from_bytes, picture_from_file
from edgekit.runner.preprocess import Crop, Preprocessing, Resize

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def encoded(pixels: np.ndarray = PIXELS, kind: str = "PNG", **words: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **words)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_exact_formats_give_the_pixels(kind: str) -> None:
    assert picture_from_bytes(encoded(kind=kind), Preprocessing()).tolist() == PIXELS.tolist()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_give_what_pillow_gives(kind: str) -> None:
    data = encoded(kind=kind)
    expected = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    assert picture_from_bytes(data, Preprocessing()).tolist() == expected.tolist()


def test_colour_orders_the_channels() -> None:
    data = encoded()
    assert picture_from_bytes(data, Preprocessing(colour="BGR")).tolist() == PIXELS[..., ::-1].tolist()
    grey = picture_from_bytes(data, Preprocessing(colour="grey"))
    assert grey.shape == (6, 8, 1)
    assert grey[..., 0].tolist() == np.asarray(Image.fromarray(PIXELS).convert("L")).tolist()


def test_grey_palette_and_transparent_pictures_become_rgb() -> None:
    for mode in ("L", "P", "RGBA", "1", "CMYK"):
        stream = BytesIO()
        Image.fromarray(PIXELS).convert(mode).save(stream, "TIFF")
        assert picture_from_bytes(stream.getvalue(), Preprocessing()).shape == (6, 8, 3)


def test_resize_squashes_to_the_named_size() -> None:
    how = Preprocessing(resize=Resize(width=4, height=3, filter="bicubic"))
    expected = np.asarray(Image.fromarray(PIXELS).resize((4, 3), Image.Resampling.BICUBIC))
    assert picture_from_bytes(encoded(), how).tolist() == expected.tolist()


@pytest.mark.parametrize(("size", "expected"), [((6, 8), (3, 4)), ((8, 6), (4, 3)), ((7, 5), (4, 3)), ((5, 5), (3, 3))])
def test_resize_by_the_shorter_side_keeps_the_aspect_ratio(size: tuple[int, int], expected: tuple[int, int]) -> None:
    data = encoded(np.zeros((*size, 3), np.uint8))
    assert picture_from_bytes(data, Preprocessing(resize=Resize(shorter=3))).shape[:2] == expected


def test_crop_takes_the_middle_after_resizing() -> None:
    cropped = picture_from_bytes(encoded(), Preprocessing(crop=Crop(width=3, height=3)))
    assert cropped.tolist() == PIXELS[1:4, 2:5].tolist()


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(InputError, match="a picture of 8 x 6 is smaller than the crop of 9 x 3"):
        picture_from_bytes(encoded(), Preprocessing(crop=Crop(width=9, height=3)))


def test_an_exif_turn_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    assert picture_from_bytes(encoded(kind="JPEG", exif=exif), Preprocessing()).shape == (6, 8, 3)


def test_the_first_frame_of_a_film_counts() -> None:
    stream = BytesIO()
    frames = [Image.fromarray(np.full((2, 2, 3), value, np.uint8)) for value in (10, 200)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    assert picture_from_bytes(stream.getvalue(), Preprocessing()).max() == 10


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_picture_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"half.{kind.lower()}"
    data = encoded(np.tile(PIXELS, (20, 20, 1)), kind)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=f"{path}: no readable picture"):
        picture_from_file(path, Preprocessing())


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>"])
def test_other_bytes_are_no_picture(data: bytes) -> None:
    with pytest.raises(InputError, match="no readable picture") as caught:
        picture_from_bytes(data, Preprocessing())
    assert "0x" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no.png", tmp_path):
        with pytest.raises(InputError, match=f"{path}: cannot be read"):
            picture_from_file(path, Preprocessing())


def test_sixteen_bit_pictures_are_refused_not_clipped() -> None:
    with pytest.raises(InputError, match=r"pixels of mode 'I;16' are not 8-bit"):
        picture_from_bytes(encoded(np.full((2, 2), 40_000, np.uint16)), Preprocessing())


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )
    with pytest.raises(InputError, match="larger than 100 million pixels"):
        picture_from_bytes(bomb, Preprocessing())


def test_a_sliver_is_not_resized_beyond_all_bounds() -> None:
    data = encoded(np.zeros((1, 2000, 3), np.uint8))
    with pytest.raises(InputError, match="larger than 100 million pixels"):
        picture_from_bytes(data, Preprocessing(resize=Resize(shorter=1000)))
