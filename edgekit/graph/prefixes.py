"""Which layers from the input on may be faster in float: candidates to be measured, since no rule decides it.

ONNX Runtime's integer depthwise convolutions are 1.5 to 4 times slower than its float ones, and pictures with few
channels fill no integer kernel: a network of depthwise convolutions gains only towards its end. Measured on
mobilenet_vww (28 layers with weights, VNNI, 1 thread): all float 0.167 ms, all integers 0.194, the first 9 in float
0.141. Networks without depthwise convolutions lose by any float prefix, so they get no candidates.
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
    lengths = sorted({max(1, len(layers) // part) for part in _PARTS})
    return [tuple(str(node.name) for node in layers[:length]) for length in lengths if length < len(layers)]


def _is_depthwise(node: ir.Node) -> bool:
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    weight = constant_of(input_of(node, 1))
    return group > 1 and weight is not None and weight.shape[:2] == (group, 1)
