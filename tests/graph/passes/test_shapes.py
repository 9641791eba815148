"""Shapes are found anew, symbols are kept, lies are forgotten."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.shapes import infer_shapes

Same = Callable[..., ir.Model]


def inferred(text: str, **constants: np.ndarray) -> dict[str, ir.Value]:
    model = model_from_text(text, **constants)
    infer_shapes(model)
    return {str(value.name): value for node in model.graph for value in node.outputs}


def test_symbols_of_free_axes_go_through() -> None:
    values = inferred("g (float[batch,3,H,4] x) => (float[batch,3,H,4] y) { a = Relu (x) \n y = Neg (a) }")
    assert [str(axis) for axis in values["a"].shape] == ["batch", "3", "H", "4"]


def test_shapes_that_are_computed_are_followed() -> None:
    text = "g (float[N,2,3] x) => (float[N,6] y) { s = Concat <axis=0> (m, k) \n a = Reshape (x, s) \n y = Neg (a) }"
    values = inferred(text, m=np.array([-1]), k=np.array([6]))
    assert values["a"].shape[1] == 6


def test_what_a_file_says_of_values_in_between_is_not_believed() -> None:
    model = model_from_text("g (float[4] x) => (float[4] y) { a = Relu (x) \n y = Neg (a) }")
    model.graph[0].outputs[0].shape = ir.Shape([1 << 40])
    infer_shapes(model)
    assert tuple(model.graph[0].outputs[0].shape) == (4,)


def test_outputs_gain_fixed_lengths_and_keep_their_symbols() -> None:
    values = inferred("g (float[N,3] x) => (float[rows,columns] y) { y = Relu (x) }")
    assert [str(axis) for axis in values["y"].shape] == ["rows", "3"]


@pytest.mark.parametrize("times", [1, 2])
def test_sequences_are_not_taken_for_tensors(times: int) -> None:
    text = """g (float[4] x) => (float[4] y) {
        s = SequenceConstruct (x, x)
        t = Identity (s)
        y = SequenceAt (t, i)
    }"""
    model = model_from_text(text, i=np.array(0))
    for _ in range(times):
        infer_shapes(model)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    x = numbers(4)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], x)


def test_sequences_come_out_of_loops() -> None:
    text = """g (float[4] x) => (float[8] y) {
        e = SequenceEmpty ()
        t = Loop (n, go, e) <body = b (int64 i, bool c, seq(float[4]) u) => (bool d, seq(float[4]) v) {
            d = Identity (c)
            v = SequenceInsert (u, x)
        }>
        y = ConcatFromSequence <axis=0> (t)
    }"""
    model = model_from_text(text, n=np.array(2), go=np.array(1, dtype=bool))
    infer_shapes(model)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    x = numbers(4)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], np.concatenate([x, x]))
