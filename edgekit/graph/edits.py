"""The few edits that every pass over a graph is made of.

The names of a graph's inputs and outputs never change, and a value that a control-flow body reads from outside
counts as used: onnx-ir keeps those readers in ``Value.uses()`` like any other.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

Array = np.ndarray[Any, np.dtype[Any]]

ONNX_DOMAINS = ("", "ai.onnx")


def is_onnx(node: ir.Node | None, *kinds: str) -> bool:
    """Whether ``node`` is one of these operators of the ONNX domain."""
    return node is not None and node.domain in ONNX_DOMAINS and node.op_type in kinds


def constant_of(value: ir.Value | None) -> Array | None:
    """Return the numbers of a constant of the model (not of an overridable input), else None."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def input_of(node: ir.Node, index: int) -> ir.Value | None:
    """Return the input at ``index``; None where the node has none there."""
    return node.inputs[index] if index < len(node.inputs) else None


def sole_consumer(value: ir.Value) -> ir.Node | None:
    """Return the only node that reads ``value``, once; None if there are more or the graph gives it away."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def rank_of(value: ir.Value | None) -> int | None:
    """Return how many axes a value has, None where that is not known."""
    return None if value is None or value.shape is None else len(value.shape)


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """Return the shape of a value all of whose axes are fixed, else None."""
    if value is None or value.shape is None or not value.shape.is_static():
        return None
    return value.shape.numpy()


def add_constant(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """Give ``graph`` a new constant; its name is ``name``, with a number behind it if that is taken."""
    taken = {value.name for node in graph for value in node.outputs} | {value.name for value in graph.inputs}
    fresh, number = name, 1
    while fresh in taken or fresh in graph.initializers:
        number += 1
        fresh = f"{name}_{number}"
    tensor = ir.tensor(np.asarray(array, order="C"), name=fresh)
    value = ir.Value(name=fresh, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def set_constant(node: ir.Node, index: int, array: Array, name: str) -> None:
    """Let input ``index`` of ``node`` be this constant: in place where nobody else reads the old one.

    Args:
        node: in the main graph.
        index: one past the last input adds an input.
        array: the numbers.
        name: of the constant, where a new one is needed.
    """
    old = input_of(node, index)
    if old is not None and old.is_initializer() and not old.is_graph_input() and sole_consumer(old) is node:
        old.const_value = ir.tensor(np.asarray(array, order="C"), name=old.name)
        old.shape = ir.Shape(array.shape)
        old.type = ir.TensorType(old.const_value.dtype)
        return
    new = add_constant(graph_of(node), name, array)
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, new)


def graph_of(node: ir.Node) -> ir.Graph:
    """Return the graph that holds ``node``."""
    graph = node.graph
    if not isinstance(graph, ir.Graph):
        raise TypeError(f"node {node.name!r} stands in no graph")
    return graph


def bypass(node: ir.Node, value: ir.Value) -> bool:
    """Let every reader of the node's first output read ``value`` and remove the node.

    Returns:
        False, with nothing changed, where a port of the graph forbids it: the output of a graph must be made by a
        node of that graph and carry one name.
    """
    output = node.outputs[0]
    if any(other.uses() or other.is_graph_output() for other in node.outputs[1:]):
        return False
    if output.is_graph_output():
        maker = value.producer()
        if maker is None or maker.graph is not node.graph or value.is_graph_output() or maker.op_type == "Constant":
            return False
        name = output.name
        output.replace_all_uses_with(value, replace_graph_outputs=True)
        value.shape, value.type = output.shape, output.type
        graph_of(node).remove(node, safe=True)
        value.name = name
        return True
    output.replace_all_uses_with(value)
    graph_of(node).remove(node, safe=True)
    return True


def replace(node: ir.Node, nodes: Sequence[ir.Node]) -> None:
    """Put ``nodes`` in the place of ``node``; the last one's first output takes over its output and name."""
    last = nodes[-1]
    ir.convenience.replace_nodes_and_values(
        graph_of(node), node, [node], list(nodes), [node.outputs[0]], [last.outputs[0]]
    )
