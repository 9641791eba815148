import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.present import figures
from edgekit.report import Check, Report


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (301_120, "294.1 KiB"),
        (1 << 20, "1.00 MiB"),
        (None, "not measured"),
    ],
)
def test_a_size_is_said_in_the_unit_that_reads_best(value: float | None, text: str) -> None:
    assert figures.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0834, "0.083 ms"), (1.5, "1.50 ms"), (250.4, "250 ms"), (None, "not measured")]
)
def test_a_latency_has_the_digits_that_mean_something(value: float | None, text: str) -> None:
    assert figures.milliseconds(value) == text


@given(st.floats(-0.0049, 0.0049))
def test_a_drop_that_rounds_to_zero_carries_no_sign(value: float) -> None:
    assert figures.points(value) == "0.00"


def test_ratios_and_shares_say_what_they_are() -> None:
    assert figures.times(2.118) == "2.12x"
    assert figures.share(0.998) == "99.8 %"
    assert figures.interval((2.13, 2.28)) == " (2.13 to 2.28)"
    assert figures.interval(None) == ""


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("accuracy", "0.50 points"), ("latency", "0.500 ms"), ("size", "512.0 KiB"), ("memory", "0.5 MiB")],
)
def test_an_amount_is_in_the_unit_of_its_quantity(quantity: str, text: str) -> None:
    check = Check.model_validate({"quantity": quantity, "budget": 1, "value": 0.5, "unit": "", "verdict": "pass"})
    assert figures.amount(check, check.value) == text


def test_an_amount_that_is_null_was_not_measured() -> None:
    check = Check(quantity="latency", budget=1, value=None, unit="ms", verdict="missing")
    assert figures.amount(check, None) == "not measured"
    assert figures.limit(check) == "at most 1.00 ms"


def shown(golden: Report, *names: str) -> Report:
    """The golden report with only these targets."""
    data = {name: getattr(golden, name) for name in ("tool", "budget", "model", "steps", "surroundings", "inputs")}
    return Report.of(targets=[each for each in golden.targets if each.name in names], **data)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["onnxruntime-x86"], "The target holds the budget."),
        (["openvino-cpu"], "The target misses the budget: openvino-cpu (accuracy)."),
        (["onnxruntime-arm"], "The target cannot be told yet: onnxruntime-arm (accuracy)."),
        (["onnxruntime-x86", "openvino-cpu"], "1 of 2 targets misses the budget: openvino-cpu (accuracy)."),
        ([], "No target was built."),
    ],
)
def test_the_headline_says_how_many_hold_and_which_do_not(golden: Report, names: list[str], sentence: str) -> None:
    assert figures.headline(shown(golden, *names)) == sentence


def test_all_targets_that_hold_are_counted(golden: Report) -> None:
    first = golden.targets[0]
    for count, sentence in ((2, "Both targets hold the budget."), (3, "All 3 targets hold the budget.")):
        made = golden.model_copy(update={"targets": (first,) * count, "verdict": "pass", "binding": "size"})
        assert figures.headline(made) == sentence


def test_what_binds_names_target_quantity_result_and_budget(golden: Report) -> None:
    assert figures.what_binds(golden) == (
        "Accuracy binds on openvino-cpu: accuracy drop (upper 95 % bound) 2.18 points, budget < 1.00 points."
    )
    assert figures.what_binds(shown(golden)) == ""


def test_reasons_for_null_are_gathered(golden: Report) -> None:
    (sentence,) = figures.why_null(golden.targets[2])
    assert sentence == (
        "latency, memory, load_ms, int8_ops_share not measured: this machine is x86_64 and cannot run aarch64"
    )
    assert figures.why_missing(golden.targets[2], "latency.p90_ms").startswith("this machine is")
    assert figures.why_missing(golden.targets[0], "latency") == ""


def test_a_reason_that_a_check_carries_is_told_once(golden: Report) -> None:
    target = golden.targets[1]
    assert "at least 1.24" in target.reasons
    assert figures.other_reasons(target) == ["int8 is not faster here: 0.98x of float, and the interval holds 1"]
