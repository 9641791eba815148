"""Multiply-accumulates of the operators that multiply by weights or by one another, from inferred shapes.

A free axis (batch, length) counts as 1: what is wanted is each operator's share of the work, not its time.

    Conv           outputs x (input channels of a group) x (kernel positions)
    ConvTranspose  inputs x (output channels of a group) x (kernel positions)
    Gemm           rows x columns x inner
    MatMul         outputs x inner

MatMulInteger and ConvInteger, which dynamic quantization writes, count like MatMul and Conv.
"""

from math import prod

import onnx_ir as ir

from edgekit.graph.edits import input_of, is_onnx

COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger")


def count_macs(graph: ir.Graph) -> dict[str, int]:
    """Return node name -> multiply-accumulates, in graph order.

    Args:
        graph: with shapes inferred; bodies of control flow are not looked into.

    A node whose shapes are not known counts 0, so that it weighs nothing in a share.
    """
    return {str(node.name): _macs_of(node) for node in graph if is_onnx(node, *COUNTED)}


def _macs_of(node: ir.Node) -> int:
    data, weight, result = _shape(input_of(node, 0)), _shape(input_of(node, 1)), _shape(node.outputs[0])
    if data is None or weight is None or (result is None and node.op_type != "ConvTranspose"):
        return 0
    match node.op_type:
        case "ConvTranspose":
            return prod(data) * prod(weight[1:])
        case "Conv" | "ConvInteger":
            return prod(result or ()) * prod(weight[1:])
        case "Gemm":
            turned = "transA" in node.attributes and bool(node.attributes["transA"].as_int())
            return prod(result or ()) * data[0 if turned else 1]
        case _:
            return prod(result or ()) * data[-1]


def _shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """Return the dimensions of a value, free ones as 1; None where the rank is not known."""
    if value is None:
        return None
    held = value.const_value
    shape = held.shape if held is not None else value.shape
    return None if shape is None else tuple(dim if isinstance(dim, int) else 1 for dim in shape)
