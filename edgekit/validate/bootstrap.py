"""Bootstrap: bounds on a paired drop of any metric, by drawing the independent units anew.

A metric is told as an :class:`Estimator`: it can be figured on any draw of its units (images, sentences, patients).
Base and artifact are figured on the same draws, so that what both find hard cancels out.

    top1 = Sums(np.column_stack([correct, np.ones(n)]), lambda sums: sums[:, 0] / sums[:, 1])
    top1.estimate(draws)  # (draws, units drawn) -> one top-1 for each draw

Bounds are BCa (Efron 1987: corrected for bias and acceleration), 10,000 draws, one seed. With fewer than 100 units
they are too narrow, so the t interval of the jackknife's pseudo-values must hold as well: the wider of both counts.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Protocol

import numpy as np

from edgekit.recipe import Progress, silent
from edgekit.runner.runtimes.base import Array
from edgekit.validate.statistics import CONFIDENCE

FEW_UNITS = 100
_ENTRIES_AT_ONCE = 1 << 21  # of a block of draws: 16 MiB of indices


class Estimator(Protocol):
    """A metric that can be figured on any draw of its units.

    Attributes:
        units: how many independent units there are.
        draws: how many draws its cost allows.
        leaves_out: whether it is cheap enough to be figured once more for each unit left out.
    """

    draws: ClassVar[int]
    leaves_out: ClassVar[bool]

    @property
    def units(self) -> int:
        """How many independent units there are."""
        ...

    def estimate(self, draws: Array) -> Array:
        """Figure the metric on each row of unit numbers: (draws, drawn) -> (draws,)."""
        ...


@dataclass(frozen=True, eq=False)
class Sums:
    """A metric of sums over units: ``combine`` takes (draws, statistics) sums and gives (draws,) figures."""

    statistics: Array
    combine: Callable[[Array], Array]
    draws: ClassVar[int] = 10_000
    leaves_out: ClassVar[bool] = True

    @property
    def units(self) -> int:
        """Rows of the statistics."""
        return len(self.statistics)

    def estimate(self, draws: Array) -> Array:
        """Sum each draw's rows as (how often each unit was drawn) x (its statistics), then combine."""
        rows = len(draws)
        numbers = draws + np.arange(rows)[:, None] * self.units
        counts = np.bincount(numbers.ravel(), minlength=rows * self.units).reshape(rows, self.units)
        return self.combine(counts @ self.statistics)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A user's metric of per-unit statistics: ``combine`` takes those of the drawn units and gives a number."""

    statistics: Any
    combine: Callable[[Any], float]
    draws: ClassVar[int] = 2_000
    leaves_out: ClassVar[bool] = True

    @property
    def units(self) -> int:
        """Entries of the statistics."""
        return len(self.statistics)

    def estimate(self, draws: Array) -> Array:
        """Call ``combine`` for each draw: an array's rows, or a list of the drawn entries."""
        if isinstance(self.statistics, np.ndarray):
            return np.array([float(self.combine(self.statistics[row])) for row in draws])
        return np.array([float(self.combine([self.statistics[unit] for unit in row])) for row in draws])


@dataclass(frozen=True, eq=False)
class Refigured:
    """A metric that is a function of the samples' numbers alone: few draws, since each costs the whole metric."""

    units_drawn_from: int
    figure: Callable[[Array], float]
    draws: ClassVar[int] = 200
    leaves_out: ClassVar[bool] = False

    @property
    def units(self) -> int:
        """Samples."""
        return self.units_drawn_from

    def estimate(self, draws: Array) -> Array:
        """Call the function for each draw."""
        return np.array([float(self.figure(row)) for row in draws])


@dataclass(frozen=True)
class Bounds:
    """One-sided 95 % bounds on a drop, its standard error, and how they were found.

    ``unchanged``: no draw differs from the others, so that the draws bound nothing.
    """

    drop: float
    lower: float
    upper: float
    standard_error: float
    method: str
    unchanged: bool = False


def whole(estimator: Estimator) -> float:
    """Figure the metric on all units, each once."""
    return float(estimator.estimate(np.arange(estimator.units)[None])[0])


def bootstrap_bounds(
    base: Estimator,
    value: Estimator,
    drop: Callable[[Array, Array], Array],
    *,
    seed: int,
    progress: Progress = silent,
) -> Bounds | None:
    """Bound the drop from base to value.

    Args:
        base: the metric on the float model's outputs.
        value: the same metric and units on the artifact's outputs.
        drop: turns figures of base and value, each (draws,), into drops; positive is worse.
        seed: of the draws.
        progress: told how many draws are done.

    Returns:
        The bounds, or None with fewer than 2 units.
    """
    if base.units < 2:
        return None

    def figure(draws: Array) -> Array:
        return drop(base.estimate(draws), value.estimate(draws))

    measured = float(figure(np.arange(base.units)[None])[0])
    drawn = _drawn(figure, base, seed, progress)
    error = float(drawn.std(ddof=1))
    if np.ptp(drawn) == 0:
        return Bounds(measured, measured, measured, 0.0, "no sample's figure changed", unchanged=True)
    if not base.leaves_out:
        half = NormalDist().inv_cdf(CONFIDENCE) * error
        method = f"standard error of a bootstrap of {len(drawn):,} draws of {base.units:,} samples"
        return Bounds(measured, measured - half, measured + half, error, method)
    left_out = figure_left_out(figure, base.units)
    lower, upper = bca(measured, drawn, left_out)
    method = f"BCa bootstrap of {len(drawn):,} draws of {base.units:,} samples"
    if base.units < FEW_UNITS:
        from scipy import stats  # noqa: PLC0415 - a second of imports that quantize does without

        pseudo = base.units * measured - (base.units - 1) * left_out
        half = float(stats.t.ppf(CONFIDENCE, base.units - 1) * pseudo.std(ddof=1) / math.sqrt(base.units))
        lower, upper = min(lower, measured - half), max(upper, measured + half)
        method += f", widened by the jackknife: fewer than {FEW_UNITS} independent samples bound roughly"
    return Bounds(measured, lower, upper, error, method)


def bca(measured: float, drawn: Array, left_out: Array) -> tuple[float, float]:
    """Return the one-sided 95 % bounds, corrected for bias and acceleration.

    Args:
        measured: the figure on all units.
        drawn: (draws,) the figure on each draw.
        left_out: (units,) the figure with each unit left out.
    """
    below = (np.mean(drawn < measured) + np.mean(drawn <= measured)) / 2
    normal = NormalDist()
    bias = normal.inv_cdf(float(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn))))
    deviations = left_out.mean() - left_out
    spread = float((deviations**2).sum())
    acceleration = float((deviations**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    bounds = []
    for share in (1 - CONFIDENCE, CONFIDENCE):
        shifted = bias + normal.inv_cdf(share)
        corrected = bias + shifted / (1 - acceleration * shifted)
        bounds.append(float(np.quantile(drawn, normal.cdf(corrected))))
    return bounds[0], bounds[1]


def figure_left_out(figure: Callable[[Array], Array], units: int) -> Array:
    """Figure with each unit left out once: (units,)."""
    blocks: list[Array] = []
    for block in _blocks(units, units):
        others = np.arange(units - 1)[None] + (np.arange(units - 1)[None] >= np.asarray(block)[:, None])
        blocks.append(figure(others))
    return np.concatenate(blocks)


def _drawn(figure: Callable[[Array], Array], base: Estimator, seed: int, progress: Progress) -> Array:
    """Figure on seeded draws with replacement, in blocks of bounded size."""
    generator = np.random.default_rng(seed)
    blocks: list[Array] = []
    for block in _blocks(base.draws, base.units):
        progress("bootstrap", block[0], base.draws)
        blocks.append(figure(generator.integers(0, base.units, (len(block), base.units))))
    return np.concatenate(blocks)


def _blocks(count: int, width: int) -> Iterator[Sequence[int]]:
    size = max(1, _ENTRIES_AT_ONCE // width)
    return (range(start, min(start + size, count)) for start in range(0, count, size))
