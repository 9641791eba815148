"""Range methods against brute force and against what each is for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.graph.integer.grid import dequantize, grid_from_range, quantize
from edgekit.quantize.observers import Histogram
from edgekit.quantize.ranges import METHODS, divergences_at, entropy_range, find_range, mse_range, percentile_range


def histogram_of(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.add(values.astype(np.float32))
    return histogram


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    grid = grid_from_range(low, high, np.dtype("uint8"))
    return float(((dequantize(quantize(values, grid), grid) - values) ** 2).sum())


DRAW = np.random.default_rng(3)
BELL = DRAW.standard_normal(20000).astype(np.float32)
RELU = np.maximum(BELL, 0)
OUTLIER = np.concatenate([BELL, np.array([40.0], np.float32)])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [BELL, RELU, OUTLIER, -RELU, np.zeros(5), np.ones(1)])
def test_every_range_lies_within_what_was_seen_and_holds_zero(method: str, values: np.ndarray) -> None:
    histogram = histogram_of(values)
    low, high = find_range(histogram, method)
    assert histogram.low <= low <= 0 <= high <= histogram.high


@given(st.floats(0.1, 50), st.integers(0, 5))
def test_mse_is_no_worse_than_everything_that_was_seen(outlier: float, seed: int) -> None:
    values = np.append(np.random.default_rng(seed).standard_normal(2000), outlier).astype(np.float32)
    low, high = mse_range(histogram_of(values))
    assert squared_error(values, low, high) <= squared_error(values, values.min(), values.max()) * 1.05


def test_mse_finds_nearly_the_best_clip() -> None:
    values = np.append(BELL, DRAW.standard_normal(40) * 8).astype(np.float32)
    low, high = mse_range(histogram_of(values))
    found = squared_error(values, low, high)
    best = min(
        squared_error(values, values.min() * a, values.max() * b)
        for a in np.linspace(0.05, 1, 40)
        for b in np.linspace(0.05, 1, 40)
    )
    assert found <= best * 1.1


def test_entropy_really_clips_an_outlier() -> None:
    _, high = entropy_range(histogram_of(OUTLIER))
    assert 2.0 < high < 20.0


def test_entropy_of_a_flat_tensor_clips_next_to_nothing() -> None:
    _, high = entropy_range(histogram_of(np.linspace(0, 10, 50000)))
    assert high > 9.0


def test_percentile_cuts_the_share_that_it_is_asked_to() -> None:
    values = np.linspace(1, 100, 100000, dtype=np.float32)
    low, high = percentile_range(histogram_of(values), 99.0)
    assert low == 0.0
    assert high == pytest.approx(99.0, abs=0.15)


def test_percentile_of_a_signed_tensor_cuts_half_at_either_end() -> None:
    values = np.linspace(-100, 100, 200001, dtype=np.float32)
    low, high = find_range(histogram_of(values), "percentile:98")
    assert (low, high) == (pytest.approx(-98.0, abs=0.2), pytest.approx(98.0, abs=0.2))


def test_a_full_percentile_is_min_max() -> None:
    assert find_range(histogram_of(OUTLIER), "percentile:100") == find_range(histogram_of(OUTLIER), "min-max")


def divergence_by_the_book(counts: np.ndarray, stop: int) -> float:
    """KL(P || Q), bin by bin, as the talk has it: P clips into its last bin, Q shares each level among filled bins."""
    p = counts[:stop].astype(np.float64)
    p[-1] += counts[stop:].sum()
    q = np.zeros(stop)
    level = np.arange(stop) * 128 // stop
    for each in range(128):
        filled = (level == each) & (counts[:stop] > 0)
        q[filled] = counts[:stop][filled].mean() if filled.any() else 0.0
    p, q = p / p.sum(), np.maximum(q / q.sum(), 1e-9)
    return float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())


@pytest.mark.parametrize("draw", ["bell", "sparse", "tail"])
def test_divergences_are_those_of_the_definition(draw: str) -> None:
    random = np.random.default_rng(7)
    counts = {
        "bell": random.poisson(400 * np.exp(-((np.arange(900) / 250) ** 2))),
        "sparse": random.poisson(0.3, 700),
        "tail": np.concatenate([random.integers(1, 50, 140), np.zeros(300, int), [9]]),
    }[draw].astype(np.float64)
    stops = np.array([128, 129, 141, 200, 333, len(counts)])
    wanted = [divergence_by_the_book(counts, int(stop)) for stop in stops]
    assert divergences_at(counts, stops) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_a_histogram_that_counted_nothing_keeps_its_range() -> None:
    histogram = Histogram()
    histogram.add(BELL, BELL[:0])
    assert entropy_range(histogram) == (histogram.low, histogram.high)
