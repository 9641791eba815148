"""Streaming histograms: exact ranges, counts that do not depend on order or batching, memory that does not grow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgekit.quantize.observers import BINS, Histogram

batches = st.lists(
    arrays(np.float32, st.integers(0, 20), elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)),
    min_size=1,
    max_size=6,
)


def seen(*parts: np.ndarray) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part)
    return histogram


def same(one: Histogram, other: Histogram) -> bool:
    return (one.low, one.high, one.zeros, one.exponent, one.first) == (
        other.low,
        other.high,
        other.zeros,
        other.exponent,
        other.first,
    ) and np.array_equal(one.counts, other.counts)


@given(batches)
def test_order_and_batching_do_not_matter(parts: list[np.ndarray]) -> None:
    assert same(seen(*parts), seen(*reversed(parts)))
    assert same(seen(*parts), seen(np.concatenate(parts)))


@given(batches, batches)
def test_merging_is_seeing_both(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert same(seen(*one).merge(seen(*other)), seen(*one, *other))


@given(batches)
def test_every_number_is_counted_and_bins_stay_few(parts: list[np.ndarray]) -> None:
    histogram = seen(*parts)
    assert int(histogram.counts.sum()) + histogram.zeros == sum(part.size for part in parts)
    assert len(histogram.counts) <= BINS


def test_ranges_are_exact_and_hold_zero() -> None:
    histogram = seen(np.array([0.1, 3.7], np.float32))
    assert (histogram.low, histogram.high) == (0.0, float(np.float32(3.7)))


def test_numbers_stand_in_their_bins() -> None:
    numbers = np.linspace(-1, 1, 1001, dtype=np.float32)
    histogram = seen(numbers)
    edges = (histogram.first + np.arange(len(histogram.counts) + 1)) * histogram.width
    wanted, _ = np.histogram(numbers[numbers != 0], bins=edges)
    assert np.array_equal(histogram.counts[:-1], wanted[:-1])


def test_the_smallest_numbers_keep_their_sign() -> None:
    tiny, large = np.array([-1.1754944e-38], np.float32), np.array([3.4e10], np.float32)
    assert same(seen(tiny, large), seen(large, tiny))


def test_broken_numbers_are_counted_apart() -> None:
    histogram = seen(np.array([np.nan, np.inf, -np.inf, 1.0], np.float32))
    assert (histogram.broken, histogram.high) == (3, 1.0)


def test_the_lowest_float_of_an_attention_mask_is_a_number_like_others() -> None:
    histogram = seen(np.array([np.finfo(np.float32).min, 1.0], np.float32))
    assert histogram.low == float(np.finfo(np.float32).min)
    assert int(histogram.counts.sum()) == 2


@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1.0, 1e20, 1e38])
def test_bins_are_fine_at_every_scale(scale: float) -> None:
    histogram = seen((np.linspace(-1, 1, 999) * scale).astype(np.float32))
    assert BINS // 2 <= len(histogram.counts) <= BINS


def test_a_part_is_counted_and_the_range_is_that_of_all() -> None:
    numbers = np.array([[1.0, -8.0, 0.0], [2.0, 16.0, 0.0]], np.float32)
    histogram = Histogram()
    histogram.add(numbers, numbers[:, ::2])
    assert (histogram.low, histogram.high, histogram.zeros, int(histogram.counts.sum())) == (-8.0, 16.0, 2, 2)


def test_of_a_part_with_broken_numbers_the_others_are_counted() -> None:
    numbers = np.array([np.nan, 1.0, np.inf, 2.0, 3.0], np.float32)
    histogram = Histogram()
    histogram.add(numbers, numbers[::2])
    assert (histogram.broken, histogram.high, int(histogram.counts.sum())) == (2, 3.0, 1)
