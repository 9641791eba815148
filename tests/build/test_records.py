from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.artifact import Artifact
from edgekit.build.candidates import Candidate
from edgekit.build.records import Proven, failed_target, findings_on_speed, target_report
from edgekit.catalog import load_target
from edgekit.compile.proof import Proof
from edgekit.errors import CompileError, EdgeKitError, MissingExtra, RuntimeFault
from edgekit.report import Accuracy, Check, Latency, Memory, P, Remedy, TargetReport
from edgekit.validate.verdict import Judgement

TARGET = load_target("onnxruntime-x86", Path())
ACCURACY = Accuracy(
    metric="top-1",
    better="higher",
    base=90.0,
    value=89.5,
    drop=0.5,
    drop_lower_95=0.1,
    drop_upper_95=0.9,
    samples=100,
    measured_with="this test",
)
JUDGED = Judgement(
    "pass",
    "accuracy",
    ("accuracy: it holds",),
    (Check(quantity="accuracy", budget=1.0, value=0.9, unit="points", verdict="pass"),),
)


def proven(precision: str, low: float, high: float, *findings: str, share: float | None = 1.0) -> Proven:
    artifact = Artifact(Path(f"{precision}.onnx"), "onnxruntime", ())
    latency = Latency(
        threads=1,
        base=P(p50_ms=1.0),
        value=P(p50_ms=1.0),
        speedup=(low + high) / 2,
        speedup_ci95=(low, high),
        rounds=10,
    )
    proof = Proof("1.0", 3.0, share, 0.0, findings)
    note = f"about {precision}"
    candidate = Candidate(precision, artifact, artifact, note)
    return Proven(candidate, ACCURACY, proof, latency, Memory(peak_rss_mib=5.0), 3.0, JUDGED, {})


def test_only_integers_that_are_surely_slower_are_a_finding() -> None:
    field = [proven("int8", 0.9, 1.1), proven("mixed", 1.2, 1.3), proven("fp32", 0.5, 0.6)]
    assert findings_on_speed(field, 0) == []


def test_slower_integers_are_told_with_what_ran() -> None:
    field = [proven("int8", 0.5, 0.62, "conv1 ran in float", share=0.75), proven("fp32", 1.0, 1.0)]
    assert findings_on_speed(field, 1) == [
        (
            "int8 is slower than float here (0.62x at best, with 75 % of the work in int8): "
            "it was not chosen; conv1 ran in float"
        )
    ]
    assert findings_on_speed(field, 0) == [
        (
            "int8 is slower than float here (0.62x at best, with 75 % of the work in int8): "
            "it is kept since nothing faster holds the budget"
        )
    ]


def test_without_a_latency_nothing_is_said_of_speed() -> None:
    assert findings_on_speed([replace(proven("int8", 0.5, 0.6), latency=None)], 0) == []


def test_the_report_is_of_what_was_chosen_and_lists_the_others() -> None:
    field = [proven("int8", 2.0, 2.2, "conv1 ran in float"), proven("bf16", 1.2, 1.4), proven("fp32", 1.0, 1.0)]
    remedies = (Remedy(use="quantize.static", note="ranges by mse"),)
    found = target_report(TARGET, field, 0, remedies, ["bf16 was left out"])
    assert isinstance(found, TargetReport)
    assert (found.name, found.precision, found.runtime_version) == ("onnxruntime-x86", "int8", "1.0")
    assert found.reasons == ("accuracy: it holds", "conv1 ran in float", "bf16 was left out")
    assert [(each.precision, each.speedup, each.note) for each in found.alternatives] == [
        ("bf16", pytest.approx(1.3), "about bf16"),
        ("fp32", 1.0, "about fp32"),
    ]
    assert found.remedies == remedies
    assert found.artifact is not None
    assert found.artifact.path == "artifacts/onnxruntime-x86/int8.onnx"
    assert (found.verdict, found.binding, found.int8_ops_share) == ("pass", "accuracy", 1.0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MissingExtra("openvino is not installed", hint="install it"), 4),
        (CompileError(["the graph is refused", "twice"], hint="mend it"), 6),
        (RuntimeFault("it crashed"), 6),
    ],
)
def test_a_target_that_failed_says_why(error: EdgeKitError, code: int) -> None:
    found = failed_target(TARGET, error)
    assert found.failure is not None
    assert (found.failure.exit_code, found.failure.hint) == (code, error.hint)
    assert found.failure.error == "; ".join(error.mistakes)
    assert found.reasons == error.mistakes
    assert (found.artifact, found.accuracy, found.verdict) == (None, None, "inconclusive")
