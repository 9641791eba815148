"""From a histogram to the range that a grid shall cover.

========== ==================================================================================================
min-max    everything that was seen
percentile all but the outermost share at either end
mse        the clip with the least expected squared error: rounding inside plus what is cut off outside
entropy    the clip whose quantized distribution is nearest in Kullback-Leibler divergence (Migacz, "8-bit inference
           with TensorRT", GTC 2017): 128 levels for each sign, on as many bins as the histogram has
========== ==================================================================================================
"""

from collections.abc import Callable

import numpy as np

from edgekit.quantize.observers import Histogram
from edgekit.runner.runtimes.base import Array

METHODS = ("min-max", "mse", "percentile", "entropy")
PERCENTILE = 99.99
_STEPS = 255
_LEVELS = 128
_CANDIDATES = 200
_SMALLEST_SHARE = 1e-9


def find_range(histogram: Histogram, method: str) -> tuple[float, float]:
    """Return (low, high) with low <= 0 <= high.

    Args:
        histogram: of the tensor, or of all tensors that share the scale.
        method: one of ``METHODS``; ``percentile:99.9`` names another share.
    """
    name, _, share = method.partition(":")
    if name == "percentile":
        return percentile_range(histogram, float(share or PERCENTILE))
    rules: dict[str, Callable[[Histogram], tuple[float, float]]] = {
        "min-max": lambda seen: (seen.low, seen.high),
        "mse": mse_range,
        "entropy": entropy_range,
    }
    return rules[name](histogram)


def percentile_range(histogram: Histogram, share: float) -> tuple[float, float]:
    """Cut off ``100 - share`` per cent of the numbers, zeros included, half of it at either end of a signed tensor."""
    counts = histogram.counts.astype(np.float64)
    total = counts.sum() + histogram.zeros
    sides = 2 if histogram.low < 0 < histogram.high else 1
    cut = total * (1 - share / 100) / sides
    edges = (histogram.first + np.arange(len(counts) + 1)) * histogram.width
    above = np.cumsum(counts[::-1])[::-1]
    below = np.cumsum(counts)
    high = edges[1:][np.flatnonzero(above > cut)[-1]] if (above > cut).any() else 0.0
    low = edges[:-1][np.flatnonzero(below > cut)[0]] if (below > cut).any() else 0.0
    return max(min(float(low), 0.0), histogram.low), min(max(float(high), 0.0), histogram.high)


def mse_range(histogram: Histogram) -> tuple[float, float]:
    """Least ``sum over cut (x - limit)^2 + inside * step^2 / 12``, over a grid of clips at both ends."""
    centres, counts = histogram.centres, histogram.counts.astype(np.float64)
    total = counts.sum()
    if total == 0:
        return histogram.low, histogram.high
    highs = histogram.high * np.linspace(1 / _CANDIDATES, 1, _CANDIDATES) if histogram.high > 0 else np.zeros(1)
    lows = histogram.low * np.linspace(1 / _CANDIDATES, 1, _CANDIDATES) if histogram.low < 0 else np.zeros(1)
    cut_high = _cut_error(centres, counts, highs)
    cut_low = _cut_error(-centres[::-1], counts[::-1], -lows)
    step = (highs[None, :] - lows[:, None]) / _STEPS
    error = cut_low[:, None] + cut_high[None, :] + total * step**2 / 12
    row, column = np.unravel_index(int(error.argmin()), error.shape)
    return float(lows[row]), float(highs[column])


def _cut_error(centres: Array, counts: Array, limits: Array) -> Array:
    """Return for each limit the squared error of the numbers above it."""

    def suffix(weights: Array) -> Array:
        return np.concatenate([np.cumsum(weights[::-1])[::-1], [0.0]])

    zeroth, first, second = suffix(counts), suffix(counts * centres), suffix(counts * centres**2)
    at = np.searchsorted(centres, limits, side="right")
    error: Array = np.maximum(second[at] - 2 * limits * first[at] + limits**2 * zeroth[at], 0.0)
    return error


def entropy_range(histogram: Histogram) -> tuple[float, float]:
    """Clip magnitudes at the threshold of least divergence; a one-sided tensor keeps its zero end."""
    edges = (histogram.first + np.arange(len(histogram.counts))) * histogram.width
    magnitudes = np.where(
        edges >= 0, np.arange(len(edges)) + histogram.first, -1 - np.arange(len(edges)) - histogram.first
    )
    counts = np.bincount(magnitudes, weights=histogram.counts.astype(np.float64))
    if len(counts) <= _LEVELS or not counts.any():
        return histogram.low, histogram.high
    stops = np.unique(np.linspace(_LEVELS, len(counts), _CANDIDATES).astype(int))
    threshold = float(stops[int(np.argmin(divergences_at(counts, stops)))]) * histogram.width
    return max(histogram.low, -threshold), min(histogram.high, threshold)


def divergences_at(counts: Array, stops: Array) -> Array:
    """Return KL(P || Q) for magnitudes clipped at each of ``stops`` and spread over the levels.

    P holds the counts below the stop, the rest added to its last bin; Q gives the filled bins of a level the same
    share. Running sums of counts, of filled bins and of ``c log c`` give every sum by two look-ups.
    """
    edges = -(-np.arange(_LEVELS + 1) * stops[:, None] // _LEVELS)
    inside = np.diff(_running(counts)[edges], axis=1)
    filled = np.diff(_running((counts > 0).astype(np.float64))[edges], axis=1)
    total, within = counts.sum(), inside.sum(axis=1)
    share = np.divide(inside, filled * within[:, None], out=np.zeros_like(inside), where=filled > 0)
    log_q = np.log(np.maximum(share, _SMALLEST_SHARE))
    last, tail = counts[stops - 1], total - within
    log_q_last = np.where(last > 0, log_q[:, -1], np.log(_SMALLEST_SHARE))
    own = _running(_times_log(counts))[stops] - _times_log(last) + _times_log(last + tail)
    divergences = (own - (inside * log_q).sum(axis=1) - tail * log_q_last) / total - np.log(total)
    return np.where(within > 0, divergences, np.inf)


def _running(numbers: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(numbers)])


def _times_log(numbers: Array) -> Array:
    """Return x log x, 0 at 0."""
    return numbers * np.log(np.maximum(numbers, 1.0))  # counts: whole numbers
