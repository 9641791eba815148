"""A grid maps real numbers to integers: ``q = clip(round(x / scale) + zero_point)``, ``x' = (q - zero_point) * scale``.

Rounding is to nearest, ties to even, as QuantizeLinear of ONNX says (operator page, opset 10 on). Zero is always
exactly on the grid, so that zero padding costs nothing. Inside the range the error is at most half a step.

>>> grid = grid_from_range(0.0, 6.0, np.dtype("uint8"))
>>> int(grid.zero_point), bool(grid.scale * np.float32(255) <= 6.0)
(0, True)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

SMALLEST_SCALE = float(np.finfo(np.float32).tiny) * 2**10
"""Below this a float32 scale loses bits or becomes zero."""

_BIAS_LIMIT = 2**30
"""Integer biases stay below half of int32, so that sums with products do not wrap."""


@dataclass(frozen=True)
class Grid:
    """Scale and zero point of a tensor.

    Attributes:
        scale: float32, shape () for the whole tensor or (channels,) along ``axis``.
        zero_point: of the integer type, same shape.
        axis: the channel axis, None for the whole tensor.
    """

    scale: Array
    zero_point: Array
    axis: int | None = None

    @property
    def limits(self) -> tuple[Array, Array]:
        """The smallest and the largest real number on the grid, float64."""
        info = np.iinfo(self.zero_point.dtype)
        zero = self.zero_point.astype(np.float64)
        scale = self.scale.astype(np.float64)
        return (info.min - zero) * scale, (info.max - zero) * scale


def grid_from_range(low: float, high: float, dtype: np.dtype[Any], *, symmetric: bool = False) -> Grid:
    """Return the grid of a whole tensor that covers ``low`` to ``high`` and holds zero exactly.

    The scale is rounded down to float32 when ``low`` is 0, so that no step lies above ``high``: runtimes drop a
    Clip or Relu in front of QuantizeLinear only when the grid cannot say more than the Clip lets through.

    Args:
        low: smallest number to cover; widened to 0.
        high: largest number to cover; widened to 0.
        dtype: ``uint8`` or ``int8``.
        symmetric: the zero point is the middle (128 or 0).
    """
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    info = np.iinfo(dtype)
    if symmetric:
        middle = 0 if info.min < 0 else 128
        step = max(-low, high) / (info.max - middle)
        return _whole(step, middle, dtype)
    step = (high - low) / (info.max - info.min)
    if step < SMALLEST_SCALE:
        return _whole(1.0, info.min if low == 0 else 0, dtype)
    if low == 0.0:
        return _whole(step, info.min, dtype, floor=True)
    if high == 0.0:
        return _whole(step, info.max, dtype, floor=True)
    zero = int(np.clip(np.rint(info.min - low / step), info.min, info.max))
    return _whole(step, zero, dtype)


def _whole(step: float, zero: int, dtype: np.dtype[Any], *, floor: bool = False) -> Grid:
    scale = np.float32(max(step, SMALLEST_SCALE) if step > 0 else 1.0)
    if floor and float(scale) > step:
        scale = np.nextafter(scale, np.float32(0))
    return Grid(np.asarray(scale, np.float32), np.asarray(zero, dtype))


def weight_grid(weight: Array, axis: int | None, bits: int = 8) -> Grid:
    """Return the symmetric int8 grid of a weight: zero point 0, largest magnitude at ``2**(bits-1) - 1``.

    Channels that are all zero get the largest scale of the others (1 where there is none).
    """
    most = float(2 ** (bits - 1) - 1)
    if axis is None:
        magnitude = np.asarray(np.abs(weight).max(initial=0.0), np.float64)
    else:
        others = tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
        magnitude = np.abs(weight).max(axis=others, initial=0.0).astype(np.float64)
    scale = magnitude / most
    dead = scale < SMALLEST_SCALE
    alive = scale[~dead]
    scale = np.where(dead, alive.max() if alive.size else 1.0, scale).astype(np.float32)
    return Grid(scale, np.zeros(scale.shape, np.int8), axis)


def widen_for_bias(grid: Grid, bias: Array, input_scale: float) -> Grid:
    """Return ``grid`` with the scales of those channels raised whose int32 bias would overflow.

    A bias is stored as ``round(b / (input_scale * weight_scale))``; a channel of tiny weights and a real bias leaves
    int32 (onnxruntime issue 21000). A coarser weight scale costs such a channel nothing that can be seen.
    """
    least = np.abs(bias.astype(np.float64)) / (input_scale * _BIAS_LIMIT)
    if grid.axis is None:
        least = least.max(initial=0.0)
    scale = np.maximum(grid.scale.astype(np.float64), least).astype(np.float32)
    return Grid(scale.reshape(grid.scale.shape), grid.zero_point, grid.axis)


def quantize(values: Array, grid: Grid, bits: int = 8) -> Array:
    """Return the integers of ``values`` on ``grid``, as its zero point's type.

    Args:
        values: floats of any shape.
        grid: whole-tensor or per-channel.
        bits: integers are kept within ``+-(2**(bits-1) - 1)`` where the type is signed and the zero point 0.
    """
    info = np.iinfo(grid.zero_point.dtype)
    low, high = info.min, info.max
    if info.min < 0 and not grid.zero_point.any():
        high = 2 ** (bits - 1) - 1
        low = -high
    scale, zero = _broadcast(grid, values.ndim)
    steps = np.rint(values.astype(np.float64) / scale) + zero
    integers: Array = np.clip(steps, low, high).astype(grid.zero_point.dtype)
    return integers


def dequantize(integers: Array, grid: Grid) -> Array:
    """Return the float32 numbers that the integers stand for."""
    scale, zero = _broadcast(grid, integers.ndim)
    return ((integers.astype(np.float64) - zero) * scale).astype(np.float32)


def quantize_bias(bias: Array, input_scale: float, grid: Grid) -> tuple[Array, Grid]:
    """Return int32 biases and their grid, whose scale is ``input_scale * weight scale`` for each channel."""
    scale = (np.float32(input_scale) * grid.scale.astype(np.float32)).astype(np.float32)
    per_channel = np.broadcast_to(scale, bias.shape).astype(np.float64)
    integers = np.clip(np.rint(bias.astype(np.float64) / per_channel), -(2**31), 2**31 - 1).astype(np.int32)
    axis = 0 if scale.ndim else None
    return integers, Grid(scale, np.zeros(scale.shape, np.int32), axis)


def _broadcast(grid: Grid, rank: int) -> tuple[Array, Array]:
    scale, zero = grid.scale.astype(np.float64), grid.zero_point.astype(np.float64)
    if grid.axis is None:
        return scale, zero
    shape = [1] * rank
    shape[grid.axis % rank] = -1
    return scale.reshape(shape), zero.reshape(shape)
