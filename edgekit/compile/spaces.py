"""Which values of a Q/DQ graph have the same channels, and which convolutions make and read them.

A *space* is a set of values joined by operators that work on each channel alone (Relu, MaxPool, pairs, depthwise
convolutions, an Add of two of them). Dense integer convolutions stand at its borders. A space is *blocked* where
anything else sees its channels: a graph port, Concat, Reshape, a float convolution, the body of an If.
"""

from dataclasses import dataclass, field

import onnx_ir as ir

from edgekit.compile.integers import quantized_source
from edgekit.graph.edits import constant_of, input_of, is_onnx

_PER_CHANNEL = (
    "QuantizeLinear",
    "DequantizeLinear",
    "Relu",
    "Clip",
    "LeakyRelu",
    "Sigmoid",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
)
_MIXING = ("Add", "Mul")
_LEAST_RANK = 3


@dataclass(eq=False)
class Space:
    """Values with the same channels.

    Attributes:
        makers: dense integer convolutions that write them.
        readers: dense integer convolutions that read them.
        depthwise: integer convolutions between two of them.
        blocked: whether others see the channels.
    """

    values: list[ir.Value] = field(default_factory=list)
    makers: list[ir.Node] = field(default_factory=list)
    readers: list[ir.Node] = field(default_factory=list)
    depthwise: list[ir.Node] = field(default_factory=list)
    blocked: bool = False

    @property
    def channels(self) -> int | None:
        """How many channels, None where that is free or not known."""
        counts = {channels_of(value) for value in self.values}
        return counts.pop() if len(counts) == 1 else None


def find_spaces(graph: ir.Graph) -> list[Space]:
    """Return the spaces of a graph with inferred shapes, in the order of their first values."""
    map_ = _Map()
    for value in (*graph.inputs, *graph.outputs):
        map_.space_of(value).blocked = True
    for node in graph:
        map_.consider(node)
    for value in list(map_.spaces):
        if any(use.node.graph is not graph for use in value.uses()):  # a body of control flow reads it
            map_.space_of(value).blocked = True
    return list(dict.fromkeys(map_.spaces.values()))


class _Map:
    """Value -> space, growing along the graph."""

    def __init__(self) -> None:
        self.spaces: dict[ir.Value, Space] = {}

    def space_of(self, value: ir.Value) -> Space:
        """Return the space of a value, its own at first."""
        return self.spaces.setdefault(value, Space([value]))

    def join(self, first: ir.Value, second: ir.Value) -> Space:
        """Make one space of two."""
        one, other = self.space_of(first), self.space_of(second)
        if one is not other:
            one.values += other.values
            one.makers += other.makers
            one.readers += other.readers
            one.depthwise += other.depthwise
            one.blocked |= other.blocked
            self.spaces.update(dict.fromkeys(other.values, one))
        return one

    def consider(self, node: ir.Node) -> None:
        """Join, border or block the values of one node."""
        data = [value for value in node.inputs if value is not None and constant_of(value) is None]
        if is_dense(node):
            self.space_of(data[0]).readers.append(node)
            self.space_of(node.outputs[0]).makers.append(node)
        elif is_depthwise(node):
            self.join(data[0], node.outputs[0]).depthwise.append(node)
        elif _works_per_channel(node, data):
            for value in data:
                self.join(value, node.outputs[0])
        elif data or not is_onnx(node, "DequantizeLinear"):  # what reads an integer weight has no channels
            for value in (*data, *node.outputs):
                self.space_of(value).blocked = True


def is_dense(node: ir.Node) -> bool:
    """Whether a node is an integer convolution in which every output channel sees every input channel."""
    return integer_weight_shape(node) is not None and _group(node) == 1


def is_depthwise(node: ir.Node) -> bool:
    """Whether a node is an integer convolution with one filter for each channel."""
    shape = integer_weight_shape(node)
    return shape is not None and _group(node) == shape[0] and shape[1] == 1


def channels_of(value: ir.Value | None) -> int | None:
    """Return how many channels a (batch, channels, ...) value has, None where that is free or not known."""
    if value is None or value.shape is None or len(value.shape) < _LEAST_RANK:
        return None
    count = value.shape[1]
    return count if isinstance(count, int) else None


def integer_weight_shape(node: ir.Node) -> tuple[int, ...] | None:
    """Return the shape of a Conv's weight if data and weight are integers behind DequantizeLinear, else None."""
    if not is_onnx(node, "Conv") or channels_of(input_of(node, 0)) is None:
        return None
    read, bias = constant_reader(input_of(node, 1)), input_of(node, 2)
    if read is None or quantized_source(input_of(node, 0)) is None:
        return None
    if bias is not None and constant_reader(bias) is None and constant_of(bias) is None:
        return None
    stored = constant_of(read.inputs[0])
    return None if stored is None else stored.shape


def constant_reader(value: ir.Value | None) -> ir.Node | None:
    """Return the DequantizeLinear (per tensor, or along axis 0) that reads a constant, else None."""
    node = None if value is None else value.producer()
    if node is None or not is_onnx(node, "DequantizeLinear") or constant_of(node.inputs[0]) is None:
        return None
    scale = constant_of(node.inputs[1])
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 1
    return node if scale is not None and (scale.size == 1 or axis == 0) else None


def _group(node: ir.Node) -> int:
    return node.attributes["group"].as_int() if "group" in node.attributes else 1


def _works_per_channel(node: ir.Node, data: list[ir.Value]) -> bool:
    """Whether each channel of the only output is made from the same channel of the data."""
    if is_onnx(node, *_MIXING):
        counts = {channels_of(value) for value in data}
        ranks = {len(value.shape) for value in data if value.shape is not None}
        return len(data) == len(node.inputs) and len(counts) == len(ranks) == 1 and None not in counts
    if not is_onnx(node, *_PER_CHANNEL) or len(data) != 1 or len(node.outputs) != 1:
        return False
    grid = constant_of(input_of(node, 1)) if is_onnx(node, "QuantizeLinear", "DequantizeLinear") else None
    return grid is None or grid.size == 1
