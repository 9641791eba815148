"""The bootstrap against scipy's, against known answers, and its own rules."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgekit.validate.bootstrap import (
    Bounds,
    Chosen,
    Estimator,
    Refigured,
    Sums,
    bca,
    bootstrap_bounds,
    figure_left_out,
    whole,
)
from edgekit.validate.metrics import mean_of

Array = np.ndarray[Any, Any]


def minus(base: Array, value: Array) -> Array:
    return np.asarray(100 * (base - value))


def skewed(units: int, seed: int) -> tuple[Array, Array]:
    """Return two paired columns of which the second is a little worse, with a long tail."""
    draw = np.random.default_rng(seed)
    base = draw.beta(5, 2, units)
    return base, base - draw.exponential(0.01, units) + 0.004


def bounded(base: Estimator, value: Estimator, seed: int = 0) -> Bounds:
    found = bootstrap_bounds(base, value, minus, seed=seed)
    assert found is not None
    return found


def test_bounds_are_scipy_s_bca() -> None:
    base, value = skewed(250, seed=1)
    found = bounded(mean_of(base), mean_of(value))
    theirs = stats.bootstrap(
        (base, value),
        lambda one, other, axis: 100 * (one.mean(axis=axis) - other.mean(axis=axis)),
        paired=True,
        vectorized=True,
        n_resamples=10_000,
        confidence_level=0.90,
        method="BCa",
        rng=np.random.default_rng(2),
    )
    spread = theirs.standard_error
    assert found.lower == pytest.approx(theirs.confidence_interval.low, abs=0.06 * spread)
    assert found.upper == pytest.approx(theirs.confidence_interval.high, abs=0.06 * spread)
    assert found.standard_error == pytest.approx(spread, rel=0.03)
    assert found.drop == pytest.approx(100 * (base.mean() - value.mean()))


def test_the_correction_on_given_draws_is_scipy_s_to_the_last_digit() -> None:
    base, value = skewed(120, seed=3)
    difference = 100 * (base - value)
    draw = np.random.default_rng(4)
    drawn = difference[draw.integers(0, 120, (5000, 120))].mean(axis=1)
    left_out = np.array([np.delete(difference, unit).mean() for unit in range(120)])
    theirs = stats.bootstrap(
        (difference,),
        np.mean,
        n_resamples=5000,
        confidence_level=0.90,
        method="BCa",
        rng=np.random.default_rng(4),
    )
    # scipy draws by the same generator, unit numbers first, so that both see the same draws
    np.testing.assert_allclose(np.sort(theirs.bootstrap_distribution), np.sort(drawn), rtol=1e-9)
    assert bca(float(difference.mean()), drawn, left_out) == pytest.approx(
        (theirs.confidence_interval.low, theirs.confidence_interval.high), rel=1e-6
    )


def test_the_same_seed_gives_the_same_bounds_and_another_one_nearly_so() -> None:
    base, value = (mean_of(each) for each in skewed(200, seed=5))
    one, again, other = bounded(base, value, 1), bounded(base, value, 1), bounded(base, value, 2)
    assert one == again
    assert one != other
    assert other.upper == pytest.approx(one.upper, abs=0.1 * one.standard_error)


def test_bounds_hold_the_drop_in_nineteen_of_twenty_trials() -> None:
    """One-sided 95 % each, on a skewed metric: the true drop is 0.6 points."""
    trials = [bounded(Small(one), Small(other)) for one, other in (skewed(150, seed) for seed in range(300))]
    truth = 100 * (0.01 - 0.004)
    assert 0.91 <= np.mean([each.upper >= truth for each in trials]) <= 0.99
    assert 0.91 <= np.mean([each.lower <= truth for each in trials]) <= 0.99


class Small:
    """The mean, with fewer draws so that many trials are cheap."""

    draws = 800
    leaves_out = True

    def __init__(self, units: Array) -> None:
        self._units = units

    @property
    def units(self) -> int:
        """Rows."""
        return len(self._units)

    def estimate(self, draws: Array) -> Array:
        """Pick and average."""
        return np.asarray(self._units[draws].mean(axis=1))


def test_fewer_than_a_hundred_units_widen_the_bounds_and_say_so() -> None:
    base, value = skewed(20, seed=6)
    found = bounded(mean_of(base), mean_of(value))
    difference = 100 * (base - value)
    half = stats.t.ppf(0.95, 19) * difference.std(ddof=1) / math.sqrt(20)
    assert found.lower <= difference.mean() - half + 1e-9
    assert found.upper >= difference.mean() + half - 1e-9
    assert "fewer than 100" in found.method


def test_a_hundred_units_are_enough() -> None:
    assert "fewer" not in bounded(*(mean_of(each) for each in skewed(100, seed=7))).method


def test_draws_that_all_agree_bound_nothing_and_say_so() -> None:
    same = mean_of(np.linspace(0, 1, 50))
    found = bounded(same, same)
    assert found.unchanged
    assert (found.drop, found.lower, found.upper) == (0, 0, 0)


def test_one_unit_has_no_bounds() -> None:
    one = mean_of(np.array([0.5]))
    assert bootstrap_bounds(one, one, minus, seed=0) is None


def test_a_metric_that_costs_itself_gets_few_draws_and_normal_bounds() -> None:
    base, value = skewed(150, seed=8)
    calls = []

    def figure(units: Array) -> float:
        calls.append(1)
        return float(value[units].mean())

    found = bounded(Refigured(150, lambda units: float(base[units].mean())), Refigured(150, figure))
    assert len(calls) == 201
    assert found.upper - found.drop == pytest.approx(1.6449 * found.standard_error, rel=1e-3)
    assert "200 draws of 150 samples" in found.method


def test_sums_equal_picking_each_drawn_unit() -> None:
    draw = np.random.default_rng(9)
    statistics = draw.random((40, 3))
    draws = draw.integers(0, 40, (7, 40))
    sums = Sums(statistics, lambda totals: totals[:, 0] / totals[:, 1] + totals[:, 2])
    by_hand = [statistics[row].sum(axis=0) for row in draws]
    np.testing.assert_allclose(sums.estimate(draws), [each[0] / each[1] + each[2] for each in by_hand])


def test_a_user_s_combination_gets_rows_of_an_array_or_entries_of_a_list() -> None:
    draws = np.array([[0, 2, 2]])
    rows = Chosen(np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]), lambda chosen: chosen.sum())
    assert rows.estimate(draws).tolist() == [1 + 10 + 2 * (3 + 30)]
    entries = Chosen([[1], [2, 2], [3]], lambda chosen: float(sum(len(each) for each in chosen)))
    assert entries.estimate(draws).tolist() == [3]
    assert entries.units == 3


def test_the_whole_is_each_unit_once() -> None:
    assert whole(mean_of(np.array([1.0, 0.0, 0.0, 1.0]))) == 0.5


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_leaving_out_each_unit_leaves_the_mean_of_the_others(units: list[float]) -> None:
    estimator = mean_of(np.array(units))
    found = figure_left_out(estimator.estimate, len(units))
    total = sum(units)
    expected = [(total - unit) / (len(units) - 1) for unit in units]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    base, value = (mean_of(each) for each in skewed(3000, seed=10))
    bootstrap_bounds(base, value, minus, seed=0, progress=lambda *each: told.append(each))
    assert told[0] == ("bootstrap", 0, 10_000)
    assert len(told) > 5


def test_a_metric_at_its_edge_still_has_bounds() -> None:
    """All draws lie on one side of the measured drop: the bias correction is held finite."""
    bounds = bca(0.0, np.linspace(1, 2, 500), np.linspace(-1, 1, 50))
    assert all(math.isfinite(each) for each in bounds)
