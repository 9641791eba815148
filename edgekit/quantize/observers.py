"""A streaming histogram: what a tensor's numbers look like, in memory that does not grow with the samples.

Bins are ``width`` wide with ``width`` a power of two and an edge at zero. When the range outgrows the bins, the width
doubles and neighbours are added up, exactly. So the counts depend on the numbers alone, not on their order
or on how they were batched, and two runs give the same bytes.

>>> seen = Histogram()
>>> seen.add(np.array([0.0, 1.0, 2.0], np.float32))
>>> seen.low, seen.high, int(seen.counts.sum()), seen.zeros
(0.0, 2.0, 2, 1)
"""

import math
from dataclasses import dataclass, field

import numpy as np

from edgekit.runner.runtimes.base import Array

BINS = 4096
"""Sixteen bins for each of 256 steps: fine enough to judge a clip to a sixteenth of a step."""

_SMALLEST_EXPONENT = -140


@dataclass
class Histogram:
    """Counts of a tensor's finite non-zero numbers, its zeros, and its exact range.

    Attributes:
        low: smallest finite number seen, at most 0.
        high: largest finite number seen, at least 0.
        zeros: how many were exactly zero: they cost no quantization error.
        broken: how many were NaN or infinite.
        counts: int64, one entry a bin; bin i covers ``(first + i) * width`` to ``(first + i + 1) * width``.
    """

    low: float = 0.0
    high: float = 0.0
    zeros: int = 0
    broken: int = 0
    exponent: int = _SMALLEST_EXPONENT
    first: int = 0
    counts: Array = field(default_factory=lambda: np.zeros(1, np.int64))

    @property
    def width(self) -> float:
        """Width of a bin, a power of two."""
        return math.ldexp(1.0, self.exponent)

    @property
    def centres(self) -> Array:
        """The middle of each bin, float64."""
        return (self.first + np.arange(len(self.counts)) + 0.5) * self.width

    def add(self, values: Array, counted: Array | None = None) -> None:
        """Take the range of all ``values`` and count them, or a part of them.

        Args:
            values: floats of any shape.
            counted: the part to count; large tensors are told well enough by some of their numbers.
        """
        counted = values if counted is None else counted
        if values.size == 0:
            return
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = np.isfinite(values)
            self.broken += int(values.size - np.count_nonzero(finite))
            values, counted = values[finite], counted[np.isfinite(counted)]
            if values.size == 0:
                return
            low, high = float(values.min()), float(values.max())
        if low < self.low or high > self.high or self.exponent == _SMALLEST_EXPONENT:
            self.low, self.high = min(self.low, low), max(self.high, high)
            self._make_room()
        self._count(counted.ravel())

    def _count(self, flat: Array) -> None:
        """Count finite numbers within the range.

        A power of two scales them exactly in float64; in float32 the smallest would vanish, and with them their sign.
        """
        bins = np.floor(np.multiply(flat, 1 / self.width, dtype=np.float64)).astype(np.int64)
        bins -= self.first
        self.counts += np.bincount(bins, minlength=len(self.counts))
        zeros = int(flat.size - np.count_nonzero(flat))
        self.zeros += zeros
        self.counts[-self.first] -= zeros

    def merge(self, other: "Histogram") -> "Histogram":
        """Return the histogram of both tensors' numbers together."""
        merged = Histogram(
            min(self.low, other.low), max(self.high, other.high), self.zeros + other.zeros, self.broken + other.broken
        )
        merged.exponent = max(self.exponent, other.exponent)
        merged._make_room()
        for part in (self, other):
            shift = min(merged.exponent - part.exponent, 63)  # of an int64: all that is left is the sign
            bins = ((part.first + np.arange(len(part.counts))) >> shift) - merged.first
            np.add.at(merged.counts, bins, part.counts)
        return merged

    def _make_room(self) -> None:
        """Let the bins cover ``low`` to ``high``, doubling their width as often as that takes."""
        exponent = self.exponent
        while self._span(exponent)[1] - self._span(exponent)[0] > BINS:
            exponent += 1
        first, end = self._span(exponent)
        counts = np.zeros(end - first, np.int64)
        if len(self.counts):
            bins = ((self.first + np.arange(len(self.counts))) >> min(exponent - self.exponent, 63)) - first
            np.add.at(counts, bins, self.counts)
        self.exponent, self.first, self.counts = exponent, first, counts

    def _span(self, exponent: int) -> tuple[int, int]:
        low = math.floor(math.ldexp(self.low, -exponent))
        return low, math.floor(math.ldexp(self.high, -exponent)) + 1
