"""Read the operators out of an ONNX file with the standard library alone, as a board has no onnx package.

An ONNX file is a protobuf message: a row of (field number, wire type, value). Only the fields below are looked at;
weights are stepped over without being copied. Field numbers are those of onnx.proto.

A graph that a runtime wrote carries no types for many inner tensors. They are followed forward instead: a quantizing
operator gives 8-bit integers, an operator that only hands numbers through (MaxPool, Reshape) gives what it got.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_VALUE_INFO = 1, 5, 11, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 6, 11
_TENSOR_TYPE, _TENSOR_NAME = 2, 8
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TENSOR_ELEMENT = 1, 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# TensorProto.DataType -> our word; 2 and 3 are uint8 and int8, 21, 22 and 25, 26 are four and two bits.
_PRECISIONS = {1: "f32", 2: "int8", 3: "int8", 10: "f16", 11: "f64", 16: "bf16", 21: "int4", 22: "int4"}
_GIVES_FLOAT = ("DequantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DequantizeWithOrder")
_INTEGER_KINDS = ("QLinear", "QGemm", "QAttention", "QMoE", "ConvInteger", "MatMulInteger", "DynamicQuantize", "QEmbed")
_FOUR_BIT_KINDS = ("MatMulNBits", "GatherBlockQuantized")


@dataclass(frozen=True)
class Operator:
    """One node: its name, its operator type, what numbers it works in, and what it reads and writes."""

    name: str
    kind: str
    precision: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_operators(model: bytes) -> list[Operator]:
    """Return the nodes of a serialized ModelProto in the graph's order, bodies of If, Loop and Scan included.

    Raises:
        ValueError: the bytes are not a protobuf message.
    """
    operators: list[Operator] = []
    for number, value in _fields(memoryview(model)):
        if number == _MODEL_GRAPH and isinstance(value, memoryview):
            _read_graph(value, {}, operators)
    return operators


def _read_graph(graph: memoryview, outer: dict[str, str], operators: list[Operator]) -> None:
    """Append the graph's nodes; ``outer`` gives the precision of tensors that a body sees from outside."""
    precisions = dict(outer)
    nodes = []
    for number, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == _GRAPH_NODE:
            nodes.append(value)
        elif number == _GRAPH_INITIALIZER:
            fields = dict(_fields(value))
            precisions[_text(fields.get(_TENSOR_NAME, b""))] = _word(fields.get(_TENSOR_TYPE))
        elif number in (_GRAPH_INPUT, _GRAPH_VALUE_INFO):
            fields = dict(_fields(value))
            precisions[_text(fields.get(_VALUE_NAME, b""))] = _word(_element_type(fields.get(_VALUE_TYPE)))
    for node in nodes:
        operator, bodies = _read_node(node, precisions)
        operators.append(operator)
        for body in bodies:
            _read_graph(body, precisions, operators)


def _read_node(node: memoryview, precisions: dict[str, str]) -> tuple[Operator, list[memoryview]]:
    inputs, outputs, bodies = [], [], []
    name = kind = ""
    for number, value in _fields(node):
        if number == _NODE_INPUT:
            inputs.append(_text(value))
        elif number == _NODE_OUTPUT:
            outputs.append(_text(value))
        elif number == _NODE_NAME:
            name = _text(value)
        elif number == _NODE_KIND:
            kind = _text(value)
        elif number == _NODE_ATTRIBUTE and isinstance(value, memoryview):
            bodies += [
                body
                for field, body in _fields(value)
                if field in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS) and isinstance(body, memoryview)
            ]
    precision = _precision(kind, inputs, precisions)
    gives = "f32" if kind in _GIVES_FLOAT else "int8" if kind.startswith("QuantizeLinear") else precision
    for output in outputs:
        precisions.setdefault(output, gives)
    return Operator(name, kind, precision, tuple(inputs), tuple(outputs)), bodies


def _precision(kind: str, inputs: list[str], precisions: dict[str, str]) -> str:
    """What an operator works in: by its type where that says it, else by the first input whose type is known."""
    if kind.startswith(_INTEGER_KINDS):
        return "int8"
    if kind.startswith(_FOUR_BIT_KINDS):
        return "int4"
    if kind.startswith(("QuantizeLinear", "DequantizeLinear")):
        return "f32"
    return next((precisions[name] for name in inputs if name in precisions), "f32")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Walk one protobuf message: (field number, integer or bytes); fixed-width values come as bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, position = _varint(message, position)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"not a protobuf message: wire type {wire} at byte {position}")
        if position + size > len(message):
            raise ValueError(f"a protobuf field of {size} bytes at byte {position} passes the end of its message")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Read a base-128 number, least significant group first; return it and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(message):
            raise ValueError("a protobuf message ends inside a number")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:  # the top bit says that another group follows
            return value, position
    raise ValueError(f"a protobuf number at byte {position} has more than ten groups")


def _text(value: int | memoryview | bytes) -> str:
    return bytes(value).decode("utf-8", errors="replace")


def _word(element_type: int | memoryview | None) -> str:
    """Our word for a TensorProto.DataType; other types (int64 shapes, booleans) are called by number."""
    return _PRECISIONS.get(element_type, f"type {element_type}") if isinstance(element_type, int) else "f32"


def _element_type(type_proto: int | memoryview | None) -> int | memoryview | None:
    if not isinstance(type_proto, memoryview):
        return None
    tensor = dict(_fields(type_proto)).get(_TYPE_TENSOR)
    return dict(_fields(tensor)).get(_TENSOR_ELEMENT) if isinstance(tensor, memoryview) else None
