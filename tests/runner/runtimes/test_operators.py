"""Operators read without the onnx package equal what the onnx package reads."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgekit.runner.runtimes.operators import Operator, read_operators

UINT8 = np.array(128, np.uint8)


def model_of(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray] | None = None, **types: int) -> bytes:
    """Serialize a model; ``types`` are its inputs."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    inputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in types.items()]
    return helper.make_model(helper.make_graph(nodes, "tiny", inputs, [], tensors)).SerializeToString()


def precisions(model: bytes) -> dict[str, str]:
    return {each.name: each.precision for each in read_operators(model)}


def test_names_kinds_and_edges_are_read() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], name="first"),
        helper.make_node("Relu", ["y"], ["z"], name="second"),
    ]
    assert read_operators(model_of(nodes, {"w": np.ones((1, 1, 3, 3), np.float32)}, x=TensorProto.FLOAT)) == [
        Operator("first", "Conv", "f32", ("x", "w"), ("y",)),
        Operator("second", "Relu", "f32", ("y",), ("z",)),
    ]


def test_a_node_without_a_name_has_an_empty_one() -> None:
    (operator,) = read_operators(model_of([helper.make_node("Relu", ["x"], ["y"])], x=TensorProto.FLOAT))
    assert operator.name == ""


@pytest.mark.parametrize(
    ("kind", "precision"),
    [
        ("QLinearConv", "int8"),
        ("QLinearMatMul", "int8"),
        ("QLinearAdd", "int8"),
        ("QGemm", "int8"),
        ("ConvInteger", "int8"),
        ("MatMulInteger", "int8"),
        ("MatMulIntegerToFloat", "int8"),
        ("DynamicQuantizeMatMul", "int8"),
        ("DynamicQuantizeLSTM", "int8"),
        ("MatMulNBits", "int4"),
        ("GatherBlockQuantized", "int4"),
        ("QuantizeLinear", "f32"),
        ("DequantizeLinear", "f32"),
        ("Conv", "f32"),
    ],
)
def test_a_kind_tells_its_precision(kind: str, precision: str) -> None:
    assert precisions(model_of([helper.make_node(kind, ["x"], ["y"], name="it")], x=TensorProto.FLOAT)) == {
        "it": precision
    }


@pytest.mark.parametrize(
    ("element", "precision"),
    [
        (TensorProto.FLOAT, "f32"),
        (TensorProto.FLOAT16, "f16"),
        (TensorProto.BFLOAT16, "bf16"),
        (TensorProto.DOUBLE, "f64"),
        (TensorProto.UINT8, "int8"),
        (TensorProto.INT8, "int8"),
        (TensorProto.INT64, "type 7"),
    ],
)
def test_an_operator_works_in_its_input_s_type(element: int, precision: str) -> None:
    assert precisions(model_of([helper.make_node("MaxPool", ["x"], ["y"], name="it")], x=element)) == {"it": precision}


def test_numbers_are_followed_through_operators_that_hand_them_on() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="quantize"),
        helper.make_node("MaxPool", ["q"], ["p"], name="pool", kernel_shape=[2, 2]),
        helper.make_node("Reshape", ["p", "shape"], ["r"], name="reshape"),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["d"], name="dequantize"),
        helper.make_node("Sigmoid", ["d"], ["y"], name="sigmoid"),
    ]
    weights = {"s": np.float32(0.1), "z": UINT8, "shape": np.array([1, -1])}
    assert precisions(model_of(nodes, weights, x=TensorProto.FLOAT)) == {
        "quantize": "f32",
        "pool": "int8",
        "reshape": "int8",
        "dequantize": "f32",
        "sigmoid": "f32",
    }


def test_an_integer_product_that_gives_floats_is_followed_by_floats() -> None:
    nodes = [
        helper.make_node("DynamicQuantizeMatMul", ["x", "w"], ["y"], name="product"),
        helper.make_node("Relu", ["y"], ["z"], name="relu"),
    ]
    assert precisions(model_of(nodes, x=TensorProto.FLOAT)) == {"product": "int8", "relu": "f32"}


def test_bodies_of_control_flow_are_read_and_see_outer_types() -> None:
    def body(name: str) -> onnx.GraphProto:
        node = helper.make_node("MaxPool", ["outer"], [f"{name}_out"], name=name)
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_out", 3, None)])

    node = helper.make_node("If", ["c"], ["y"], name="if", then_branch=body("yes"), else_branch=body("no"))
    found = precisions(model_of([node], c=TensorProto.BOOL, outer=TensorProto.INT8))
    assert (found["yes"], found["no"]) == ("int8", "int8")


def test_a_real_file_reads_as_onnx_reads_it(shared: Path) -> None:
    for name in ("resnet20", "dscnn_kws", "fastestdet"):
        path = shared / "data" / "models" / f"{name}.onnx"
        nodes = onnx.load(path).graph.node
        read = read_operators(path.read_bytes())
        assert [(each.name, each.kind) for each in read] == [(node.name, node.op_type) for node in nodes]
        assert [list(each.inputs) for each in read] == [list(node.input) for node in nodes]


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_truncated_file_is_an_error(cut: int) -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"], name="relu")], x=TensorProto.FLOAT)
    with pytest.raises(ValueError, match="protobuf"):
        read_operators(model[:-cut])


def test_a_number_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="more than ten groups"):
        read_operators(b"\xff" * 12)


def test_a_number_cut_off_is_an_error() -> None:
    with pytest.raises(ValueError, match="ends inside a number"):
        read_operators(b"\xff")


def test_a_group_of_protobuf_s_first_days_is_an_error() -> None:
    with pytest.raises(ValueError, match="wire type 3"):
        read_operators(bytes([7 << 3 | 3]))


def test_fixed_width_fields_are_stepped_over() -> None:
    odd = bytes([15 << 3 | 1]) + bytes(8) + bytes([14 << 3 | 5]) + bytes(4)
    model = model_of([helper.make_node("Relu", ["x"], ["y"], name="relu")], x=TensorProto.FLOAT)
    assert [each.name for each in read_operators(odd + model)] == ["relu"]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_anything_else(junk: bytes) -> None:
    try:
        operators = read_operators(junk)
    except ValueError:
        return
    assert all(isinstance(each, Operator) for each in operators)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
def test_any_name_is_read_back(names: list[str]) -> None:
    nodes = [helper.make_node("Relu", ["x"], [f"y{index}"], name=name) for index, name in enumerate(names)]
    assert [each.name for each in read_operators(model_of(nodes, x=TensorProto.FLOAT))] == names
