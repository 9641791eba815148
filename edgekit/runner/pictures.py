"""Picture files become uint8 arrays (height, width, channels): decode, colour, resize, crop.

Rules: only formats that decode without helper programs; the size is read and bounded before a pixel is; the first
frame counts; an EXIF turn is not applied, because training pipelines (torchvision, plain Pillow) do not apply it
either; 16-bit pictures are refused, because Pillow would clip them.
"""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.runner.faults import InputError
from edgekit.runner.preprocess import Array, Crop, Preprocessing, Resize

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
_PIXELS_MAX = 100_000_000
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


def picture_from_file(path: Path, how: Preprocessing) -> Array:
    """Read one picture file.

    Returns:
        uint8 (height, width, 3) in the order that ``how.colour`` says, or (height, width, 1) for grey.

    Raises:
        InputError: the file is missing, no picture, damaged, larger than 100 million pixels, or smaller than the crop.
    """
    try:
        return picture_from_bytes(path.read_bytes(), how)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except InputError as error:
        raise InputError([f"{path}: {mistake}" for mistake in error.mistakes], hint=error.hint) from error


def picture_from_bytes(data: bytes, how: Preprocessing) -> Array:
    """Decode one picture; see :func:`picture_from_file`."""
    picture = _decode(data, "L" if how.colour == "grey" else "RGB")
    if how.resize is not None:
        picture = picture.resize(_size(picture, how.resize), _FILTERS[how.resize.filter])
    array = np.asarray(picture)
    array = array[..., None] if array.ndim == 2 else array
    if how.crop is not None:
        array = _crop(array, how.crop)
    return array[..., ::-1] if how.colour == "BGR" else array


def _decode(data: bytes, mode: str) -> Image.Image:
    """Open, bound, decode and convert a picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes (bounded here) and of odd but readable metadata
            with Image.open(BytesIO(data), formats=_FORMATS) as opened:
                if opened.width * opened.height > _PIXELS_MAX:
                    raise InputError(f"a picture of {opened.width} x {opened.height} is larger than 100 million pixels")
                if opened.mode not in _MODES:
                    raise InputError(f"pixels of mode {opened.mode!r} are not 8-bit", hint="convert it to 8-bit RGB")
                return opened.convert(mode)
    except Image.DecompressionBombError as error:
        raise InputError(f"a picture larger than 100 million pixels: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:  # what Pillow's decoders raise
        message = str(error).replace(" <_io.BytesIO object", "").partition(" at 0x")[0]
        raise InputError(f"no readable picture: {message}", hint="replace or remove the file") from error


def _size(picture: Image.Image, resize: Resize) -> tuple[int, int]:
    """Return the new (width, height)."""
    if resize.width is not None and resize.height is not None:
        return resize.width, resize.height
    shorter = resize.shorter or min(picture.size)
    # as torchvision: the longer side is cut to whole pixels, never rounded up
    longer = int(shorter * max(picture.size) / min(picture.size))
    if shorter * longer > _PIXELS_MAX:
        raise InputError(f"resized to {shorter} x {longer} it would be larger than 100 million pixels")
    return (shorter, longer) if picture.width <= picture.height else (longer, shorter)


def _crop(array: Array, crop: Crop) -> Array:
    """Return the middle of (height, width, channels); an odd rest goes to the bottom and the right."""
    height, width = array.shape[:2]
    if height < crop.height or width < crop.width:
        raise InputError(f"a picture of {width} x {height} is smaller than the crop of {crop.width} x {crop.height}")
    top, left = (height - crop.height) // 2, (width - crop.width) // 2
    return array[top : top + crop.height, left : left + crop.width]
