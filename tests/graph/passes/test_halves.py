"""A float16 model computes in float32 inside and keeps its float16 ports."""

import numpy as np
import onnx_ir as ir
import onnxruntime
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.halves import widen_halves


def half(*shape: int, seed: int = 0) -> np.ndarray:
    return numbers(*shape, seed=seed).astype(np.float16)


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString()).run(None, feeds)


NET = """g (float16[N,3,4,4] x) => (float16[N,2,4,4] y, float16[N,2,4,4] z) {
    a = Conv (x, w, b)
    y = Relu (a)
    z = Neg (y)
}"""


def test_everything_between_the_ports_is_float32() -> None:
    model = model_from_text(NET, w=half(2, 3, 1, 1), b=half(2, seed=1))
    feeds = {"x": half(2, 3, 4, 4, seed=2)}
    before = run(model, feeds)
    assert widen_halves(model) > 0
    after = run(model, feeds)
    assert [value.dtype for value in (*model.graph.inputs, *model.graph.outputs)] == [ir.DataType.FLOAT16] * 3
    assert {value.dtype for value in model.graph.initializers.values()} == {ir.DataType.FLOAT}
    for wanted, got in zip(before, after, strict=True):
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, wanted, rtol=5e-3, atol=5e-3)
    inner = {value.dtype for node in model.graph if node.op_type != "Cast" for value in node.outputs}
    assert inner == {ir.DataType.FLOAT}


def test_a_cast_in_the_middle_no_longer_narrows() -> None:
    text = """g (float[2] x) => (float[2] y) {
        a = Cast <to=10> (x)
        b = Exp (a)
        y = Cast <to=1> (b)
    }"""
    model = model_from_text(text)
    assert widen_halves(model) == 2
    x = np.array([0.1234567, 1.7654321], np.float32)
    np.testing.assert_allclose(run(model, {"x": x})[0], np.exp(x), rtol=1e-6)


def test_a_float32_model_is_left_alone() -> None:
    model = model_from_text("g (float[2] x) => (float[2] y) { y = Exp (x) }")
    assert widen_halves(model) == 0


def test_it_settles_at_once() -> None:
    model = model_from_text(NET, w=half(2, 3, 1, 1), b=half(2, seed=1))
    widen_halves(model)
    assert widen_halves(model) == 0


def test_control_flow_with_halves_is_left_alone() -> None:
    text = """g (float16[2] x, bool[1] c) => (float16[2] y) {
        y = If (c) <then_branch = t () => (float16[2] p) { p = Neg (x) },
                    else_branch = e () => (float16[2] q) { q = Abs (x) }>
    }"""
    assert widen_halves(model_from_text(text)) == 0


def test_a_constant_that_is_an_output_stays_float16_there() -> None:
    model = model_from_text("g (float16[2,3] x) => (float16[2,3] y, float16[3] k) { y = Add (x, k) }", k=half(3))
    feeds = {"x": half(2, 3)}
    before = run(model, feeds)
    assert widen_halves(model) == 2
    assert [(value.name, value.dtype) for value in model.graph.outputs] == [
        ("y", ir.DataType.FLOAT16),
        ("k", ir.DataType.FLOAT16),
    ]
    for wanted, got in zip(before, run(model, feeds), strict=True):
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, wanted, rtol=5e-3, atol=5e-3)
    assert widen_halves(model) == 0


def test_what_is_made_in_float16_is_made_in_float32() -> None:
    text = "g (float16[3,3] x) => (float16[3,3] y) { a = EyeLike <dtype=10> (x) \n y = MatMul (x, a) }"
    model = model_from_text(text)
    feeds = {"x": half(3, 3)}
    widen_halves(model)
    np.testing.assert_array_equal(run(model, feeds)[0], feeds["x"])
