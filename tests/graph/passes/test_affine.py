"""Scales and shifts melt into layers only where that is exactly the same."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.affine import fold_affine

Same = Callable[..., ir.Model]
X = {"x": numbers(2, 4, 5, 5, seed=11)}


def normalization(channels: int, seed: int = 1) -> dict[str, np.ndarray]:
    return {
        "s": numbers(channels, seed=seed),
        "o": numbers(channels, seed=seed + 1),
        "m": numbers(channels, seed=seed + 2),
        "v": np.abs(numbers(channels, seed=seed + 3)) + 0.1,
    }


@pytest.mark.parametrize("bias", ["", ", b"])
def test_normalization_melts_into_the_convolution_before_it(same: Same, bias: str) -> None:
    text = f"""g (float[N,4,5,5] x) => (float[N,6,5,5] y) {{
        a = Conv (x, w{bias})
        y = BatchNormalization (a, s, o, m, v)
    }}"""
    constants = {"w": numbers(6, 4, 1, 1), **normalization(6), **({"b": numbers(6, seed=8)} if bias else {})}
    after = same(fold_affine, model_from_text(text, **constants), X, edits=1)
    assert [node.op_type for node in after.graph] == ["Conv"]
    assert len(after.graph[0].inputs) == 3


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_transposed_convolutions_know_their_groups(same: Same, groups: int) -> None:
    channels = 3 * groups
    text = f"""g (float[N,4,5,5] x) => (float[N,{channels},6,6] y) {{
        a = ConvTranspose <group={groups}> (x, w)
        y = BatchNormalization (a, s, o, m, v)
    }}"""
    model = model_from_text(text, w=numbers(4, 3, 2, 2), **normalization(channels))
    assert len(same(fold_affine, model, X, edits=1).graph) == 1


@pytest.mark.parametrize("turned", [0, 1])
def test_both_ways_of_holding_a_gemms_weight(same: Same, turned: int) -> None:
    text = f"""g (float[N,4] x) => (float[N,6] y) {{
        a = Gemm <transB={turned}> (x, w, b)
        y = BatchNormalization (a, s, o, m, v)
    }}"""
    weight = numbers(6, 4) if turned else numbers(4, 6)
    model = model_from_text(text, w=weight, b=numbers(6, seed=8), **normalization(6))
    same(fold_affine, model, {"x": numbers(3, 4)}, edits=1)


@pytest.mark.parametrize(
    "line",
    [
        "y = Mul (a, k)",
        "y = Mul (k, a)",
        "y = Div (a, k)",
        "y = Add (a, k)",
        "y = Add (k, a)",
        "y = Sub (a, k)",
        "y = Sub (k, a)",
    ],
)
@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 6, 1, 1), (1,), ()])
def test_arithmetic_with_one_number_a_channel_melts(same: Same, line: str, shape: tuple[int, ...]) -> None:
    text = f"g (float[N,4,5,5] x) => (float[N,6,5,5] y) {{ a = Conv (x, w, b) \n {line} }}"
    model = model_from_text(text, w=numbers(6, 4, 1, 1), b=numbers(6), k=np.abs(numbers(*shape)) + 0.5)
    assert len(same(fold_affine, model, X, edits=1).graph) == 1


def test_a_row_of_them_melts_in_one_go(same: Same) -> None:
    text = """g (float[N,4,5,5] x) => (float[N,6,5,5] y) {
        a = Conv (x, w)
        c = Mul (a, k)
        d = Add (c, k)
        y = Mul (d, k)
    }"""
    model = model_from_text(text, w=numbers(6, 4, 1, 1), k=numbers(6, 1, 1))
    assert len(same(fold_affine, model, X, edits=3).graph) == 1


def test_a_product_takes_a_scale_but_no_shift(same: Same) -> None:
    feeds = {"x": numbers(2, 3, 4)}
    constants = {"w": numbers(4, 6), "k": numbers(6)}
    text = "g (float[N,3,4] x) => (float[N,3,6] y) {{ a = MatMul (x, w) \n y = {} (a, k) }}"
    assert len(same(fold_affine, model_from_text(text.format("Mul"), **constants), feeds, edits=1).graph) == 1
    assert len(same(fold_affine, model_from_text(text.format("Add"), **constants), feeds, edits=0).graph) == 2


UNFIT = {
    "somebody else reads the sum": "a = Conv (x, w) \n y = Mul (a, k) \n z = Neg (a)",
    "the sum is an output": "z = Conv (x, w) \n y = Mul (z, k)",
    "an activation stands between": "a = Conv (x, w) \n c = Relu (a) \n y = Mul (c, k) \n z = Neg (x)",
    "the number differs along a row": "a = Conv (x, w) \n y = Mul (a, row) \n z = Neg (x)",
    "the constant widens an axis": "a = Conv (x, w) \n y = Mul (a, wide) \n z = Neg (x)",
    "the weight is computed": "q = Neg (w) \n a = Conv (x, q) \n y = Mul (a, k) \n z = Neg (x)",
    "zeros divide": "a = Conv (x, w) \n y = Div (a, zeros) \n z = Neg (x)",
    "the constant is divided": "a = Conv (x, w) \n y = Div (k, a) \n z = Neg (x)",
    "the product overflows": "a = Conv (x, w) \n y = Mul (a, huge) \n z = Neg (x)",
    "the variance is zero": "a = Conv (x, w) \n y = BatchNormalization <epsilon=0.0> (a, e, e, e, e) \n z = Neg (x)",
}


@pytest.mark.parametrize("body", UNFIT.values(), ids=UNFIT.keys())
def test_what_would_not_be_the_same_stays(body: str) -> None:
    wide = 2 if "wide" in body else 1
    text = f"g (float[{wide},4,5,5] x) => (float[{wide},4,5,5] y, float[{wide},4,5,5] z) {{ {body} }}"
    text = text.replace("float[2,4,5,5] x", "float[1,4,5,5] x").replace("float[2,4,5,5] z", "float[1,4,5,5] z")
    constants = {"w": numbers(4, 4, 1, 1) * (10 if "huge" in body else 1)}
    extra = {
        "k": numbers(4, 1, 1),
        "row": numbers(1, 5),
        "wide": numbers(2, 1, 1, 1),
        "zeros": np.array([1, 0, 1, 1], np.float32).reshape(4, 1, 1),
        "huge": np.full((4, 1, 1), 3e38, np.float32),
        "e": np.zeros(4, np.float32),
    }
    used = {name: value for name, value in extra.items() if f", {name}" in body or f"({name}" in body}
    model = model_from_text(text, **constants, **used)
    assert fold_affine(model) == 0


def test_what_a_body_reads_stays(same: Same) -> None:
    text = """g (float[N,4,5,5] x, bool[1] c) => (float[N,4,5,5] y, float[N,4,5,5] z) {
        a = Conv (x, w)
        y = Mul (a, k)
        z = If (c) <then_branch = t () => (float[N,4,5,5] p) { p = Neg (a) },
                    else_branch = e () => (float[N,4,5,5] q) { q = Abs (a) }>
    }"""
    model = model_from_text(text, w=numbers(4, 4, 1, 1), k=numbers(4, 1, 1))
    same(fold_affine, model, {**X, "c": np.array([True])}, edits=0)


def test_a_weight_that_others_read_is_copied_not_changed(same: Same) -> None:
    text = """g (float[N,4,5,5] x) => (float[N,4,5,5] y, float[N,4,5,5] z) {
        a = Conv (x, w)
        y = Mul (a, k)
        z = Conv (x, w)
    }"""
    same(fold_affine, model_from_text(text, w=numbers(4, 4, 1, 1), k=numbers(4, 1, 1)), X, edits=1)


def test_vectors_without_a_batch_axis_are_no_trouble(same: Same) -> None:
    text = "g (float[4] x) => (float[4] y) { a = Mul (x, k) \n b = MatMul (a, w) \n y = Mul (b, k) }"
    model = model_from_text(text, k=numbers(4, seed=3), w=numbers(4, 4, seed=4))
    after = same(fold_affine, model, {"x": numbers(4, seed=5)}, edits=1)
    assert [node.op_type for node in after.graph] == ["Mul", "MatMul"]
