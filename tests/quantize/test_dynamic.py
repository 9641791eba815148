"""Dynamic quantization: matrices become int8, ONNX Runtime melts the pattern, answers stay near float."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from tiny_models import model_from_text, numbers

from edgekit.artifact import Artifact
from edgekit.catalog import load_target
from edgekit.errors import StepError
from edgekit.quantize.dynamic import DynamicQuantization
from edgekit.recipe import Given

Stored = Callable[[ir.Model], Artifact]


def encoder() -> ir.Model:
    """Two products that read one value, a Relu, a Gemm."""
    return model_from_text(
        """net (float[N,16] x) => (float[N,4] y) {
            a = MatMul (x, w0)
            b = MatMul (x, w1)
            c = Add (a, b)
            d = Relu (c)
            y = Gemm <transB=1> (d, w2, b2)
        }""",
        w0=numbers(16, 16, scale=0.2, seed=0),
        w1=numbers(16, 16, scale=0.2, seed=1),
        w2=numbers(4, 16, scale=0.2, seed=2),
        b2=numbers(4, seed=3),
    )


def run(path: Path, x: np.ndarray, optimised: Path | None = None) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimised:
        options.optimized_model_filepath = str(optimised)
    return onnxruntime.InferenceSession(str(path), options).run(None, {"x": x})[0]


def test_answers_stay_near_float_and_weights_are_int8(stored: Stored, given: Given, tmp_path: Path) -> None:
    model, x = stored(encoder()), numbers(8, 16)
    outcome = DynamicQuantization()(model, given)
    before, after = run(model.path, x), run(outcome.model.path, x, tmp_path / "optimised.onnx")
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.999
    assert outcome.facts["int8_layers"] == 3
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["MatMulIntegerToFloat"] + kinds["DynamicQuantizeMatMul"] == 3
    assert "MatMul" not in kinds


def test_one_value_is_measured_once_for_all_its_readers(stored: Stored, given: Given) -> None:
    graph = onnx.load(DynamicQuantization()(stored(encoder()), given).model.path).graph
    assert sum(node.op_type == "DynamicQuantizeLinear" for node in graph.node) == 2


def test_named_nodes_stay_in_float(stored: Stored, given: Given) -> None:
    outcome = DynamicQuantization(float_nodes=["MatMul_0"])(stored(encoder()), given)
    kinds = Counter(node.op_type for node in onnx.load(outcome.model.path).graph.node)
    assert (kinds["MatMul"], kinds["MatMulInteger"]) == (1, 2)


def test_nothing_to_quantize_keeps_float_and_says_why(stored: Stored, given: Given) -> None:
    text = "g (float[2,4] x, float[4,4] z) => (float[2,4] y) { y = MatMul (x, z) }"
    outcome = DynamicQuantization()(stored(model_from_text(text)), given)
    assert not outcome.changed
    assert "MatMul" in outcome.facts["why_float"]


def test_gemms_that_scale_or_turn_stay_in_float(stored: Stored, given: Given) -> None:
    text = "g (float[4,4] x) => (float[4,4] y) { a = Gemm <alpha=2.0> (x, w) \n y = Gemm <transA=1> (a, w) }"
    assert not DynamicQuantization()(stored(model_from_text(text, w=numbers(4, 4))), given).changed


def test_names_of_outputs_do_not_change(stored: Stored, given: Given) -> None:
    graph = onnx.load(DynamicQuantization()(stored(encoder()), given).model.path).graph
    assert [output.name for output in graph.output] == ["y"]


def test_a_float_target_is_refused(stored: Stored, given: Given) -> None:
    floats = replace(given, target=load_target("onnxruntime-x86-fp32", Path()))
    with pytest.raises(StepError, match="integer target"):
        DynamicQuantization()(stored(encoder()), floats)
