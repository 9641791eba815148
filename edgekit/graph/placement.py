"""Where integers go: which nodes run on them, which values carry a Q/DQ pair, and which share a scale.

The rules, in the order in which they are applied:

1. Conv, ConvTranspose, Gemm and MatMul with a constant weight run on integers (if the scheme lists them).
2. An activation that the runtime melts into the node before it (``scheme.fused``) moves the pair behind it.
3. Operators without weights join when all their data comes from integer nodes: element-wise and pooling ones
   with a scale of their own, those of ``scheme.shared`` with the scale of their input.
4. Every value that an integer node reads or writes carries one pair; the result of an operator in
   ``scheme.float_output`` stays in float when no integer node reads it.
5. Values on both sides of a shared operator have one scale. An input of Concat takes the scale of the
   output when nothing else reads it: one rounding in place of two.

What is inside the bodies of If, Loop and Scan, and recurrent operators, stays in float.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.profiles import Scheme

WEIGHTED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""Operators that multiply by a weight, and the input that holds it."""

_FLOAT = ir.DataType.FLOAT
_BINARY = ("Add", "Sub", "Mul", "Div")
_SHARED_LATER = ("Concat",)


@dataclass(frozen=True)
class WeightSite:
    """A weight to be stored in integers: node, and the axis of its output channels (None: per tensor)."""

    node: str
    value: str
    axis: int | None
    bias: str | None


@dataclass(frozen=True)
class Placement:
    """The answer, by names: nodes of the main graph and values between them.

    Attributes:
        nodes: nodes that run on integers, in graph order.
        values: activations that carry a Q/DQ pair, in graph order.
        weights: constants to be stored as integers.
        scale_of: value -> the value whose scale it takes (itself where it has its own).
    """

    nodes: tuple[str, ...]
    values: tuple[str, ...]
    weights: tuple[WeightSite, ...]
    scale_of: dict[str, str]


def place_pairs(graph: ir.Graph, scheme: Scheme, *, float_nodes: Collection[str] = ()) -> Placement:
    """Decide for every node and value of ``graph``.

    Args:
        graph: the prepared float graph; node names are unique.
        scheme: the target's.
        float_nodes: names of nodes that must stay in float.
    """
    chosen = _Choice(scheme, set(float_nodes))
    for node in graph:
        chosen.consider(node)
    chosen.drop_pointless(graph)
    nodes = [node for node in graph if node in chosen.nodes]
    values = list(chosen.paired_values(nodes))
    scale_of = _scales(nodes, values, chosen)
    order = {id(value): index for index, value in enumerate(_all_values(graph))}
    values.sort(key=lambda value: order[id(value)])
    weights = tuple(site for node in nodes if (site := weight_site(node, scheme)))
    return Placement(tuple(str(n.name) for n in nodes), tuple(str(v.name) for v in values), weights, scale_of)


def weight_site(node: ir.Node, scheme: Scheme) -> WeightSite | None:
    """Return where a weighted node keeps its weight, or None where it has no constant one."""
    if node.op_type not in WEIGHTED or node.domain not in ("", "ai.onnx"):
        return None
    weight = node.inputs[WEIGHTED[node.op_type]]
    if not is_constant(weight) or weight is None or weight.dtype != _FLOAT:
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and not is_constant(bias):
        return None
    axis = _channel_axis(node, weight) if scheme.per_channel else None
    return WeightSite(str(node.name), str(weight.name), axis, None if bias is None else str(bias.name))


def is_constant(value: ir.Value | None) -> bool:
    """Whether a value is a constant of the model."""
    return value is not None and value.const_value is not None


def _channel_axis(node: ir.Node, weight: ir.Value) -> int | None:
    rank = len(weight.shape) if weight.shape is not None else 0
    match node.op_type:
        case "Conv":
            return 0
        case "ConvTranspose":
            group = node.attributes.get("group")
            return 1 if group is None or group.as_int() == 1 else None
        case "Gemm":
            trans_b = node.attributes.get("transB")
            return 0 if trans_b is not None and trans_b.as_int() else 1
        case _:
            return rank - 1 if rank == 2 else None  # ONNX Runtime 1.32 refuses channels of stacked matrices at run time


def _all_values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from graph.inputs
    for node in graph:
        yield from node.outputs


def data_inputs(node: ir.Node) -> list[ir.Value]:
    """Return the inputs that carry activations: not constants, not shapes or indices."""
    return [v for v in node.inputs if v is not None and not is_constant(v) and v.dtype in (_FLOAT, None)]


class _Choice:
    """Grows the set of integer nodes along the graph's order."""

    def __init__(self, scheme: Scheme, float_nodes: set[str]) -> None:
        self.scheme = scheme
        self.float_nodes = float_nodes
        self.nodes: set[ir.Node] = set()
        self.integer: set[ir.Value] = set()

    def consider(self, node: ir.Node) -> None:
        """Take ``node`` in if the rules allow; remember which of its values are integers."""
        if node.name in self.float_nodes or node.domain not in ("", "ai.onnx"):
            return
        if any(_is_dequantized(value) for value in node.inputs):
            return
        if self._joins(node):
            self.nodes.add(node)
            self.integer.update(self.result(node, output) for output in node.outputs)

    def _joins(self, node: ir.Node) -> bool:
        kind = node.op_type
        if kind in WEIGHTED:
            return kind in self.scheme.operators and weight_site(node, self.scheme) is not None
        if kind not in (*self.scheme.operators, *self.scheme.shared):
            return False
        data = data_inputs(node)
        if not data or any(value not in self.integer for value in data):
            return False
        if kind in _BINARY:
            return len(data) == 2
        return kind != "Concat" or len(data) == len(node.inputs)

    def result(self, node: ir.Node, output: ir.Value) -> ir.Value:
        """Return the value that carries the pair: behind an activation that melts into ``node``."""
        if node.op_type not in (*WEIGHTED, *_BINARY) or output.is_graph_output():
            return output
        uses = list(output.uses())
        if len(uses) != 1:
            return output
        follower = uses[0].node
        melts = follower.op_type in self.scheme.fused and follower.graph is node.graph
        return follower.outputs[0] if melts and uses[0].idx == 0 else output

    def drop_pointless(self, graph: ir.Graph) -> None:
        """Take operators without weights out again when only float reads their result."""
        for node in reversed(graph):
            if node not in self.nodes or node.op_type in WEIGHTED or node.op_type in self.scheme.shared:
                continue
            reads = [use.node for output in node.outputs for use in self.result(node, output).uses()]
            if reads and any(reader in self.nodes for reader in reads):
                continue
            if node.op_type in self.scheme.float_output:
                self.nodes.discard(node)

    def paired_values(self, nodes: list[ir.Node]) -> Iterator[ir.Value]:
        """Yield each value that carries a pair, once."""
        seen: set[ir.Value] = set()
        for node in nodes:
            first = WEIGHTED.get(node.op_type)
            inputs = [node.inputs[0]] if first is not None else data_inputs(node)
            outputs = [self.result(node, output) for output in node.outputs if not self._may_stay_float(node, output)]
            for value in (*inputs, *outputs):
                if value is not None and value not in seen:
                    seen.add(value)
                    yield value

    def _may_stay_float(self, node: ir.Node, output: ir.Value) -> bool:
        if node.op_type not in self.scheme.float_output:
            return False
        return not any(use.node in self.nodes for use in self.result(node, output).uses())


def _is_dequantized(value: ir.Value | None) -> bool:
    producer = None if value is None else value.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _scales(nodes: list[ir.Node], values: list[ir.Value], chosen: _Choice) -> dict[str, str]:
    """Join values that must have one scale; the name of a set is its first value in graph order."""
    parent = {str(value.name): str(value.name) for value in values}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for node in nodes:
        if node.op_type not in chosen.scheme.shared:
            continue
        for output in (out for out in node.outputs if str(out.name) in parent):
            for value in data_inputs(node):
                alone = len(list(value.uses())) == 1
                if node.op_type in _SHARED_LATER and not alone:
                    continue
                parent[root(str(output.name))] = root(str(value.name))
    return {name: root(name) for name in parent}
