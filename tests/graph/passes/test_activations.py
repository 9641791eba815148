"""Clips and Relus come into one form and merge."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.activations import bounds_of, merge_activations

Same = Callable[..., ir.Model]
X = {"x": numbers(50, scale=4)}
bounds = st.tuples(st.integers(-5, 5), st.integers(-5, 5)).map(sorted)


def net(*lines: str, **constants: float) -> ir.Model:
    body = " \n ".join(lines)
    arrays = {name: np.array(value, np.float32) for name, value in constants.items()}
    return model_from_text(f"g (float[50] x) => (float[50] y) {{ {body} }}", **arrays)


def kinds(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize(
    ("line", "constants"),
    [
        ("y = Clip (x, k)", {"k": 0.0}),
        ("y = Clip (x, k, m)", {"k": 0.0, "m": float("inf")}),
        ("y = Clip (x, k, m)", {"k": 0.0, "m": float(np.finfo(np.float32).max)}),
        ("y = Max (x, k)", {"k": 0.0}),
        ("y = Max (k, x)", {"k": 0.0}),
    ],
)
def test_cutting_off_below_zero_is_a_relu(same: Same, line: str, constants: dict[str, float]) -> None:
    assert kinds(same(merge_activations, net(line, **constants), X, edits=1)) == ["Relu"]


def test_a_minimum_with_a_number_is_a_clip(same: Same) -> None:
    after = same(merge_activations, net("y = Min (x, k)", k=6.0), X, edits=1)
    assert bounds_of(after.graph[0]) == (-np.inf, 6.0)


def test_a_relu_and_a_minimum_are_one_clip(same: Same) -> None:
    after = same(merge_activations, net("a = Relu (x)", "y = Min (a, k)", k=6.0), X, edits=1)
    assert bounds_of(after.graph[-1]) == (0.0, 6.0)
    assert after.graph[-1].inputs[0] is after.graph.inputs[0]


def test_a_relu_behind_a_relu_goes(same: Same) -> None:
    text = "g (float[50] x) => (float[50] y) { a = Relu (x) \n b = Relu (a) \n y = Neg (b) }"
    assert kinds(same(merge_activations, model_from_text(text), X, edits=1)) == ["Relu", "Neg"]


def test_the_first_of_two_stays_while_others_read_it(same: Same) -> None:
    text = "g (float[50] x) => (float[50] y, float[50] z) { a = Relu (x) \n y = Clip (a, l, k) \n z = Neg (a) }"
    model = model_from_text(text, l=np.array(0, np.float32), k=np.array(3, np.float32))
    same(merge_activations, model, X, edits=0)


@given(bounds, bounds)
def test_two_clips_in_a_row_are_one(one: list[int], other: list[int]) -> None:
    model = net("a = Clip (x, k, l)", "y = Clip (a, m, n)", k=one[0], l=one[1], m=other[0], n=other[1])
    merge_activations(model)
    found = bounds_of(model.graph[-1])
    assert found is not None
    x = X["x"]
    wanted = np.clip(np.clip(x, *one), *other)
    reached = np.clip(x if model.graph[-1].inputs[0] is model.graph.inputs[0] else np.clip(x, *one), *found)
    np.testing.assert_array_equal(reached, wanted)


def test_integers_are_left_alone(same: Same) -> None:
    text = "g (int32[50] x) => (int32[50] y) { y = Max (x, k) }"
    model = model_from_text(text, k=np.array(0, np.int32))
    same(merge_activations, model, {"x": np.arange(50, dtype=np.int32)}, edits=0)


def test_a_bound_that_is_computed_is_left_alone() -> None:
    text = "g (float[50] x, float[1] k) => (float[50] y) { y = Max (x, k) }"
    assert merge_activations(model_from_text(text)) == 0


@pytest.mark.parametrize(
    ("line", "constants"),
    [
        ("y = Clip (x, k)", {"k": np.inf}),
        ("y = Clip (x, k)", {"k": float(np.finfo(np.float32).max)}),
        ("y = Clip (x, , k)", {"k": -np.inf}),
        ("y = Max (x, k)", {"k": np.inf}),
        ("y = Min (x, k)", {"k": -np.inf}),
    ],
)
def test_a_bound_at_the_wrong_end_is_left_alone(same: Same, line: str, constants: dict[str, float]) -> None:
    same(merge_activations, net(line, **constants), X, edits=0)
