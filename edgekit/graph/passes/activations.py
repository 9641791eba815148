"""Clips and Relus in one form, and no two of them in a row.

Relu, Clip with constant bounds, and Max or Min with one number are all "cut off at lower and upper". Cutting off at
(c, d) and then at (a, b) is cutting off once at (clip(c, a, b), clip(d, a, b)). What is left is written as Relu where
the bounds are 0 and infinity, else as Clip: the two forms that runtimes melt into the operator before them.
"""

import numpy as np
import onnx_ir as ir

from edgekit.graph.edits import (
    add_constant,
    bypass,
    constant_of,
    graph_of,
    input_of,
    is_onnx,
    rank_of,
    replace,
    sole_consumer,
)

Bounds = tuple[float, float]

_FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)
_RELU: Bounds = (0.0, np.inf)
_PAIR = 2


def bounds_of(node: ir.Node | None) -> Bounds | None:
    """Return where ``node`` cuts off its first input, in floats; None if it does something else.

    A bound at its end of the number type is no bound: infinity. One at the wrong end, such as a lower bound of
    infinity, leaves one number of everything: that is something else.
    """
    if node is None or not is_onnx(node, "Relu", "Clip", "Max", "Min") or node.outputs[0].dtype not in _FLOATS:
        return None
    if node.op_type == "Relu":
        return _RELU
    if node.op_type == "Clip":
        lower, upper = (_bound(node, index, default) for index, default in ((1, -np.inf), (2, np.inf)))
        return None if lower is None or upper is None else (lower, upper)
    return _bounds_of_extremum(node)


def _bound(node: ir.Node, index: int, default: float) -> float | None:
    value = input_of(node, index)
    if value is None:
        return default
    numbers = constant_of(value)
    if numbers is None or numbers.size != 1 or np.isnan(numbers).any():
        return None
    number = float(numbers.item())
    if abs(number) < np.finfo(numbers.dtype).max:
        return number
    return default if (number < 0) == (default < 0) else None


def _bounds_of_extremum(node: ir.Node) -> Bounds | None:
    if len(node.inputs) != _PAIR or constant_of(node.inputs[0]) is not None:
        return None
    rank, numbers = rank_of(node.inputs[0]), constant_of(node.inputs[1])
    if numbers is None or numbers.size != 1 or rank is None or numbers.ndim > rank or np.isnan(numbers).any():
        return None
    number, everything = float(numbers.item()), np.inf if node.op_type == "Max" else -np.inf
    if number == everything:
        return None
    return (number, np.inf) if node.op_type == "Max" else (-np.inf, number)


def merge_activations(model: ir.Model) -> int:
    """Bring cut-offs into their form and merge those in a row; return how many nodes changed."""
    count = 0
    for node in list(model.graph):
        _put_constant_second(node)
        bounds = bounds_of(node)
        value = node.inputs[0] if node.inputs else None
        if bounds is None or value is None:
            continue
        before = value.producer()
        inner = bounds_of(before)
        if before is None or inner is None or before.graph is not node.graph:
            count += _write(node, value, bounds)
            continue
        low, high = (min(max(each, bounds[0]), bounds[1]) for each in inner)
        if (low, high) == inner:
            count += bypass(node, value)
        elif sole_consumer(value) is node and before.inputs[0] is not None:
            count += _write(node, before.inputs[0], (low, high))
        else:
            count += _write(node, value, bounds)
    return count


def _put_constant_second(node: ir.Node) -> None:
    """Max(6, x) is Max(x, 6)."""
    if is_onnx(node, "Max", "Min") and len(node.inputs) == _PAIR and constant_of(node.inputs[0]) is not None:
        first, second = node.inputs
        node.replace_input_with(0, second)
        node.replace_input_with(1, first)


def _write(node: ir.Node, value: ir.Value, bounds: Bounds) -> bool:
    """Put the normal form of ``bounds`` applied to ``value`` in the place of ``node``, if it is not that already."""
    kind = "Relu" if bounds == _RELU else "Clip"
    if node.op_type == kind and node.inputs[0] is value and not (kind == "Clip" and _has_needless_bound(node, bounds)):
        return False
    inputs: list[ir.Value | None] = [value]
    if kind == "Clip":
        inputs += [_bound_input(node, name, number) for name, number in zip(("min", "max"), bounds, strict=True)]
        inputs = inputs[:-1] if inputs[-1] is None else inputs
    replace(node, [ir.node(kind, inputs, name=node.name)])
    return True


def _has_needless_bound(node: ir.Node, bounds: Bounds) -> bool:
    return any(
        input_of(node, index) is not None and np.isinf(number) for index, number in zip((1, 2), bounds, strict=True)
    )


def _bound_input(node: ir.Node, name: str, number: float) -> ir.Value | None:
    dtype = node.outputs[0].dtype
    if np.isinf(number) or dtype is None:
        return None
    return add_constant(graph_of(node), f"{node.outputs[0].name}_{name}", np.asarray(number, dtype=dtype.numpy()))
