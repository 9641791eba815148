"""Which layers from the input on may be faster in float: candidates to be measured, since no rule decides it.

ONNX Runtime's integer depthwise convolutions are 1.5 to 4 times slower than its float ones, and pictures with few
channels fill no integer kernel: a network of depthwise convolutions gains only towards its end. Measured on
mobilenet_vww (28 layers with weights, VNNI, 1 thread): all float 0.167 ms, all integers 0.194, the first 9 in float
0.141. Networks without depthwise convolutions lose by any float prefix, so they get no candidates.

A prefix never ends in front of a MaxPool: ONNX Runtime lifts the QuantizeLinear over it and then runs a MaxPool of
integers in the wrong layout, 30 times slower.
"""

import onnx_ir as ir

from edgekit.graph.edits import constant_of, input_of, is_onnx
from edgekit.graph.macs import COUNTED

_PARTS = (9, 5, 3, 2)
"""A ninth, a fifth, a third and half of the layers: the optimum is flat."""


def float_prefixes(graph: ir.Graph) -> list[tuple[str, ...]]:
    """Return sets of node names to leave in float, the smallest first; none where nothing is to be gained.

    Args:
        graph: a prepared float graph.
    """
    layers = [node for node in graph if is_onnx(node, *COUNTED) and constant_of(input_of(node, 1)) is not None]
    if not any(_is_depthwise(node) for node in layers):
        return []
    order = {node: index for index, node in enumerate(layers)}
    spans = _pool_spans(graph, order)
    lengths = sorted({max(1, len(layers) // part) for part in _PARTS})
    sound = [length for length in lengths if not any(before < length <= behind for before, behind in spans)]
    return [tuple(str(node.name) for node in layers[:length]) for length in sound if length < len(layers)]


def _is_depthwise(node: ir.Node) -> bool:
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    weight = constant_of(input_of(node, 1))
    return group > 1 and weight is not None and weight.shape[:2] == (group, 1)


def _pool_spans(graph: ir.Graph, order: dict[ir.Node, int]) -> list[tuple[int, int]]:
    """Return for each MaxPool the index of the last layer before it and of the first one behind it."""
    last: dict[ir.Value, int] = {}
    for node in graph:
        before = max((last.get(value, -1) for value in node.inputs if value is not None), default=-1)
        last.update(dict.fromkeys(node.outputs, order.get(node, before)))
    first: dict[ir.Value, int] = {}
    for node in reversed(graph):
        behind = min((first.get(value, len(order)) for value in node.outputs), default=len(order))
        for value in (each for each in node.inputs if each is not None):
            first[value] = min(first.get(value, len(order)), order.get(node, behind))
    pools = [(node.inputs[0], node.outputs[0]) for node in graph if is_onnx(node, "MaxPool")]
    return [(last.get(taken, -1), first.get(given, len(order))) for taken, given in pools if taken is not None]
