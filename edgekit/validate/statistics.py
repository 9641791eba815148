"""Statistics: how sure a paired difference, a ratio or a quantile is. Reference cases stand in the tests.

* Right or wrong on the same samples: Tango's score interval for a difference of paired proportions (Tango 1998,
  Statistics in Medicine 17:891). Of n answers, b turned from right to wrong and c the other way: the drop is (b-c)/n.
* Rounds of latency: Student's t on logarithms of ratios; the round is the observation, not the inference.
* A quantile of latency: the order statistics that bound it with 99 % confidence, by the binomial distribution, as
  MLPerf's LoadGen stops early (loadgen/early_stopping.cc): p90 needs 64 inferences, p99 662.

scipy is imported by the functions that need it: it takes a second and 60 MiB, which ``edgekit quantize`` does without.

>>> tango_bounds(0, 0, 100)[1]  # no answer of 100 changed: the drop may still be 2.6 points
0.02634...
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
"""Of each one-sided bound on a drop, and of the two-sided interval of a speedup."""

POWER = 0.90
"""With which the number of samples asked for would tell."""

_QUANTILE_CONFIDENCE = 0.99
_Z_CONFIDENCE = NormalDist().inv_cdf(CONFIDENCE)
_Z_POWER = NormalDist().inv_cdf(POWER)


@dataclass(frozen=True)
class Interval:
    """A value between two bounds."""

    value: float
    lower: float
    upper: float


def tango_bounds(worse: int, better: int, samples: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Bound the true drop (share worse - share better) from paired answers.

    With delta the supposed drop, the score is

        z(delta) = (b - c - n delta) / sqrt(n (2 q + delta (1 - delta)))
        q = (sqrt(B^2 - 8 n C) - B) / (4 n),  B = (2 n - b + c) delta - b - c,  C = -c delta (1 - delta)

    where q is the share of answers that became better under that supposition, by maximum likelihood. A bound is the
    delta at which z reaches the normal quantile.

    Args:
        worse: answers that turned from right to wrong (b).
        better: answers that turned from wrong to right (c).
        samples: all paired answers (n), at least 1.
        confidence: of each bound by itself.

    Returns:
        Lower and upper one-sided bound, in -1..1.

    Raises:
        ValueError: the counts contradict each other.
    """
    if samples < 1 or worse < 0 or better < 0 or worse + better > samples:
        raise ValueError(f"{worse} worse and {better} better of {samples} samples cannot be")
    limit = NormalDist().inv_cdf(confidence)
    return -_tango_upper(better, worse, samples, limit), _tango_upper(worse, better, samples, limit)


def _tango_upper(worse: int, better: int, samples: int, limit: float) -> float:
    """Find the delta at which the score falls to -limit; it falls from the measured drop to -infinity at 1."""
    from scipy.optimize import brentq  # noqa: PLC0415 - see the module

    measured = (worse - better) / samples
    if measured >= 1.0:
        return 1.0
    edge = 1.0 - 1e-12  # at 1 itself the variance is 0
    return float(brentq(lambda delta: _tango_score(worse, better, samples, delta) + limit, measured, edge, xtol=1e-12))


def _tango_score(worse: int, better: int, samples: int, delta: float) -> float:
    linear = (2 * samples - worse + better) * delta - worse - better
    constant = -better * delta * (1 - delta)
    share = (math.sqrt(max(linear**2 - 8 * samples * constant, 0.0)) - linear) / (4 * samples)
    variance = samples * (2 * share + delta * (1 - delta))
    distance = worse - better - samples * delta
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0


def samples_needed(churn: float, drop: float, margin: float) -> int | None:
    """Say how many paired answers would tell with 90 % power on which side of the margin the drop is.

        n = (z_95 + z_90)^2 (churn - drop^2) / (margin - drop)^2

    and never fewer than those whose Tango bound clears the margin though no answer changed.

    Args:
        churn: share of answers that turned either way.
        drop: the true drop, supposed to stay as measured.
        margin: the budget; all three as shares in 0..1.

    Returns:
        None where drop and margin are equal: no number of samples tells.
    """
    distance = abs(margin - drop)
    if distance == 0:
        return None
    by_power = (_Z_CONFIDENCE + _Z_POWER) ** 2 * max(churn - drop**2, 0.0) / distance**2
    unchanged = _Z_CONFIDENCE**2 * (1 - distance) / distance if distance < 1 else 1.0
    return math.ceil(max(by_power, unchanged, 1.0))


def samples_needed_for(standard_error: float, samples: int, distance: float) -> int | None:
    """The same for any metric whose standard error falls with the square root of the number of samples."""
    if distance == 0:
        return None
    return math.ceil(max(samples * ((_Z_CONFIDENCE + _Z_POWER) * standard_error / distance) ** 2, 1.0))


def zero_change_bound(samples: int) -> float:
    """Upper bound on the share of answers that change, none of ``samples`` having changed: z^2 / (n + z^2)."""
    return _Z_CONFIDENCE**2 / (samples + _Z_CONFIDENCE**2)


def ratio_interval(base: Sequence[float], value: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Estimate base / value from paired rounds: exp of mean and t interval of ln(base / value).

    Args:
        base: one positive figure for each round.
        value: the same rounds, at least 2.
        confidence: two-sided.
    """
    from scipy import stats  # noqa: PLC0415 - see the module

    logs = np.log(np.asarray(base, np.float64)) - np.log(np.asarray(value, np.float64))
    if logs.size < 2:  # one round has no spread
        raise ValueError("an interval needs at least 2 rounds")
    mean = float(logs.mean())
    half = float(stats.t.ppf(0.5 + confidence / 2, logs.size - 1) * logs.std(ddof=1) / math.sqrt(logs.size))
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


@cache
def fewest_for_quantile(share: float) -> int:
    """Return the fewest values from which the quantile can be bounded: one may exceed the bound. p90 64, p99 662."""
    from scipy import stats  # noqa: PLC0415 - see the module

    count = 2
    while stats.binom.cdf(1, count, 1 - share) > 1 - _QUANTILE_CONFIDENCE:
        count += 1
    return count


def quantile_bounds(values: Sequence[float], share: float) -> Interval | None:
    """Estimate a quantile with its 99 % lower and upper bound (each one-sided), or None with too few values.

    The upper bound discards the t highest values, t the largest with P(Bin(n, 1 - share) <= t) <= 1 %; the lower
    bound discards the lowest by the same rule, and is the least value where none can be discarded.
    """
    count = len(values)
    if count < fewest_for_quantile(share):
        return None
    ordered = np.sort(np.asarray(values, np.float64))
    alpha = 1 - _QUANTILE_CONFIDENCE
    above = _most_discarded(count, 1 - share, alpha)
    below = max(_most_discarded(count, share, alpha), 0)
    point = float(np.quantile(ordered, share))
    return Interval(point, float(ordered[below]), float(ordered[count - above - 1]))


def _most_discarded(count: int, share: float, alpha: float) -> int:
    """Return the largest t with P(Bin(count, share) <= t) <= alpha, or -1."""
    from scipy import stats  # noqa: PLC0415 - see the module

    guess = int(stats.binom.ppf(alpha, count, share))
    while guess >= 0 and stats.binom.cdf(guess, count, share) > alpha:
        guess -= 1
    return guess
