"""The writer: same numbers as float to within the grid, integers in the file, names kept, everything fused."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from tiny_models import model_from_text, numbers, residual_net

from edgekit.graph.integer.grid import Grid, grid_from_range
from edgekit.graph.placement import place_pairs
from edgekit.graph.qdq import write_pairs
from edgekit.profiles import Scheme

SCHEME = Scheme(
    activation="uint8",
    operators=("Conv", "Gemm", "MatMul", "Add", "GlobalAveragePool"),
    shared=("MaxPool", "Flatten"),
    fused=("Relu", "Clip"),
    float_output=("Gemm", "MatMul"),
)


def quantized(model: ir.Model, scheme: Scheme = SCHEME, span: float = 8.0) -> ir.Model:
    placed = place_pairs(model.graph, scheme)
    relus = {str(node.outputs[0].name) for node in model.graph if node.op_type in ("Relu", "Clip")}
    dtype = np.dtype(scheme.activation)
    grids: dict[str, Grid] = {
        name: grid_from_range(0.0 if name in relus else -span, 6.0 if name in relus else span, dtype)
        for name in placed.scale_of.values()
    }
    return write_pairs(model, placed, grids, scheme)


def kinds(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def test_a_quantized_net_computes_nearly_the_same(run: Callable[..., list[np.ndarray]]) -> None:
    model, x = residual_net(), numbers(4, 3, 8, 8, seed=9)
    before, after = run(model, {"x": x})[0], run(quantized(model), {"x": x})[0]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.999


def test_onnx_runtime_runs_all_of_it_on_integers(executed: Callable[[ir.Model], Counter[str]]) -> None:
    ran = executed(quantized(residual_net()))
    assert ran["QLinearConv"] == 2
    assert ran["QLinearAdd"] == ran["QGemm"] == ran["QLinearGlobalAveragePool"] == 1
    assert not {"Conv", "Relu", "Add", "Gemm"} & set(ran)


def test_a_clip_melts_when_the_grid_stays_inside_it(executed: Callable[[ir.Model], Counter[str]]) -> None:
    model = model_from_text(
        "g (float[1,3,4,4] x) => (float[1,4,2,2] z) { a = Conv (x, w) \n y = Clip (a, lo, hi) \n z = Conv (y, v) }",
        w=numbers(4, 3, 1, 1),
        v=numbers(4, 4, 3, 3, seed=1),
        lo=np.array(0.0, np.float32),
        hi=np.array(6.0, np.float32),
    )
    ran = executed(quantized(model))
    assert ran["QLinearConv"] == 2
    assert "Clip" not in ran


def test_the_given_model_is_not_changed() -> None:
    model = residual_net()
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    quantized(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_weights_are_stored_as_integers_and_the_float_ones_are_gone() -> None:
    after = quantized(residual_net())
    stored = Counter(str(value.dtype) for value in after.graph.initializers.values())
    assert stored["INT8"] >= 3
    assert stored["INT32"] >= 3
    assert not {"w0", "w1", "w2", "b0", "b1", "b2"} & set(after.graph.initializers)


def test_an_output_made_by_integers_keeps_its_name(run: Callable[..., list[np.ndarray]]) -> None:
    model = model_from_text("g (float[1,3,2,2] x) => (float[1,4,2,2] y) { y = Conv (x, w) }", w=numbers(4, 3, 1, 1))
    after = quantized(model)
    assert [output.name for output in after.graph.outputs] == ["y"]
    x = numbers(1, 3, 2, 2)
    assert run(after, {"x": x})[0] == pytest.approx(run(model, {"x": x})[0], abs=0.1)


def test_float_readers_of_a_float_value_keep_their_float() -> None:
    text = "g (float[1,3,2,2] x) => (float[1,4,2,2] y, float[1,3,2,2] z) { y = Conv (x, w) \n z = Neg (x) }"
    after = quantized(model_from_text(text, w=numbers(4, 3, 1, 1)))
    reader = next(node for node in after.graph if node.op_type == "Neg")
    assert reader.inputs[0] is after.graph.inputs[0]


def test_readers_of_an_integer_value_all_read_its_pair() -> None:
    text = "g (float[1,3,2,2] x) => (float[1,4,2,2] z) { y = Conv (x, w) \n z = Sigmoid (y) }"
    after = quantized(model_from_text(text, w=numbers(4, 3, 1, 1)))
    reader = next(node for node in after.graph if node.op_type == "Sigmoid")
    assert reader.inputs[0].producer().op_type == "DequantizeLinear"


def test_a_shared_weight_under_one_grid_is_stored_once() -> None:
    text = "g (float[1,4,2,2] x) => (float[1,4,2,2] z) { y = Conv (x, w) \n z = Conv (y, w) }"
    after = quantized(model_from_text(text, w=numbers(4, 4, 1, 1)))
    weights = [v for v in after.graph.initializers.values() if v.dtype == ir.DataType.INT8 and len(v.shape) == 4]
    assert len(weights) == 1


def test_a_bias_of_one_number_is_spread_over_the_channels(run: Callable[..., list[np.ndarray]]) -> None:
    model = model_from_text(
        "g (float[2,3] x) => (float[2,4] y) { y = Gemm (x, w, b) }", w=numbers(3, 4), b=np.array([0.7], np.float32)
    )
    x = numbers(2, 3)
    assert run(quantized(model), {"x": x})[0] == pytest.approx(run(model, {"x": x})[0], abs=0.15)


def test_float_biases_stay_float_where_the_scheme_says_so() -> None:
    after = quantized(residual_net(), SCHEME.model_copy(update={"bias": "float"}))
    assert "INT32" not in {str(value.dtype) for value in after.graph.initializers.values()}


def test_equal_numbers_give_equal_bytes() -> None:
    one, other = (ir.to_proto(quantized(residual_net())).SerializeToString(deterministic=True) for _ in range(2))
    assert one == other


def test_values_read_inside_a_body_go_through_the_pair(run: Callable[..., list[np.ndarray]]) -> None:
    text = """g (float[1,3,2,2] x, bool[1] k) => (float[1,4,2,2] z) {
        y = Conv (x, w)
        z = If (k) <then_branch = t () => (float[1,4,2,2] p) { p = Neg (y) },
                    else_branch = e () => (float[1,4,2,2] q) { q = Abs (y) }>
    }"""
    model = model_from_text(text, w=numbers(4, 3, 1, 1))
    after, x = quantized(model), numbers(1, 3, 2, 2)
    for answer in (True, False):
        feeds = {"x": x, "k": np.array([answer])}
        assert run(after, feeds)[0] == pytest.approx(run(model, feeds)[0], abs=0.1)
