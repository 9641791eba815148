from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import model_from_text
from tiny_project import Clock, recipe_for, write_project

from edgekit import build
from edgekit.artifact import Artifact
from edgekit.build import target as target_module
from edgekit.build.target import here
from edgekit.catalog import load_target
from edgekit.compile.proof import Proof
from edgekit.errors import CompileError
from edgekit.report import Report, TargetReport, exit_code


def built(project: Path, out: Path, *targets: str, **more: Any) -> Report:
    return build.run(recipe_for(project, *targets, **more), out)


def only(report: Report) -> TargetReport:
    assert len(report.targets) == 1
    return report.targets[0]


def test_the_fastest_that_holds_the_budget_ships_and_the_base_stands_beside_it(
    project: Path, tmp_path: Path, clock: Clock
) -> None:
    clock.ms = {"integers": 0.5}
    target = only(built(project, tmp_path / "out", "onnxruntime-x86"))
    assert (target.precision, target.verdict) == ("int8", "pass")
    assert target.latency is not None
    assert target.latency.speedup == pytest.approx(2.0, rel=0.01)
    assert target.int8_ops_share == 1.0
    base = target.alternatives[-1]
    assert (base.precision, base.drop, base.speedup) == ("fp32", 0.0, pytest.approx(1.0))
    assert len(clock.measured[0]) == 4  # the user's file, prepared, base and int8: side by side


def test_integers_that_are_slower_are_told_with_a_reason_and_float_ships(
    project: Path, tmp_path: Path, clock: Clock
) -> None:
    clock.ms = {"integers": 2.0}
    target = only(built(project, tmp_path / "out", "onnxruntime-x86"))
    assert target.precision == "fp32"
    assert target.int8_ops_share == 0.0
    told = [reason for reason in target.reasons if reason.startswith("int8 is slower than float here (0.50x at best")]
    assert len(told) == 1
    assert "100 % of the work in int8" in told[0]
    assert "it was not chosen" in told[0]
    assert [each.precision for each in target.alternatives] == ["int8"]
    assert target.artifact is not None
    assert (tmp_path / "out" / target.artifact.path).is_file()


@pytest.mark.parametrize(
    ("name", "stands_in"),
    [("onnxruntime-arm", "64-bit ARM processors"), ("openvino-npu", "NPU")],
)
def test_what_this_host_cannot_run_is_judged_by_its_accuracy_here(
    name: str, stands_in: str, project: Path, tmp_path: Path, clock: Clock
) -> None:
    report = built(project, tmp_path / "out", name)
    target = only(report)
    assert clock.measured == []
    assert target.accuracy is not None
    assert "this host's CPU, which stands in for" in target.accuracy.measured_with
    assert stands_in in target.accuracy.measured_with
    assert (target.latency, target.memory, target.load_ms) == (None, None, None)
    assert target.missing["latency"].startswith(f"{name} cannot run on this host: ")
    assert (target.precision, target.verdict, exit_code(report)) == ("int8", "pass", 0)


def test_a_budget_on_what_this_host_cannot_measure_leaves_with_4(project: Path, tmp_path: Path, clock: Clock) -> None:
    budget = {"drop_points": 5.0, "p90_ms": 100.0}
    report = built(project, tmp_path / "out", "onnxruntime-arm", budget=budget)
    assert exit_code(report) == 4
    assert "cannot run on this host" in only(report).checks[-1].reason
    assert clock.measured == []


def test_a_float_target_ships_the_prepared_model(project: Path, tmp_path: Path, clock: Clock) -> None:
    report = built(project, tmp_path / "out", "onnxruntime-x86-fp32", "openvino-cpu-fp16")
    float32, float16 = report.targets
    assert (float32.precision, float32.verdict, float32.alternatives) == ("fp32", "pass", ())
    assert float16.precision == "fp16"
    assert [each.precision for each in float16.alternatives] == ["fp32"]
    assert float16.artifact is not None
    assert float16.artifact.size_bytes < (float16.alternatives[0].size_bytes or 0)
    assert len(clock.measured) == 2


def test_a_model_with_nothing_to_quantize_stays_float_and_says_why(tmp_path: Path, clock: Clock) -> None:
    write_project(tmp_path, model_from_text("net (float[N,6] x) => (float[N,6] y) { y = Softmax <axis=1> (x) }"))
    target = only(built(tmp_path, tmp_path / "out", "onnxruntime-x86"))
    assert (target.precision, target.verdict) == ("fp32", "pass")
    assert any(reason.startswith("float kept: no Conv, Gemm or MatMul") for reason in target.reasons)
    assert target.int8_ops_share is None
    assert "int8_ops_share" in target.missing
    assert clock.measured


def test_a_missed_budget_is_worked_on_and_every_try_is_listed(tmp_path: Path, clock: Clock) -> None:
    write_project(tmp_path, sure=False)
    clock.ms = {"integers": 0.5}
    target = only(built(tmp_path, tmp_path / "out", "onnxruntime-x86", budget={"drop_points": 0.0}))
    drops = [each.drop for each in target.remedies if each.drop is not None]
    assert len(drops) >= 5
    assert target.remedies[-1].note.startswith("the 2 worst layers in float")
    kept = [each for each in target.remedies if each.kept]
    assert len(kept) == 1
    assert kept[0].drop == min(drops)
    assert target.remedies[-1].drop == 0.0  # it held, so nothing else was tried
    assert target.accuracy is not None
    assert (target.accuracy.drop, target.precision, target.verdict) == (0.0, "mixed", "inconclusive")


def test_an_artifact_that_was_only_tried_may_fail(
    project: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = target_module.prove
    seen: list[str] = []

    def fails_second(artifact: Artifact, *given: Any, **more: Any) -> Proof:
        seen.append(artifact.kind)
        if len(seen) == 2:
            raise CompileError("it computes something else")
        return real(artifact, *given, **more)

    made = target_module.make_candidates

    def with_an_extra(*given: Any) -> Any:
        found = made(*given)
        return replace(found, others=(*found.others, replace(found.others[0], precision="mixed")))

    monkeypatch.setattr(target_module, "prove", fails_second)
    monkeypatch.setattr(target_module, "make_candidates", with_an_extra)
    target = only(built(project, tmp_path / "out", "onnxruntime-x86"))
    assert target.failure is None
    assert "mixed was left out: it computes something else" in target.reasons
    assert [each.precision for each in target.alternatives] == ["fp32"]
    assert clock.measured


def test_here_drops_a_device_that_is_elsewhere_and_reads_arm_integers_as_they_are() -> None:
    npu = Artifact(Path("a.xml"), "openvino", (), options={"device": "NPU", "INFERENCE_PRECISION_HINT": "f32"})
    assert here(load_target("openvino-npu", Path()), npu).options == {"INFERENCE_PRECISION_HINT": "f32"}
    arm = Artifact(Path("a.onnx"), "onnxruntime", ())
    assert here(load_target("onnxruntime-arm", Path()), arm).options == {"session.qdqisint8allowed": "1"}
    assert here(load_target("onnxruntime-x86", Path()), arm).options == {}
