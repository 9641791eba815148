"""Grids: the algebra of scale and zero point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.graph.integer.grid import (
    SMALLEST_SCALE,
    dequantize,
    grid_from_range,
    quantize,
    quantize_bias,
    weight_grid,
    widen_for_bias,
)

reals = st.floats(-1e6, 1e6, allow_nan=False, width=32)
types = st.sampled_from([np.dtype("uint8"), np.dtype("int8")])


@given(reals, reals, types, st.booleans())
def test_zero_is_exactly_on_every_grid(low: float, high: float, dtype: np.dtype, symmetric: bool) -> None:
    grid = grid_from_range(min(low, high), max(low, high), dtype, symmetric=symmetric)
    zero = np.zeros(1, np.float32)
    assert dequantize(quantize(zero, grid), grid).tolist() == [0.0]


@given(reals, reals, types, st.floats(0, 1))
def test_error_inside_the_range_is_at_most_half_a_step(low: float, high: float, dtype: np.dtype, at: float) -> None:
    low, high = min(low, high, 0.0), max(low, high, 0.0)
    grid = grid_from_range(low, high, dtype)
    least, most = (float(limit) for limit in grid.limits)
    number = np.array([np.clip(low + at * (high - low), least, most)], np.float32)
    error = abs(float(dequantize(quantize(number, grid), grid)[0]) - float(number[0]))
    assert error <= float(grid.scale) * 0.5001 + 1e-6 * abs(float(number[0]))


@given(st.floats(2**-20, 1e6, width=32), types)
def test_a_grid_that_begins_at_zero_never_says_more_than_its_range(high: float, dtype: np.dtype) -> None:
    grid = grid_from_range(0.0, high, dtype)
    assert grid.zero_point == np.iinfo(dtype).min
    assert float(grid.limits[1]) <= high
    assert float(grid.limits[1]) >= high * (1 - 1e-6)


@pytest.mark.parametrize(("dtype", "middle"), [("uint8", 128), ("int8", 0)])
def test_symmetric_grids_have_their_zero_in_the_middle(dtype: str, middle: int) -> None:
    grid = grid_from_range(-3.0, 1.0, np.dtype(dtype), symmetric=True)
    assert grid.zero_point == middle
    assert float(grid.scale) == pytest.approx(3.0 / 127)


def test_an_empty_range_gives_a_usable_grid() -> None:
    for low, high in ((0.0, 0.0), (0.0, 1e-44), (-1e-44, 0.0)):
        grid = grid_from_range(low, high, np.dtype("uint8"))
        assert float(grid.scale) >= SMALLEST_SCALE


def test_weights_get_one_scale_a_channel_and_dead_channels_the_largest() -> None:
    weight = np.array([[1.0, -2.0], [0.0, 0.0], [0.5, 0.25]], np.float32)
    grid = weight_grid(weight, 0)
    assert grid.scale.tolist() == pytest.approx([2 / 127, 2 / 127, 0.5 / 127])
    assert quantize(weight, grid).tolist() == [[64, -127], [0, 0], [127, 64]]


def test_all_zero_weights_have_scale_one() -> None:
    assert weight_grid(np.zeros((2, 3), np.float32), None).scale == 1.0


def test_seven_bits_stay_within_63() -> None:
    weight = np.linspace(-1, 1, 50, dtype=np.float32)
    integers = quantize(weight, weight_grid(weight, None, 7), 7)
    assert (integers.min(), integers.max()) == (-63, 63)


def test_a_huge_bias_raises_the_scale_of_its_channel_only() -> None:
    weight = np.array([[1e-8, 1e-8], [1.0, 0.5]], np.float32)
    bias = np.array([5.0, 5.0], np.float32)
    plain = weight_grid(weight, 0)
    wide = widen_for_bias(plain, bias, 0.01)
    assert wide.scale[1] == plain.scale[1]
    integers, grid = quantize_bias(bias, 0.01, wide)
    assert np.abs(integers.astype(np.int64)).max() < 2**31
    assert dequantize(integers, grid) == pytest.approx(bias, rel=1e-3)


def test_without_widening_that_bias_would_not_come_back() -> None:
    weight, bias = np.full((1, 2), 1e-8, np.float32), np.array([5.0], np.float32)
    integers, grid = quantize_bias(bias, 0.01, weight_grid(weight, 0))
    assert dequantize(integers, grid)[0] < 0.01


@given(st.lists(reals, min_size=1, max_size=8), st.floats(1e-3, 10))
def test_biases_come_back_to_half_a_step(bias: list[float], input_scale: float) -> None:
    numbers = np.array(bias, np.float32)
    grid = widen_for_bias(weight_grid(np.ones((len(bias), 4), np.float32), 0), numbers, input_scale)
    integers, bias_grid = quantize_bias(numbers, input_scale, grid)
    assert (
        np.abs(dequantize(integers, bias_grid) - numbers).max() <= bias_grid.scale.max() + 1e-6 * np.abs(numbers).max()
    )
