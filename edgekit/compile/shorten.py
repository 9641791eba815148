"""Names made short, and what only a reader of the file would want taken out: the file of a small model is half names.

The names of inputs and outputs stay, and those of the nodes that multiply by weights, so that reports can name them.
"""

from itertools import count

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedOpsetsPass

from edgekit.graph.edits import is_onnx
from edgekit.graph.macs import COUNTED

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def shorten_names(model: ir.Model) -> None:
    """Rename the inner values and constants of the main graph; drop unread constants and opsets, inner types, prose."""
    graph = model.graph
    _drop_prose(model)
    RemoveUnusedOpsetsPass()(model)
    ports = {str(value.name) for value in (*graph.inputs, *graph.outputs)}
    inner = {name for body in model.graphs() if body is not graph for name in _names(body)}
    taken = ports | inner
    fresh = (name for number in count() if (name := short_name(number)) not in taken)
    held = sorted(graph.initializers.values(), key=lambda value: str(value.name))
    for value in held:
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[str(value.name)]
    for node in graph:
        for value in node.outputs:
            if value.is_graph_output():
                continue
            value.name, value.shape, value.type = next(fresh), None, None
        if not is_onnx(node, *COUNTED):
            node.name = ""
    for value in _in_order_of_use(graph):
        if str(value.name) not in ports:
            value.name, value.shape, value.type = next(fresh), None, None


def short_name(number: int) -> str:
    """Return the number in base 36: 0, 1, ... z, 10, ..."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _in_order_of_use(graph: ir.Graph) -> list[ir.Value]:
    """The constants that the graph's nodes read, then those that only bodies read."""
    read = dict.fromkeys(value for node in graph for value in node.inputs if value is not None)
    held = set(graph.initializers.values())
    first = [value for value in read if value in held]
    return [*first, *(value for value in graph.initializers.values() if value not in set(first))]


def _names(graph: ir.Graph) -> set[str]:
    values = [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    return {str(value.name) for value in values}


def _drop_prose(model: ir.Model) -> None:
    model.metadata_props.clear()
    model.doc_string = None
    model.producer_name, model.producer_version = "edgekit", None
    for graph in model.graphs():
        graph.doc_string = None
        for node in graph:
            node.doc_string = None
            node.metadata_props.clear()
