from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgekit.build.choice import Standing, choose
from edgekit.report import CheckVerdict


def standing(
    precision: str,
    size_bytes: int,
    speedup: float | None,
    verdict: CheckVerdict = "pass",
    *,
    drop: float | None = 0.2,
) -> Standing:
    base = precision == "fp32"
    return Standing(precision, size_bytes, (verdict,), 0.0 if base else drop, 1.0, speedup, is_base=base)


def by_speed(standings: Sequence[Standing], noise: float = 1.02) -> str:
    """The precision that is chosen when ratios within ``noise`` are noise."""

    def slower(one: int, other: int) -> bool:
        return (standings[other].speedup or 0) > noise * (standings[one].speedup or 0)

    return standings[choose(standings, slower)].precision


INT8 = standing("int8", 300, 2.1)
BF16 = standing("bf16", 500, 1.4)
FP32 = standing("fp32", 1000, 1.0)


def test_the_fastest_that_holds_the_budget_is_chosen() -> None:
    assert by_speed([FP32, BF16, INT8]) == "int8"
    assert by_speed([FP32, BF16, standing("int8", 300, 1.2)]) == "bf16"
    assert by_speed([FP32, standing("int8", 300, 0.6)]) == "fp32"


def test_within_the_noise_the_smaller_one_wins() -> None:
    assert by_speed([FP32, standing("bf16", 500, 1.01), standing("int8", 300, 0.995)]) == "int8"
    assert by_speed([FP32, standing("bf16", 500, 1.01), standing("int8", 300, 0.9)]) == "bf16"


def test_what_misses_the_budget_is_not_chosen_for_its_speed() -> None:
    assert by_speed([FP32, BF16, standing("int8", 300, 2.1, "fail", drop=3.0)]) == "bf16"
    assert by_speed([FP32, standing("int8", 300, 2.1, "fail", drop=3.0)]) == "fp32"


def test_a_proven_candidate_beats_a_faster_one_that_cannot_be_told() -> None:
    assert by_speed([FP32, BF16, standing("int8", 300, 2.1, "inconclusive")]) == "bf16"


def test_too_few_samples_do_not_make_the_float_model_win() -> None:
    assert by_speed([FP32, standing("int8", 300, 2.1, "inconclusive")]) == "int8"
    assert by_speed([FP32, standing("int8", 300, 0.6, "inconclusive")]) == "fp32"


def test_a_measured_drop_beyond_the_budget_makes_the_float_model_win() -> None:
    assert by_speed([FP32, standing("int8", 300, 2.1, "inconclusive", drop=1.3)]) == "fp32"


def test_where_nothing_holds_the_nearest_is_left() -> None:
    missed = [
        Standing("fp32", 1000, ("pass", "fail"), 0.0, 1.0, 1.0, is_base=True),
        Standing("int8", 300, ("fail", "fail"), 4.0, 1.0, 2.0),
        Standing("mixed", 400, ("fail", "pass"), 2.0, 1.0, 1.5),
    ]
    assert by_speed(missed) == "fp32"
    assert by_speed(missed[1:]) == "mixed"
    unknown = Standing("int8", 300, ("missing",), None, 1.0, None)
    assert by_speed([unknown]) == "int8"


def test_without_latencies_what_was_asked_for_is_chosen_if_it_holds() -> None:
    bf16, fp32 = standing("bf16", 500, None), standing("fp32", 100, None)
    assert by_speed([standing("int8", 300, None), bf16, fp32]) == "int8"
    assert by_speed([standing("int8", 300, None, "fail"), bf16, fp32]) == "bf16"


def test_a_missing_figure_counts_as_one_that_cannot_be_told() -> None:
    assert Standing("int8", 1, ("pass", "missing"), 0.1, 1.0, 2.0).rank == 1
    assert Standing("int8", 1, ("pass", "missing"), None, 1.0, 2.0).rank == 2
    assert Standing("int8", 1, ("missing", "fail"), 0.1, 1.0, 2.0).rank == 3


@pytest.mark.parametrize("size_bytes", [999, 1001])
def test_a_smaller_artifact_alone_does_not_excuse_being_slower(size_bytes: int) -> None:
    assert by_speed([FP32, standing("int8", size_bytes, 0.9)]) == "fp32"


@given(
    some.lists(
        some.builds(
            standing,
            some.sampled_from(["int8", "mixed", "bf16"]),
            some.integers(1, 9),
            some.floats(0.1, 4) | some.none(),
            some.sampled_from(["pass", "fail", "inconclusive", "missing"]),
            drop=some.floats(0, 3) | some.none(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_choice_is_of_the_best_rank(standings: list[Standing]) -> None:
    chosen = choose(standings, lambda one, other: (standings[other].speedup or 0) > (standings[one].speedup or 0))
    assert standings[chosen].rank == min(each.rank for each in standings)
