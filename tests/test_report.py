import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.artifact import Artifact
from edgekit.errors import RecipeError
from edgekit.report import (
    EXIT_ORDER,
    ArtifactRecord,
    Budget,
    Check,
    Failure,
    Inputs,
    ModelRecord,
    Report,
    TargetReport,
    exit_code,
    report_schema,
    worst,
)

VERDICTS = ("pass", "fail", "inconclusive")


def target(name: str = "t", **parts: object) -> TargetReport:
    given: dict[str, object] = {
        "name": name,
        "runtime": "onnxruntime",
        "runtime_version": "1.32.0",
        "precision": "int8",
        "measured_on": "host",
        "artifact": None,
        "accuracy": None,
        "latency": None,
        "memory": None,
        "load_ms": None,
        "int8_ops_share": None,
        "verdict": "pass",
        "binding": None,
    }
    return TargetReport.model_validate(given | parts)


def report(*targets: TargetReport) -> Report:
    return Report.of(
        tool="edgekit 0",
        budget=Budget(),
        model=ModelRecord(path="m.onnx", sha256="0", size_bytes=1),
        targets=targets,
        steps=[],
        surroundings={},
        inputs=Inputs(card="c", calibration_sha256=None),
    )


def check(verdict: str, quantity: str = "size") -> Check:
    return Check.model_validate({"quantity": quantity, "budget": 1.0, "value": 0.5, "unit": "MiB", "verdict": verdict})


@pytest.fixture(scope="module")
def golden(root: Path) -> str:
    return (root / "tests/golden/report.json").read_text()


def test_a_report_round_trips_through_json(golden: str) -> None:
    read = Report.from_json(golden)
    assert read.to_json() == golden
    assert Report.from_json(read.to_json()) == read


def test_the_keys_that_tools_read_are_those_of_the_design(golden: str) -> None:
    data = json.loads(golden)
    assert next(iter(data)) == "schema"
    assert data["schema"] == "edgekit.report/1"
    assert {"verdict", "binding", "model", "targets", "steps", "surroundings", "inputs"} <= set(data)
    first = data["targets"][0]
    assert {
        "name", "runtime", "runtime_version", "precision", "measured_on", "artifact", "accuracy", "latency", "memory",
        "load_ms", "int8_ops_share", "remedies", "alternatives", "verdict", "reasons", "missing",
    } <= set(first)  # fmt: skip
    assert {"built_on", "path", "files", "sha256", "size_bytes"} == set(first["artifact"])
    assert {
        "metric", "better", "base", "value", "drop", "drop_lower_95", "drop_upper_95", "samples", "churn",
        "measured_with",
    } <= set(first["accuracy"])  # fmt: skip
    assert {
        "threads", "base", "value", "speedup", "speedup_ci95", "speedup_vs_onnxruntime_float", "prepare_speedup",
        "rounds",
    } == set(first["latency"])  # fmt: skip
    assert {"p50_ms", "p90_ms"} <= set(first["latency"]["base"])
    assert {"peak_rss_mib", "base_peak_rss_mib"} == set(first["memory"])
    assert {"precision", "drop", "speedup", "size_bytes"} <= set(first["alternatives"][0])


def test_the_verdict_is_that_of_the_worst_target() -> None:
    made = report(
        target("a", binding="size"),
        target("b", verdict="inconclusive", binding="accuracy"),
        target("c", verdict="fail", binding="latency"),
    )
    assert (made.verdict, made.binding) == ("fail", "latency")


def test_a_build_of_no_target_is_inconclusive_and_could_not_measure() -> None:
    made = report()
    assert (made.verdict, made.binding) == ("inconclusive", None)
    assert exit_code(made) == 4


def test_a_verdict_that_contradicts_the_targets_is_refused(golden: str) -> None:
    data = json.loads(golden) | {"verdict": "pass"}
    with pytest.raises(RecipeError, match="not that of the worst target"):
        Report.from_json(json.dumps(data))


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 3)])
def test_one_target_leaves_with_its_own_code(verdict: str, code: int) -> None:
    assert exit_code(report(target(verdict=verdict))) == code


def test_a_budgeted_quantity_that_was_not_measured_leaves_with_four() -> None:
    assert exit_code(report(target(checks=[check("pass"), check("missing", "latency")]))) == 4


def test_a_null_quantity_without_a_budget_does_not_change_the_code() -> None:
    assert exit_code(report(target(missing={"latency": "another processor"}))) == 0


def test_a_failed_step_goes_before_a_missed_budget_and_a_missing_runtime_before_both() -> None:
    failed = target("a", verdict="inconclusive", failure=Failure(exit_code=6, error="the compiler said no"))
    absent = target("b", verdict="inconclusive", failure=Failure(exit_code=4, error="openvino is not installed"))
    missed = target("c", verdict="fail")
    assert exit_code(report(failed, missed)) == 6
    assert exit_code(report(failed, missed, absent)) == 4


@given(st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=6))
def test_the_code_of_many_targets_is_the_first_of_the_order_that_any_of_them_has(verdicts: list[str]) -> None:
    targets = [target(str(number), verdict=verdict) for number, verdict in enumerate(verdicts)]
    codes = {exit_code(report(each)) for each in targets}
    assert exit_code(report(*targets)) == next(code for code in EXIT_ORDER if code in codes)


@given(st.permutations(VERDICTS))
def test_the_worst_verdict_does_not_depend_on_the_order_of_targets(verdicts: list[str]) -> None:
    assert worst([target(verdict=each) for each in verdicts])[0] == "fail"


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Check(quantity="size", budget=1.0, value=float("nan"), unit="MiB", verdict="pass")


def test_an_unknown_key_is_refused_and_named(golden: str) -> None:
    data = json.loads(golden)
    data["targets"][0]["speed"] = 1
    with pytest.raises(RecipeError, match=r"targets\.0\.speed"):
        Report.from_json(json.dumps(data))


def test_what_is_no_json_is_refused_with_the_schema_that_was_wanted() -> None:
    with pytest.raises(RecipeError) as caught:
        Report.from_json("<xml/>")
    assert "edgekit.report/1" in caught.value.hint


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than"):
        Budget(p90_ms=-1)


def test_an_artifact_is_recorded_relative_to_the_report(tmp_path: Path) -> None:
    for name, text in {"m.xml": "<net/>", "m.bin": "1234"}.items():
        (tmp_path / name).write_text(text)
    artifact = Artifact.of(tmp_path / "m.xml", kind="openvino", beside=[tmp_path / "m.bin"])
    record = ArtifactRecord.of(artifact, "artifacts/openvino-cpu/")
    assert record.path == "artifacts/openvino-cpu/m.xml"
    assert [each.path for each in record.files] == ["artifacts/openvino-cpu/m.bin", "artifacts/openvino-cpu/m.xml"]
    assert record.size_bytes == 10
    assert record.sha256 == artifact.sha256


def test_the_schema_names_its_version_and_refuses_more_keys() -> None:
    schema = report_schema()
    assert schema["properties"]["schema"]["const"] == "edgekit.report/1"
    assert schema["additionalProperties"] is False
