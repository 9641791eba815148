"""What does nothing goes, what does something stays."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from tiny_models import model_from_text, numbers

from edgekit.graph.passes.noops import remove_noops

Same = Callable[..., ir.Model]
X = {"x": numbers(2, 3, 4)}
CONSTANTS = {
    "zero": np.zeros((), np.float32),
    "one": np.ones(1, np.float32),
    "wide": np.zeros((2, 1, 1, 1), np.float32),
    "shape": np.array([2, 3, 4]),
    "pads": np.zeros(6, np.int64),
    "starts": np.array([0]),
    "ends": np.array([2**62]),
    "axes": np.array([1]),
    "two": np.array([2.0], np.float32),
    "short": np.array([2]),
    "turn": np.array([4, 3, 2]),
    "last": np.array([-1]),
    "front": np.array([-(2**62)]),
    "back": np.array([-1]),
    "every": np.array([2]),
}


def net(line: str, result: str = "2,3,4") -> ir.Model:
    used = {name: value for name, value in CONSTANTS.items() if f" {name}" in line or f"({name}" in line}
    return model_from_text(f"g (float[2,3,4] x) => (float[{result}] z) {{ {line} \n z = Neg (y) }}", **used)


@pytest.mark.parametrize(
    "line",
    [
        "y = Identity (x)",
        "y = Dropout (x)",
        "y = Cast <to=1> (x)",
        "y = Reshape (x, shape)",
        "y = Expand (x, shape)",
        "y = Transpose <perm=[0,1,2]> (x)",
        "y = Pad (x, pads)",
        "y = Slice (x, starts, ends, axes)",
        "y = Concat <axis=1> (x)",
        "y = Max (x)",
        "y = Sum (x)",
        "y = Add (x, zero)",
        "y = Add (zero, x)",
        "y = Sub (x, zero)",
        "y = Mul (x, one)",
        "y = Div (x, one)",
        "y = Clip (x)",
    ],
)
def test_it_goes(same: Same, line: str) -> None:
    assert [node.op_type for node in same(remove_noops, net(line), X, edits=1).graph] == ["Neg"]


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("y = Add (x, two)", "2,3,4"),
        ("y = Mul (x, zero)", "2,3,4"),
        ("y = Sub (zero, x)", "2,3,4"),
        ("y = Div (one, x)", "2,3,4"),
        ("y = Reshape (x, turn)", "4,3,2"),
        ("y = Transpose <perm=[2,1,0]> (x)", "4,3,2"),
        ("y = Slice (x, starts, short, axes)", "2,2,4"),
        ("y = Add (x, wide)", "2,2,3,4"),
        ("y = Concat <axis=1> (x, x)", "2,6,4"),
        ("y = Slice (x, last, front, axes, back)", "2,3,4"),
        ("y = Slice (x, starts, ends, axes, every)", "2,2,4"),
    ],
)
def test_it_stays(same: Same, line: str, result: str) -> None:
    same(remove_noops, net(line, result), X, edits=0)


def test_a_slice_of_a_known_whole_goes_and_one_by_an_unknown_step_stays(same: Same) -> None:
    text = "g (float[2,3,4] x, int64[1] s) => (float[2,3,4] z) {{ y = Slice (x, starts, ends, axes{}) \n z = Neg (y) }}"
    constants = {"starts": np.array([-3]), "ends": np.array([3]), "axes": np.array([1])}
    same(remove_noops, model_from_text(text.format(""), **constants), {**X, "s": np.array([1])}, edits=1)
    turned = {**constants, "starts": np.array([-1]), "ends": np.array([-4])}
    same(remove_noops, model_from_text(text.format(", s"), **turned), {**X, "s": np.array([-1])}, edits=0)


def test_ports_keep_their_names(same: Same) -> None:
    text = (
        "g (float[2,3,4] x) => (float[2,3,4] y, float[2,3,4] z) { a = Neg (x) \n y = Identity (a) \n z = Identity (x) }"
    )
    after = same(remove_noops, model_from_text(text), X, edits=1)
    assert sorted(node.op_type for node in after.graph) == ["Identity", "Neg"]


def test_a_dropout_whose_mask_is_read_stays(same: Same) -> None:
    text = "g (float[2,3,4] x) => (float[2,3,4] y, bool[2,3,4] m) { d, m = Dropout (x) \n y = Neg (d) }"
    same(remove_noops, model_from_text(text), X, edits=0)
