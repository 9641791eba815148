"""Pads melt into what can pad by itself, exactly."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.pads import fold_pads

Same = Callable[..., ir.Model]
X = {"x": numbers(2, 3, 6, 6)}


def net(reader: str, pads: list[int], *, number: float | None = None, mode: str = "", before: str = "") -> ir.Model:
    inner = f"q = {before} (x) \n " if before else ""
    taken, value = ("q" if before else "x"), ", k" if number is not None else ""
    text = f"g (float[2,3,6,6] x) => (float[A,B,C,D] y) {{ {inner}a = Pad {mode} ({taken}, p{value}) \n y = {reader} }}"
    constants: dict[str, np.ndarray] = {"p": np.array(pads)}
    if number is not None:
        constants["k"] = np.array(number, np.float32)
    if "w" in reader.split("(")[1]:
        constants["w"] = numbers(4, 3, 3, 3)
    return model_from_text(text, **constants)


SPATIAL = [0, 0, 1, 0, 0, 0, 2, 1]


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_a_convolution_takes_any_spatial_zeros(pads: list[int], own: list[int]) -> None:
    spread = [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]
    model = net(f"Conv <pads={own}> (a, w)", spread)
    before = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString()).run(None, X)[0]
    assert fold_pads(model) == 1
    after = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString()).run(None, X)[0]
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_average_pools_count_what_was_padded(same: Same) -> None:
    reader = "AveragePool <kernel_shape=[3,3], strides=[2,2]> (a)"
    after = same(fold_pads, net(reader, SPATIAL), X, edits=1)
    pool = next(node for node in after.graph if node.op_type == "AveragePool")
    assert pool.attributes["count_include_pad"].as_int() == 1


def test_max_pools_take_zeros_behind_a_relu(same: Same) -> None:
    reader = "MaxPool <kernel_shape=[3,3]> (a)"
    same(fold_pads, net(reader, SPATIAL, before="Relu"), X, edits=1)
    same(fold_pads, net(reader, SPATIAL, before="Neg"), X, edits=0)
    same(fold_pads, net(reader, SPATIAL, number=float("-inf")), X, edits=1)


@pytest.mark.parametrize(
    "model",
    [
        net("Conv (a, w)", SPATIAL, number=1.0),
        net("Conv (a, w)", SPATIAL, mode='<mode="reflect">'),
        net("Conv (a, w)", [0, 0, -1, 0, 0, 0, 0, 0]),
        net('Conv <auto_pad="SAME_UPPER"> (a, w)', SPATIAL),
        net("AveragePool <kernel_shape=[3,3], pads=[1,1,1,1]> (a)", SPATIAL),
        net("MaxPool <kernel_shape=[2,2]> (a)", [0, 0, 2, 0, 0, 0, 0, 0], before="Relu"),
    ],
    ids=["ones", "reflect", "negative", "own padding rule", "pads not counted", "as long as the window"],
)
def test_what_would_not_be_the_same_stays(same: Same, model: ir.Model) -> None:
    same(fold_pads, model, X, edits=0)


def test_padded_channels_stay(same: Same) -> None:
    text = "g (float[2,3,6,6] x) => (float[2,4,6,6] y) { a = Pad (x, p) \n y = Conv (a, w) }"
    model = model_from_text(text, p=np.array([0, 1, 0, 0, 0, 2, 0, 0]), w=numbers(4, 6, 1, 1))
    same(fold_pads, model, X, edits=0)


def test_a_clip_whose_bounds_are_crossed_may_be_negative(same: Same) -> None:
    text = """g (float[2,3,6,6] x) => (float[A,B,C,D] y) {
        q = Clip (x, low, high)
        a = Pad (q, p)
        y = MaxPool <kernel_shape=[3,3]> (a)
    }"""
    low, high = np.array(0, np.float32), np.array(-1, np.float32)
    same(fold_pads, model_from_text(text, low=low, high=high, p=np.array(SPATIAL)), X, edits=0)
