"""What is constant is worked out once, within bounds, and never wrongly."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.constants import GROWTH_BYTES, fold_constants, lift_constants, lift_inputs
from edgekit.graph.passes.shapes import infer_shapes

Same = Callable[..., ir.Model]
X = {"x": numbers(4, seed=2)}


def fold(model: ir.Model) -> int:
    infer_shapes(model)
    return fold_constants(model)


def kinds(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def test_arithmetic_of_constants_is_done_once(same: Same) -> None:
    text = "g (float[4] x) => (float[4] y) { s = Add (a, b) \n t = Sqrt (s) \n y = Mul (x, t) }"
    model = model_from_text(text, a=np.ones(4, np.float32), b=np.full(4, 3, np.float32))
    assert kinds(same(fold, model, X, edits=2)) == ["Mul"]


def test_a_fixed_axis_is_known_beside_a_free_one(same: Same) -> None:
    text = """g (float[N,3,2] x) => (float[M] y) {
        s = Shape (x)
        c = Gather (s, one)
        y = Cast <to=1> (c)
    }"""
    after = same(fold, model_from_text(text, one=np.array([1])), {"x": numbers(5, 3, 2)}, edits=1)
    assert "Gather" not in kinds(after)


def test_a_free_axis_is_asked_at_run_time(same: Same) -> None:
    text = "g (float[N,3] x) => (float[M] y) { s = Shape (x) \n c = Gather (s, zero) \n y = Cast <to=1> (c) }"
    same(fold, model_from_text(text, zero=np.array([0])), {"x": numbers(5, 3)}, edits=0)


@pytest.mark.parametrize("asked", [2, GROWTH_BYTES])
def test_folding_keeps_the_model_small(same: Same, asked: int) -> None:
    text = "g (float[1] x) => (float[M] y) { t = Tile (c, n) \n y = Mul (x, t) }"
    model = model_from_text(text, c=np.ones(1, np.float32), n=np.array([asked]))
    same(fold, model, {"x": numbers(1)}, edits=int(asked == 2))


def test_weights_kept_in_half_precision_are_widened_whatever_their_size(same: Same) -> None:
    text = "g (float[2,1024] x) => (float[2,1024] y) { f = Cast <to=1> (w) \n y = MatMul (x, f) }"
    model = model_from_text(text, w=numbers(1024, 1024).astype(np.float16))
    assert kinds(same(fold, model, {"x": numbers(2, 1024)}, edits=1)) == ["MatMul"]


def test_negative_integers_are_divided_by_the_runtime(same: Same) -> None:
    text = "g (float[4] x) => (float[4] y) { d = Div (a, b) \n f = Cast <to=1> (d) \n y = Add (x, f) }"
    same(fold, model_from_text(text, a=np.array([-7]), b=np.array([2])), X, edits=0)


@pytest.mark.parametrize("body", ["Gather (t, i)", "Reshape (t, i)"])
def test_constants_that_do_not_fit_are_left_to_the_runtime(body: str) -> None:
    text = f"g (float[4] x) => (float[N] y) {{ a = {body} \n y = Mul (x, a) }}"
    model = model_from_text(text, t=numbers(3), i=np.array([4]))
    assert fold(model) == 0
    assert len(model.graph) == 2


def test_integers_of_a_finished_quantization_are_not_touched(same: Same) -> None:
    text = "g (float[4] x) => (float[4] y) { d = DequantizeLinear (q, s, z) \n y = Mul (x, d) }"
    constants = {"q": np.arange(4, dtype=np.int8), "s": np.float32(0.5).reshape(()), "z": np.zeros((), np.int8)}
    same(fold, model_from_text(text, **constants), X, edits=0)


def test_constant_nodes_become_initializers(same: Same) -> None:
    text = "g (float[4] x) => (float[4] y) { c = Constant <value_floats=[1.0, 2.0, 3.0, 4.0]> () \n y = Mul (x, c) }"
    after = same(lift_constants, model_from_text(text), X, edits=1)
    assert list(after.graph.initializers) == ["c"]


def test_weights_leave_the_inputs() -> None:
    model = model_from_text("g (float[4] x) => (float[4] y) { y = Mul (x, k) }", k=numbers(4))
    model.graph.inputs.append(model.graph.initializers["k"])
    assert lift_inputs(model) == 1
    assert [value.name for value in model.graph.inputs] == ["x"]
