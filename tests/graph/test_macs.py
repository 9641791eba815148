from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.graph.macs import count_macs
from edgekit.graph.passes.shapes import infer_shapes


def counted(kind: str, data: Sequence[int | str], weight: Sequence[int], **attributes: object) -> int:
    """Multiply-accumulates of one node between an input and a constant."""
    node = helper.make_node(kind, ["input", "weight"], ["output"], name="node", **attributes)
    integers = kind.endswith("Integer")
    taken, given = (TensorProto.UINT8, TensorProto.INT32) if integers else (TensorProto.FLOAT, TensorProto.FLOAT)
    described = (("input", taken, data), ("output", given, None))
    ports = [helper.make_tensor_value_info(name, dtype, shape) for name, dtype, shape in described]
    constant = numpy_helper.from_array(np.zeros(weight, np.int8 if integers else np.float32), "weight")
    graph = helper.make_graph([node], "one", ports[:1], ports[1:], [constant])
    model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    infer_shapes(model)
    return count_macs(model.graph)["node"]


@pytest.mark.parametrize(
    ("kind", "data", "weight", "attributes", "expected"),
    [
        ("Conv", [1, 3, 8, 8], [16, 3, 3, 3], {"pads": [1, 1, 1, 1]}, 16 * 64 * 27),
        ("Conv", [1, 3, 8, 8], [16, 3, 3, 3], {"pads": [1, 1, 1, 1], "strides": [2, 2]}, 16 * 16 * 27),
        ("Conv", [2, 8, 6, 6], [8, 1, 3, 3], {"group": 8}, 2 * 8 * 16 * 9),
        ("Conv", ["n", 4, 10], [5, 4, 3], {}, 5 * 8 * 12),
        ("ConvTranspose", [1, 4, 5, 5], [4, 6, 2, 2], {"strides": [2, 2]}, 4 * 25 * 6 * 4),
        ("Gemm", [3, 20], [10, 20], {"transB": 1}, 3 * 10 * 20),
        ("Gemm", [20, 3], [20, 10], {"transA": 1}, 3 * 10 * 20),
        ("MatMul", [2, 7, 16], [16, 24], {}, 2 * 7 * 24 * 16),
        ("MatMul", ["n", "t", 16], [16, 24], {}, 24 * 16),
        ("MatMulInteger", [2, 7, 16], [16, 24], {}, 2 * 7 * 24 * 16),
        ("ConvInteger", [1, 3, 8, 8], [16, 3, 3, 3], {}, 16 * 36 * 27),
    ],
)
def test_each_operator_counts_as_the_formula_says(
    kind: str, data: list[int | str], weight: list[int], attributes: dict[str, object], expected: int
) -> None:
    assert counted(kind, data, weight, **attributes) == expected


def test_other_operators_are_left_out_and_unknown_shapes_weigh_nothing() -> None:
    nodes = [
        helper.make_node("Relu", ["input"], ["a"], name="relu"),
        helper.make_node("MatMul", ["a", "other"], ["output"], name="product"),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("input", "other", "output")]
    graph = helper.make_graph(nodes, "unknown", ports[:2], ports[2:])
    model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))

    assert count_macs(model.graph) == {"product": 0}
