"""Means over whole maps become GlobalAveragePool, others stay."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.means import pool_means

Same = Callable[..., ir.Model]
X = {"x": numbers(2, 4, 5, 6)}


def kinds(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize("axes", ["2,3", "3,2", "-2,-1", "-1,2"])
def test_a_mean_over_the_map_is_a_global_pool(same: Same, axes: str) -> None:
    kept = f"g (float[N,4,5,6] x) => (float[N,4,1,1] y) {{ y = ReduceMean <axes=[{axes}]> (x) }}"
    flat = f"g (float[N,4,5,6] x) => (float[N,4] y) {{ y = ReduceMean <axes=[{axes}], keepdims=0> (x) }}"
    assert kinds(same(pool_means, model_from_text(kept), X, edits=1)) == ["GlobalAveragePool"]
    assert kinds(same(pool_means, model_from_text(flat), X, edits=1)) == ["GlobalAveragePool", "Flatten"]


def test_axes_as_an_input_are_read_too(same: Same) -> None:
    text = "g (float[N,4,5,6] x) => (float[N,4,1,1] y) { y = ReduceMean (x, a) }"
    after = same(pool_means, model_from_text(text, opset=18, a=np.array([2, 3])), X, edits=1)
    assert kinds(after) == ["GlobalAveragePool"]


def test_a_window_as_large_as_the_map_is_a_global_pool(same: Same) -> None:
    text = "g (float[N,4,5,6] x) => (float[N,4,1,1] y) { y = AveragePool <kernel_shape=[5,6]> (x) }"
    assert kinds(same(pool_means, model_from_text(text), X, edits=1)) == ["GlobalAveragePool"]


@pytest.mark.parametrize(
    "line",
    [
        "float[N,4,1,6] y) { y = ReduceMean <axes=[2]> (x) }",
        "float[N,1,1,1] y) { y = ReduceMean <axes=[1,2,3]> (x) }",
        "float[N,4,1,2] y) { y = AveragePool <kernel_shape=[5,5]> (x) }",
        "float[N,4,3,3] y) { y = AveragePool <kernel_shape=[5,6], pads=[1,1,1,1]> (x) }",
        "float[N,4,1,1] y) { y = ReduceMax <axes=[2,3]> (x) }",
    ],
)
def test_other_means_stay(same: Same, line: str) -> None:
    same(pool_means, model_from_text(f"g (float[N,4,5,6] x) => ({line}"), X, edits=0)


def test_a_map_of_free_size_is_pooled_by_its_mean_only(same: Same) -> None:
    text = "g (float[N,4,H,W] x) => (float[N,4] y) { y = ReduceMean <axes=[2,3], keepdims=0> (x) }"
    same(pool_means, model_from_text(text), X, edits=1)
