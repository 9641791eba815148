"""A float16 model inside becomes a float32 one; its inputs and outputs stay float16, with a Cast at each.

Processors compute float16 networks in float32 anyway, and the integer grids are found in float32. Every float16
constant, value and Cast goes; a model with control-flow bodies that hold float16 is left as it is.
"""

import numpy as np
import onnx_ir as ir

from edgekit.graph.edits import ONNX_DOMAINS, is_onnx

_HALF, _FULL = ir.DataType.FLOAT16, ir.DataType.FLOAT
_ASKED = ("to", "dtype", "output_datatype", "output_dtype")
"""Attributes by which Cast, EyeLike, Random..., windows and DequantizeLinear name the type that they make."""


def widen_halves(model: ir.Model) -> int:
    """Compute in float32 what the model computes in float16; return how many values changed their type."""
    graph = model.graph
    nodes = list(graph)
    values = [value for node in nodes for value in node.outputs]
    halves = [value for value in values if value.dtype == _HALF]
    constants = [value for value in graph.initializers.values() if value.dtype == _HALF]
    inputs = [value for value in graph.inputs if value.dtype == _HALF]
    if not halves or all(is_onnx(value.producer(), "Cast") for value in halves) or _bodies(nodes):
        return 0
    for value in constants:
        _widen_constant(value)
    for node in nodes:
        _widen_attributes(node)
    for value in halves:
        value.type = ir.TensorType(_FULL)
    for value in inputs:
        _cast_behind(graph, value)
    for index, value in enumerate(list(graph.outputs)):
        if value in halves or value in constants:
            _cast_output(graph, index, value)
    return len(halves) + len(constants)


def _widen_constant(value: ir.Value) -> None:
    if value.const_value is not None:
        value.const_value = ir.tensor(value.const_value.numpy().astype(np.float32), name=value.name)
        value.type = ir.TensorType(_FULL)


def _widen_attributes(node: ir.Node) -> None:
    """Let what is asked for in float16 be made in float32, and ConstantOfShape fill with float32."""
    for name in _ASKED if node.domain in ONNX_DOMAINS else ():
        if name in node.attributes and node.attributes.get_int(name, 0) == _HALF.value:
            node.attributes.add(ir.AttrInt64(name, _FULL.value))
    if is_onnx(node, "ConstantOfShape") and "value" in node.attributes:
        tensor = node.attributes["value"].as_tensor()
        if tensor.dtype == _HALF:
            node.attributes.add(ir.AttrTensor("value", ir.tensor(tensor.numpy().astype(np.float32))))


def _bodies(nodes: list[ir.Node]) -> bool:
    return any(
        attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
        for node in nodes
        for attribute in node.attributes.values()
    )


def _cast_behind(graph: ir.Graph, value: ir.Value) -> None:
    uses = list(value.uses())
    cast = ir.node("Cast", [value], {"to": _FULL.value}, name=f"{value.name}_to_float32")
    wide = cast.outputs[0]
    wide.name, wide.shape, wide.type = f"{value.name}_float32", value.shape, ir.TensorType(_FULL)
    graph.insert_before(graph[0], cast)
    for use in uses:
        use.node.replace_input_with(use.idx, wide)


def _cast_output(graph: ir.Graph, index: int, value: ir.Value) -> None:
    name = value.name
    value.name = f"{name}_float32"
    maker = value.producer()
    cast = ir.node("Cast", [value], {"to": _HALF.value}, name=f"{name}_to_float16")
    narrow = cast.outputs[0]
    narrow.name, narrow.shape, narrow.type = name, value.shape, ir.TensorType(_HALF)
    if maker is None:
        graph.append(cast)
    else:
        graph.insert_after(maker, cast)
    graph.outputs[index] = narrow
