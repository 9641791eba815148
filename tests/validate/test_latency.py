"""What the report says of rounds."""

from typing import Any

import pytest

from edgekit.validate.latency import latency_from_rounds, memory_from_rounds, missing_from_latency, quantiles
from edgekit.validate.rounds import Round, Rounds


def fixed(ms: float, inferences: int = 30, peak: float = 60.0) -> Round:
    """A process whose inferences take ``ms``, every tenth twice that."""
    times = tuple(2 * ms if number % 10 == 9 else ms for number in range(inferences))
    return Round("1.32.0", 5.0, 1.0, times, peak - 2, peak)


def measured(rounds: int = 10, **ms: float) -> Rounds:
    return Rounds(1, 0, {name: tuple(fixed(each) for _ in range(rounds)) for name, each in ms.items()})


def test_quantiles_are_of_all_inferences_together() -> None:
    found = quantiles(measured(it=2.0), "it")
    assert (found.p50_ms, found.samples) == (2.0, 300)
    assert found.p90_ms == pytest.approx(2.0, abs=0.3)
    assert found.p90_lower_99_ms == 2.0
    assert found.p90_upper_99_ms == 4.0


@pytest.mark.parametrize(
    ("rounds", "p90", "bounds"),
    [(1, False, False), (2, False, False), (3, True, False), (9, True, False), (10, True, True)],
)
def test_a_p90_needs_64_inferences_and_its_bounds_10_rounds(rounds: int, p90: bool, bounds: bool) -> None:
    found = quantiles(measured(rounds, it=2.0), "it")
    assert (found.p90_ms is not None) == p90
    assert (found.p90_upper_99_ms is not None) == bounds
    assert (found.p90_lower_99_ms is not None) == bounds


def test_every_ratio_comes_from_the_same_rounds() -> None:
    found = latency_from_rounds(
        measured(user=6.0, ort=4.0, base=3.0, value=1.0),
        base="base",
        value="value",
        onnxruntime_float="ort",
        original="user",
    )
    assert found.speedup == pytest.approx(3.0)
    assert found.speedup_ci95 == pytest.approx((3.0, 3.0))
    assert found.speedup_vs_onnxruntime_float == pytest.approx(4.0)
    assert found.prepare_speedup == pytest.approx(1.5)
    assert (found.base.p50_ms, found.value.p50_ms, found.rounds, found.threads) == (3.0, 1.0, 10, 1)


def test_ratios_that_were_not_measured_are_null() -> None:
    found = latency_from_rounds(measured(base=3.0, value=1.0), base="base", value="value")
    assert (found.speedup_vs_onnxruntime_float, found.prepare_speedup) == (None, None)
    only_original = latency_from_rounds(measured(base=3.0, value=1.0), base="base", value="value", original="base")
    assert only_original.prepare_speedup is None


def test_one_round_has_medians_and_no_speedup() -> None:
    found = latency_from_rounds(measured(1, base=3.0, value=1.0), base="base", value="value", onnxruntime_float="base")
    assert (found.base.p50_ms, found.speedup, found.speedup_ci95) == (3.0, None, None)
    assert found.speedup_vs_onnxruntime_float is None


def test_an_artifact_beside_itself_is_as_fast_as_itself() -> None:
    found = latency_from_rounds(measured(base=3.0), base="base", value="base")
    assert (found.speedup, found.speedup_ci95) == (1.0, (1.0, 1.0))


def test_memory_is_told_for_artifact_and_base() -> None:
    rounds = Rounds(1, 0, {"base": (fixed(1, peak=80),), "value": (fixed(1, peak=60),)})
    found = memory_from_rounds(rounds, base="base", value="value")
    assert (found.peak_rss_mib, found.base_peak_rss_mib) == (60, 80)
    assert memory_from_rounds(rounds, base=None, value="value").base_peak_rss_mib is None


@pytest.mark.parametrize(
    ("rounds", "missing"),
    [
        (2, {"latency.p90_ms": "a p90 needs 64 inferences; 60 were timed"}),
        (3, {"latency.p90_upper_99_ms": "a bound needs 10 rounds; 3 were run"}),
        (10, {}),
    ],
)
def test_what_is_null_says_why(rounds: int, missing: dict[str, Any]) -> None:
    found = latency_from_rounds(measured(rounds, base=3.0, value=1.0), base="base", value="value")
    assert missing_from_latency(found) == missing
