"""Bounds and quantiles against published values, other implementations, and simulation."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats

from edgekit.validate.statistics import (
    fewest_for_quantile,
    quantile_bounds,
    ratio_interval,
    samples_needed,
    samples_needed_for,
    tango_bounds,
    zero_change_bound,
)

COUNTS = st.integers(1, 3000).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, n - b), st.just(n)))
)


# Tango's interval ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "confidence", "decimals", "published"),
    [
        # Fagerland, Lydersen, Laake 2014: airway hyper-responsiveness (Bentur et al. 2009), two-sided 95 %
        ((1, 7, 21), 0.975, 3, (-0.517, -0.026)),
        # R, PropCIs::scoreci.mp(25, 28, 618, 0.90): (-0.0148, 0.0247), of better minus worse
        ((28, 25, 618), 0.95, 4, (-0.0148, 0.0247)),
    ],
)
def test_published_intervals_are_met(
    counts: tuple[int, int, int], confidence: float, decimals: int, published: tuple[float, float]
) -> None:
    lower, upper = tango_bounds(*counts, confidence)
    assert (round(lower, decimals), round(upper, decimals)) == published


@pytest.mark.parametrize(("samples", "points"), [(100, 2.6), (200, 1.3), (500, 0.54), (1000, 0.27)])
def test_no_changed_answer_still_leaves_a_bound(samples: int, points: float) -> None:
    lower, upper = tango_bounds(0, 0, samples)
    assert round(100 * upper, 2 if points < 1 else 1) == points
    assert lower == -upper


def test_a_hundred_and_twenty_eight_unchanged_answers_leave_two_points() -> None:
    assert 100 * tango_bounds(0, 0, 128)[1] == pytest.approx(2.07, abs=0.01)


@given(st.integers(1, 100_000))
def test_the_bound_without_changes_has_a_closed_form(samples: int) -> None:
    assert tango_bounds(0, 0, samples)[1] == pytest.approx(zero_change_bound(samples), rel=1e-6)


def restricted_score(worse: int, better: int, samples: int, delta: float) -> float:
    """The score with its nuisance parameter found by maximising the likelihood numerically, not by Tango's formula."""

    def loss(share: float) -> float:
        shares = np.clip([share + delta, share, 1 - 2 * share - delta], 1e-300, 1)
        return -float(np.dot([worse, better, samples - worse - better], np.log(shares)))

    low, high = max(0.0, -delta), (1 - delta) / 2
    share = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    variance = samples * (2 * share + delta - delta**2)
    return (worse - better - samples * delta) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("worse", "better", "samples"), [(3, 1, 50), (12, 2, 50), (40, 20, 160), (5, 9, 1000), (0, 4, 128), (7, 0, 300)]
)
def test_at_the_bounds_the_likelihood_score_is_the_normal_quantile(worse: int, better: int, samples: int) -> None:
    lower, upper = tango_bounds(worse, better, samples)
    quantile = stats.norm.ppf(0.95)
    assert restricted_score(worse, better, samples, upper) == pytest.approx(-quantile, abs=2e-3)
    assert restricted_score(worse, better, samples, lower) == pytest.approx(quantile, abs=2e-3)


@given(COUNTS)
def test_bounds_hold_the_measured_drop_and_stay_in_range(counts: tuple[int, int, int]) -> None:
    worse, better, samples = counts
    lower, upper = tango_bounds(worse, better, samples)
    assert -1 <= lower <= (worse - better) / samples <= upper <= 1


@given(COUNTS)
def test_exchanging_worse_and_better_mirrors_the_bounds(counts: tuple[int, int, int]) -> None:
    worse, better, samples = counts
    lower, upper = tango_bounds(worse, better, samples)
    assert tango_bounds(better, worse, samples) == (-upper, -lower)


@given(COUNTS)
def test_more_confidence_means_wider_bounds(counts: tuple[int, int, int]) -> None:
    narrow, wide = tango_bounds(*counts, 0.90), tango_bounds(*counts, 0.99)
    assert wide[0] <= narrow[0] + 1e-9
    assert wide[1] >= narrow[1] - 1e-9


@given(COUNTS)
def test_one_more_wrong_answer_never_lowers_the_upper_bound(counts: tuple[int, int, int]) -> None:
    worse, better, samples = counts
    assume(worse + better < samples)
    assert tango_bounds(worse + 1, better, samples)[1] >= tango_bounds(worse, better, samples)[1] - 1e-9


@pytest.mark.parametrize(("worse", "better", "samples"), [(1, 0, 0), (-1, 0, 5), (0, -1, 5), (3, 3, 5)])
def test_counts_that_cannot_be_are_refused(worse: int, better: int, samples: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        tango_bounds(worse, better, samples)


@pytest.mark.parametrize(("worse", "better"), [(10, 0), (0, 10), (5, 5)])
def test_when_every_answer_changed_the_bounds_exist(worse: int, better: int) -> None:
    lower, upper = tango_bounds(worse, better, 10)
    assert -1 <= lower < upper <= 1


@pytest.mark.parametrize(
    ("samples", "margin", "churn"), [(100, 0.01, 0.01), (200, 0.01, 0.02), (500, 0.01, 0.01), (1000, 0.02, 0.03)]
)
def test_a_drop_at_the_margin_passes_in_at_most_a_twentieth_of_trials(
    samples: int, margin: float, churn: float
) -> None:
    draw = np.random.default_rng(5)
    worse, better = (churn + margin) / 2, (churn - margin) / 2
    trials = draw.multinomial(samples, [worse, better, 1 - worse - better], size=4000)
    passes: dict[tuple[int, int], bool] = {}
    for b, c, _ in trials:
        passes.setdefault((b, c), tango_bounds(int(b), int(c), samples)[1] < margin)
    share = np.mean([passes[b, c] for b, c, _ in trials])
    assert share <= 0.0545 + 0.005  # the method's own bar is 5.5 %; half a point is three deviations of 4,000 trials


# how many samples ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("churn", "needed"),
    [(0.02, (429, 1713, 6852)), (0.03, (643, 2570, 10277)), (0.06, (1285, 5139, 20554))],
)
def test_the_numbers_of_the_method_s_table_are_met(churn: float, needed: tuple[int, int, int]) -> None:
    assert tuple(samples_needed(churn, 0.0, margin) for margin in (0.02, 0.01, 0.005)) == needed


def test_half_the_margin_lost_needs_four_times_as_many() -> None:
    whole, half = samples_needed(0.02, 0.0, 0.01), samples_needed(0.02, 0.005, 0.01)
    assert whole is not None
    assert half is not None
    assert half == pytest.approx(4 * whole, rel=0.002)


def test_a_drop_at_the_margin_can_never_be_told() -> None:
    assert samples_needed(0.02, 0.01, 0.01) is None
    assert samples_needed_for(0.5, 100, 0.0) is None


@given(st.integers(1, 400))
def test_unchanged_answers_need_as_many_as_their_bound_clears(thousandths: int) -> None:
    margin = thousandths / 1000
    needed = samples_needed(0.0, 0.0, margin)
    assert needed is not None
    assert tango_bounds(0, 0, needed)[1] <= margin + 1e-9
    assert needed == 1 or tango_bounds(0, 0, needed - 1)[1] > margin - 1e-9


def test_a_huge_distance_needs_at_least_one_sample() -> None:
    assert samples_needed(0.0, 0.0, 1.0) == 1
    assert samples_needed(0.5, -1.0, 1.0) == 1


def test_a_standard_error_falls_with_the_root_of_the_samples() -> None:
    few, many = samples_needed_for(0.4, 100, 1.0), samples_needed_for(0.4, 100, 0.5)
    assert few is not None
    assert many == pytest.approx(4 * few, abs=4)


@pytest.mark.parametrize(("churn", "margin"), [(0.02, 0.01), (0.06, 0.02)])
def test_the_number_asked_for_gives_nine_tenths_of_power(churn: float, margin: float) -> None:
    needed = samples_needed(churn, 0.0, margin)
    assert needed is not None
    draw = np.random.default_rng(7)
    trials = draw.multinomial(needed, [churn / 2, churn / 2, 1 - churn], size=600)
    passed = np.mean([tango_bounds(int(b), int(c), needed)[1] < margin for b, c, _ in trials])
    assert 0.85 < passed < 0.95


# ratios of latency --------------------------------------------------------------------------------------------------


def test_a_ratio_s_interval_is_scipy_s_t_interval_of_the_logarithms() -> None:
    draw = np.random.default_rng(0)
    base, value = draw.lognormal(1, 0.1, 12), draw.lognormal(0, 0.1, 12)
    found = ratio_interval(list(base), list(value))
    expected = stats.ttest_1samp(np.log(base / value), 0).confidence_interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert found.value == pytest.approx(stats.gmean(base / value))


def test_equal_ratios_leave_no_width() -> None:
    found = ratio_interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert (found.value, found.lower, found.upper) == pytest.approx((2.0, 2.0, 2.0))


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=2, max_size=20))
def test_exchanging_base_and_value_inverts_the_interval(rounds: list[tuple[float, float]]) -> None:
    base, value = [each[0] for each in rounds], [each[1] for each in rounds]
    there, back = ratio_interval(base, value), ratio_interval(value, base)
    assert back.value == pytest.approx(1 / there.value, rel=1e-9)
    assert there.lower <= there.value <= there.upper
    assert math.log(back.lower) == pytest.approx(-math.log(there.upper), rel=1e-6, abs=1e-9)


def test_one_round_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 rounds"):
        ratio_interval([1.0], [2.0])


@pytest.mark.parametrize("rounds", [5, 10])
def test_a_thing_beside_itself_is_found_different_in_a_twentieth_of_comparisons(rounds: int) -> None:
    """The noise model of the method: 1 % between processes, 2 % jitter, 1 % outliers, drift shared by a round."""
    draw = np.random.default_rng(3)
    found = 0
    for _ in range(600):
        drift = np.cumsum(draw.normal(0, 0.006, rounds))[:, None]
        medians = []
        for _ in range(2):
            jitter = draw.normal(0, 0.02, (rounds, 30))
            spikes = (draw.random((rounds, 30)) < 0.01) * draw.uniform(0.26, 0.69, (rounds, 30))
            medians.append(np.median(np.exp(drift + draw.normal(0, 0.01, (rounds, 1)) + jitter + spikes), axis=1))
        interval = ratio_interval(list(medians[0]), list(medians[1]))
        found += not interval.lower <= 1 <= interval.upper
    assert 0.02 < found / 600 < 0.085


# quantiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "fewest"), [(0.90, 64), (0.99, 662)])
def test_the_fewest_inferences_are_loadgen_s(share: float, fewest: int) -> None:
    assert fewest_for_quantile(share) == fewest


@pytest.mark.parametrize(
    ("samples", "share", "rank"),
    [(300, 0.90, 0.940), (1000, 0.90, 0.922), (1000, 0.95, 0.966), (1000, 0.99, 0.998), (5000, 0.99, 0.9934)],
)
def test_the_upper_bound_is_loadgen_s_order_statistic(samples: int, share: float, rank: float) -> None:
    found = quantile_bounds(list(np.arange(1, samples + 1)), share)
    assert found is not None
    assert round(found.upper / samples, 4) == pytest.approx(rank, abs=6e-4)


def test_too_few_values_have_no_bounds() -> None:
    assert quantile_bounds([1.0] * 63, 0.9) is None
    assert quantile_bounds([1.0] * 64, 0.9) is not None


@given(st.lists(st.floats(0.1, 100), min_size=64, max_size=300))
def test_bounds_hold_the_quantile_whatever_the_order(values: list[float]) -> None:
    found = quantile_bounds(values, 0.9)
    assert found is not None
    assert found == quantile_bounds(sorted(values, reverse=True), 0.9)
    assert min(values) <= found.lower <= found.value <= found.upper <= max(values)


def test_each_bound_misses_the_true_quantile_in_a_hundredth_of_trials() -> None:
    draw = np.random.default_rng(11)
    truth = stats.expon.ppf(0.9)
    trials = [quantile_bounds(list(draw.exponential(size=200)), 0.9) for _ in range(1500)]
    above = np.mean([each is not None and each.lower > truth for each in trials])
    below = np.mean([each is not None and each.upper < truth for each in trials])
    assert above <= 0.018
    assert below <= 0.018
