"""The only implementation of a card's preprocessing: on the host that calibrates and on the device that runs.

A raw sample (a picture of ``pictures``, a clip or its features of ``clips`` and ``features``, a row of an array)
becomes a model input in this order, in float32:

1. layout: axes change places; ``1`` adds or removes an axis of length 1;
2. ``x = (x / scale - mean) / std``, mean and std one number or one for each entry of axis C;
3. the input's dtype: whole numbers are rounded to the nearest; what does not fit is an error, never wrapped.

>>> how = Preprocessing(layout="HWC->CHW", scale=255.0)
>>> finish(np.full((2, 2, 3), 51, np.uint8), how, "float32")[0, 0, 0].item()
0.20000000298023224
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.runner.faults import InputError

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Resize:
    """Width and height in pixels, or the length of the shorter side; ``filter`` is Pillow's name."""

    width: int | None = None
    height: int | None = None
    shorter: int | None = None
    filter: str = "bilinear"


@dataclass(frozen=True)
class Crop:
    """The middle part, in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class AudioFeatures:
    """See :mod:`edgekit.runner.features`."""

    kind: str
    normalise: str = "full-scale"
    window_ms: float = 30.0
    hop_ms: float = 20.0
    fft: int = 512
    power: float = 1.0
    mels: int = 40
    coefficients: int = 10
    low_hz: float = 20.0
    high_hz: float = 4000.0
    floor: float = 1e-6
    dct: str = "htk"


@dataclass(frozen=True)
class Preprocessing:
    """How a raw sample becomes one model input; the words are those of a card's ``[preprocess.<input>]``."""

    layout: str | None = None
    scale: float = 1.0
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    colour: str = "RGB"
    resize: Resize | None = None
    crop: Crop | None = None
    sample_rate: int | None = None
    seconds: float | None = None
    features: AudioFeatures | None = None


def preprocessing_from_json(data: Mapping[str, Any]) -> Preprocessing:
    """Make a Preprocessing of plain data, as it stands in a card or a bundle's manifest.

    Raises:
        InputError: a word is unknown or missing.
    """
    parts = {"resize": Resize, "crop": Crop, "features": AudioFeatures}
    try:
        words = {
            key: parts[key](**value) if key in parts and value is not None else value for key, value in data.items()
        }
        for key in ("mean", "std"):
            if isinstance(words.get(key), list):
                words[key] = tuple(words[key])
        return Preprocessing(**words)
    except TypeError as error:
        raise InputError(f"preprocessing is not understood: {error}") from error


def finish(sample: Array, how: Preprocessing, dtype: str) -> Array:
    """Change the axes, then the numbers, then the dtype of one raw sample.

    Args:
        sample: of the rank that the layout names, with or without the leading N.
        how: layout, scale, mean and std.
        dtype: numpy name of the model input's dtype.

    Raises:
        InputError: the rank, the number of channels or a value does not fit.
    """
    array, axes = _change_layout(sample, how.layout)
    if (how.scale, how.mean, how.std) != (1.0, 0.0, 1.0):
        array = array.astype(np.float32)
        if how.scale != 1.0:
            array = array / np.float32(how.scale)
        if how.mean != 0.0:
            array = array - _per_channel(how.mean, "mean", array, axes)
        if how.std != 1.0:
            array = array / _per_channel(how.std, "std", array, axes)
    return cast(np.asarray(array, order="C"), dtype)  # ascontiguousarray would give a scalar an axis


def cast(array: Array, dtype: str) -> Array:
    """Return the array in the dtype of that name; floats become whole numbers by rounding to the nearest.

    Raises:
        InputError: a value is not finite or out of the dtype's range.
    """
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    if wanted.kind == "b":
        if not np.isin(array, (0, 1)).all():
            raise InputError("a bool input takes 0 and 1 only")
        return array.astype(wanted)
    if wanted.kind in "iu":
        limits = np.iinfo(wanted)
        if array.dtype.kind == "f":
            array = np.rint(array)
        if array.size and not (array.min() >= limits.min and array.max() <= limits.max):
            raise InputError(f"values from {array.min()} to {array.max()} do not fit {dtype}")
        return array.astype(wanted)
    with np.errstate(over="ignore"):
        result = array.astype(wanted)
    if not np.isfinite(result).all():
        raise InputError(f"values are not finite in {dtype}")
    return result


def _change_layout(sample: Array, layout: str | None) -> tuple[Array, str]:
    """Return the sample with its axes changed, and the letters of its axes ('' when nothing names them)."""
    if not layout:
        return sample, "HWC" if sample.ndim == 3 and sample.dtype == np.uint8 else ""
    before, _, after = layout.partition("->")
    after = after or before
    if sample.ndim == len(before) - 1 and before[0] == after[0] == "N":
        before, after = before[1:], after[1:]
    if sample.ndim != len(before):
        raise InputError(f"layout {layout!r} needs {len(before)} axes, got shape {list(sample.shape)}")
    ones = tuple(axis for axis, letter in enumerate(before) if letter == "1")
    if any(sample.shape[axis] != 1 for axis in ones):
        raise InputError(f"layout {layout!r} needs length 1 where it says 1, got shape {list(sample.shape)}")
    letters = before.replace("1", "")
    array = np.squeeze(sample, ones).transpose([letters.index(letter) for letter in after if letter != "1"])
    return np.expand_dims(array, tuple(axis for axis, letter in enumerate(after) if letter == "1")), after


def _per_channel(value: float | tuple[float, ...], name: str, array: Array, axes: str) -> Array:
    """Return the number, or the numbers shaped so that they meet axis C, as float32."""
    numbers = np.asarray(value, np.float32)
    if numbers.ndim == 0 or numbers.size == 1:
        return numbers.reshape(())
    axis = axes.find("C") if axes else array.ndim - 1 if array.ndim == 1 else -1
    if axis < 0:
        raise InputError(f"{name} has {numbers.size} numbers, but no axis is called C; name the axes in layout")
    if array.shape[axis] != numbers.size:
        raise InputError(f"{name} has {numbers.size} numbers for {array.shape[axis]} channels")
    return numbers.reshape([-1 if each == axis else 1 for each in range(array.ndim)])
