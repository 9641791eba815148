"""Budgets against measurements: three outcomes, what binds, and reasons that a reader can act on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.report import Accuracy, Budget, Check, Latency, Memory, P
from edgekit.validate.verdict import Judgement, judge

MIB = 1 << 20


def accuracy(
    lower: float | None = -0.2, upper: float | None = 0.5, drop: float = 0.1, needed: int | None = None
) -> Accuracy:
    return Accuracy(
        metric="top-1",
        better="higher",
        base=91.6,
        value=91.6 - drop,
        drop=drop,
        drop_lower_95=lower,
        drop_upper_95=upper,
        samples=1000,
        measured_with="onnxruntime 1.32.0 on this host",
        samples_needed=needed,
    )


def latency(p90: float | None = 5.0, lower: float | None = 4.9, upper: float | None = 5.2) -> Latency:
    value = P(p50_ms=4.0, p90_ms=p90, p90_lower_99_ms=lower, p90_upper_99_ms=upper, samples=300)
    return Latency(threads=1, base=P(p50_ms=8.0), value=value, speedup=2.0, rounds=10)


def judged(budget: Budget, **more: Any) -> Judgement:
    given = {
        "accuracy": accuracy(),
        "latency": latency(),
        "size_bytes": MIB // 2,
        "memory": Memory(peak_rss_mib=60.0),
    }
    return judge(budget, **{**given, **more})


def check_of(judgement: Judgement, quantity: str) -> Check:
    return next(check for check in judgement.checks if check.quantity == quantity)


def test_what_cannot_drop_holds_even_a_budget_of_nothing() -> None:
    assert judged(Budget(drop_points=0.0), accuracy=accuracy(0.0, 0.0, drop=0.0)).verdict == "pass"
    assert judged(Budget(drop_points=0.0), accuracy=accuracy(0.0, 0.01, drop=0.0)).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [
        (-0.5, 0.99, "pass"),
        (-0.5, 1.0, "inconclusive"),
        (0.5, 1.5, "inconclusive"),
        (1.0, 1.5, "inconclusive"),
        (1.01, 1.5, "fail"),
        (-2.0, -1.0, "pass"),
    ],
)
def test_accuracy_is_judged_by_its_bounds(lower: float, upper: float, verdict: str) -> None:
    found = judged(Budget(drop_points=1.0), accuracy=accuracy(lower, upper))
    assert found.verdict == verdict
    assert check_of(found, "accuracy").value == upper


def test_an_inconclusive_accuracy_says_how_many_samples_could_tell() -> None:
    found = judged(Budget(drop_points=1.0), accuracy=accuracy(-0.5, 2.0, needed=1713))
    assert "between -0.50 and 2.00" in found.reasons[0]
    assert "about 1,713 samples could tell" in found.reasons[0]


def test_without_bounds_the_accuracy_is_inconclusive() -> None:
    found = judged(Budget(), accuracy=accuracy(None, None))
    assert found.verdict == "inconclusive"
    assert check_of(found, "accuracy").value is None


@pytest.mark.parametrize(
    ("budget", "verdict"), [(5.2, "pass"), (6.0, "pass"), (5.19, "inconclusive"), (4.9, "inconclusive"), (4.8, "fail")]
)
def test_latency_is_judged_by_the_bounds_of_its_p90(budget: float, verdict: str) -> None:
    found = judged(Budget(p90_ms=budget))
    assert check_of(found, "latency").verdict == verdict
    assert check_of(found, "latency").value == 5.2


def test_few_rounds_leave_the_latency_untold() -> None:
    found = judged(
        Budget(p90_ms=100), latency=latency(5.0, None, None), missing={"latency.p90_upper_99_ms": "needs 10 rounds"}
    )
    assert check_of(found, "latency").verdict == "inconclusive"
    assert "needs 10 rounds" in check_of(found, "latency").reason


@pytest.mark.parametrize(("budget", "verdict"), [(0.5, "pass"), (0.49, "fail")])
def test_size_is_exact(budget: float, verdict: str) -> None:
    assert check_of(judged(Budget(size_mib=budget)), "size").verdict == verdict


@pytest.mark.parametrize(("budget", "verdict"), [(60.0, "pass"), (59.9, "fail")])
def test_memory_is_exact(budget: float, verdict: str) -> None:
    assert check_of(judged(Budget(rss_mib=budget)), "memory").verdict == verdict


def test_only_what_has_a_budget_is_judged() -> None:
    assert [check.quantity for check in judged(Budget()).checks] == ["accuracy"]
    every = judged(Budget(p90_ms=9, size_mib=9, rss_mib=900))
    assert [check.quantity for check in every.checks] == ["accuracy", "latency", "size", "memory"]


@pytest.mark.parametrize(
    ("budget", "absent", "quantity", "name"),
    [
        (Budget(), {"accuracy": None}, "accuracy", "accuracy"),
        (Budget(p90_ms=5), {"latency": None}, "latency", "latency"),
        (Budget(p90_ms=5), {"latency": latency(None, None, None)}, "latency", "latency.p90_ms"),
        (Budget(size_mib=5), {"size_bytes": None}, "size", "size"),
        (Budget(rss_mib=5), {"memory": None}, "memory", "memory.peak_rss_mib"),
    ],
)
def test_a_budget_that_could_not_be_measured_is_missing_and_says_why(
    budget: Budget, absent: dict[str, Any], quantity: str, name: str
) -> None:
    found = judged(budget, **absent, missing={name: "this machine is no ARM"})
    check = check_of(found, quantity)
    assert (check.verdict, check.value) == ("missing", None)
    assert check.reason.endswith("this machine is no ARM")
    assert (found.verdict, found.binding) == ("inconclusive", quantity)


def test_what_is_missing_without_a_budget_does_not_matter() -> None:
    assert judged(Budget(), latency=None, memory=None, size_bytes=None).verdict == "pass"


def test_a_failure_outweighs_what_is_missing_and_that_what_cannot_be_told() -> None:
    budget = Budget(p90_ms=1.0, size_mib=1, rss_mib=1000)
    found = judged(budget, accuracy=accuracy(-0.5, 2.0), memory=None)
    assert [check_of(found, each).verdict for each in ("accuracy", "latency", "memory")] == [
        "inconclusive",
        "fail",
        "missing",
    ]
    assert (found.verdict, found.binding) == ("fail", "latency")
    assert [reason.split(":")[0] for reason in found.reasons] == ["latency", "memory", "accuracy", "size"]


def test_of_two_failures_the_farther_from_its_budget_binds() -> None:
    assert judged(Budget(size_mib=0.4, rss_mib=10)).binding == "memory"
    assert judged(Budget(size_mib=0.01, rss_mib=50)).binding == "size"


def test_where_all_pass_the_one_nearest_its_budget_binds() -> None:
    assert judged(Budget(size_mib=100, rss_mib=61)).binding == "memory"
    assert judged(Budget(size_mib=0.51, rss_mib=600)).binding == "size"
    assert judged(Budget()).binding == "accuracy"


def test_a_budget_of_no_drop_at_all_can_only_pass_below_zero() -> None:
    assert judged(Budget(drop_points=0)).verdict == "inconclusive"
    assert judged(Budget(drop_points=0), accuracy=accuracy(-2, -0.1)).verdict == "pass"
    assert judged(Budget(drop_points=0), accuracy=accuracy(0.1, 2)).verdict == "fail"


@given(st.floats(0, 10), st.floats(-5, 15), st.floats(0, 5))
def test_a_wider_budget_never_makes_a_verdict_worse(budget: float, lower: float, width: float) -> None:
    rank = ["pass", "inconclusive", "fail"]
    measured = accuracy(lower, lower + width, drop=lower)
    narrow = judged(Budget(drop_points=budget), accuracy=measured).verdict
    wide = judged(Budget(drop_points=budget + 1), accuracy=measured).verdict
    assert rank.index(wide) <= rank.index(narrow)


def test_every_reason_names_quantity_figure_and_budget() -> None:
    found = judged(Budget(p90_ms=6, size_mib=1, rss_mib=64))
    by_name = {reason.split(":")[0]: reason for reason in found.reasons}
    assert "p90 5.000 ms" in by_name["latency"]
    assert "6 ms" in by_name["latency"]
    assert "0.500 MiB, within the budget of 1 MiB" in by_name["size"]
    assert "60.000 MiB, within the budget of 64 MiB" in by_name["memory"]
    assert "top-1 drops by 0.10 points on 1000 samples" in by_name["accuracy"]
