from pathlib import Path
from typing import Any

import onnx
import pytest
from tiny_project import Clock, depthwise_net, products_net, recipe_for, write_project

from edgekit.artifact import Artifact
from edgekit.build import candidates as module
from edgekit.build.candidates import Candidates, candidate_from, default_steps, make_candidates, static_variant
from edgekit.build.job import Job
from edgekit.build.run import open_recipe_inputs, prepare_model
from edgekit.catalog import load_target
from edgekit.errors import CompileError
from edgekit.quantize.dynamic import DynamicQuantization
from edgekit.quantize.static import StaticQuantization
from edgekit.recipe import Outcome, silent
from edgekit.runner.host import Host
from edgekit.store import open_store

X86 = load_target("onnxruntime-x86", Path())


def made_for(folder: Path, target: str, *, clock: Clock, **more: Any) -> Candidates:
    assert clock.measured == []
    recipe = recipe_for(folder, target, **more)
    with open_recipe_inputs(recipe) as inputs, open_store(folder / "out") as store:
        job = Job(inputs, store, 1, 0, silent)
        prepared = prepare_model(job)
        steps = list(recipe.steps) or default_steps(prepared, recipe.targets[0])
        return make_candidates(job, prepared, recipe.targets[0], steps)


def test_a_model_of_products_is_quantized_dynamically_where_the_target_can(tmp_path: Path, clock: Clock) -> None:
    write_project(tmp_path, products_net())
    prepared = Artifact.of(tmp_path / "model.onnx", kind="onnx")
    assert default_steps(prepared, X86) == [("quantize.dynamic", DynamicQuantization())]
    openvino = load_target("openvino-cpu", Path())
    assert default_steps(prepared, openvino) == [("quantize.static", StaticQuantization())]
    assert default_steps(prepared, load_target("onnxruntime-x86-fp32", Path())) == []
    found = made_for(tmp_path, "onnxruntime-x86", clock=clock)
    assert [each.precision for each in found.others] == ["int8"]
    assert found.others[0].ranges == ""


def test_a_model_of_convolutions_is_quantized_statically(prepared: Artifact) -> None:
    assert default_steps(prepared, X86) == [("quantize.static", StaticQuantization())]


def test_a_network_of_depthwise_convolutions_gets_the_fastest_mix_beside_int8(tmp_path: Path, clock: Clock) -> None:
    write_project(tmp_path, depthwise_net())
    clock.ms = {"0": 1.0, "1": 0.9, "2": 0.7}
    found = made_for(tmp_path, "onnxruntime-x86", clock=clock)
    asked, mixed = found.others
    assert (asked.precision, mixed.precision) == ("int8", "mixed")
    assert mixed.note == "the first 2 layers left in float"
    assert mixed.ranges == asked.ranges
    assert mixed.artifact.sha256 != asked.artifact.sha256
    assert len(clock.measured[0]) == 3


def test_a_mix_keeps_the_layers_that_the_recipe_left_in_float(tmp_path: Path, clock: Clock) -> None:
    write_project(tmp_path, depthwise_net())
    clock.ms = {"0": 1.0, "1": 0.7, "2": 0.9}
    step = {"use": "quantize.static", "float_nodes": ["Conv_4"]}
    _, mixed = made_for(tmp_path, "onnxruntime-x86", clock=clock, step=[step]).others
    held = {node.name: node.input[1] for node in onnx.load(mixed.source.path).graph.node if node.op_type == "Conv"}
    floats = {name for name, weight in held.items() if not weight.endswith("_dq")}
    assert floats == {"Conv_0", "Conv_4"}


def test_no_mix_is_offered_where_none_is_faster(tmp_path: Path, clock: Clock) -> None:
    write_project(tmp_path, depthwise_net())
    clock.ms = {"0": 1.0, "1": 0.99, "2": 1.2}
    found = made_for(tmp_path, "onnxruntime-x86", clock=clock)
    assert [each.precision for each in found.others] == ["int8"]
    assert len(clock.measured) == 1


def test_what_is_tried_beside_may_fail_and_is_told(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path, depthwise_net())

    def refuse(*_: Any) -> list[Any]:
        raise CompileError("the graph is refused")

    monkeypatch.setattr(module, "_faster_mix", refuse)
    found = made_for(tmp_path, "onnxruntime-x86", clock=clock)
    assert [each.precision for each in found.others] == ["int8"]
    assert found.findings == ("mixed was left out: the graph is refused",)


def host(flags: frozenset[str]) -> Host:
    real = module.read_host()
    return Host(**{**vars(real), "flags": flags})


@pytest.mark.parametrize(("flags", "expected"), [({"amx_bf16"}, ["int8", "bf16"]), (set(), ["int8"])])
def test_bfloat16_is_offered_only_where_the_processor_has_it(
    flags: set[str], expected: list[str], project: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = host(frozenset({*module.read_host().flags, "avx2"} - {"amx_bf16", "avx512_bf16"} | flags))
    monkeypatch.setattr(module, "read_host", lambda: here)
    found = made_for(project, "openvino-cpu", clock=clock)
    assert [each.precision for each in found.others] == expected
    if flags:
        assert found.others[1].artifact.options["INFERENCE_PRECISION_HINT"] == "bf16"
        assert found.base.artifact.options["INFERENCE_PRECISION_HINT"] == "f32"


def test_an_artifact_is_called_mixed_where_layers_were_left_in_float(prepared: Artifact) -> None:
    whole = candidate_from(Outcome(prepared, True, {"layers_left_float": [], "ranges": "mse"}), prepared)
    assert (whole.precision, whole.note, whole.ranges) == ("int8", "", "mse")
    one = candidate_from(Outcome(prepared, True, {"layers_left_float": ["conv"]}), prepared)
    assert (one.precision, one.note, one.ranges) == ("mixed", "1 layer left in float", "")


def test_a_variant_changes_the_last_static_step_and_keeps_the_rest() -> None:
    first, last = StaticQuantization(ranges="mse"), StaticQuantization(ranges="entropy", hold_cosine=0.5)
    steps = [("quantize.static", first), ("mine", last), ("other", DynamicQuantization())]
    varied = static_variant(steps, worst_in_float=2)
    assert varied[0] == ("quantize.static", first)
    assert varied[1] == ("mine", StaticQuantization(ranges="entropy", hold_cosine=0.5, worst_in_float=2))
    assert varied[2] == steps[2]


def test_a_variant_of_dynamic_quantization_is_static() -> None:
    steps = [("quantize.dynamic", DynamicQuantization())]
    assert static_variant(steps, ranges="mse") == [("quantize.static", StaticQuantization(ranges="mse"))]
