"""Operators that hand their input through unchanged are removed.

Identity, Dropout of inference, Cast to the same type, Reshape, Expand and Tile to the same shape, Transpose in the same
order, Pad by nothing, Slice of everything, Concat of one, pooling over single pixels, Clip without bounds, and
arithmetic with a neutral constant.
"""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgekit.graph.edits import ONNX_DOMAINS, bypass, constant_of, input_of, rank_of, static_shape
from edgekit.graph.passes.activations import bounds_of

_END = np.iinfo(np.int32).max


def remove_noops(model: ir.Model) -> int:
    """Remove what does nothing; return how many nodes went."""
    count = 0
    for node in list(model.graph):
        rule = _RULES.get(node.op_type) if node.domain in ONNX_DOMAINS else None
        kept = rule(node) if rule else None
        if kept is not None:
            count += bypass(node, kept)
    return count


def _first(node: ir.Node) -> ir.Value | None:
    return node.inputs[0]


def _dropout(node: ir.Node) -> ir.Value | None:
    training = input_of(node, 2)
    numbers = constant_of(training)
    off = training is None or (numbers is not None and not numbers.any())
    return node.inputs[0] if off else None


def _cast(node: ir.Node) -> ir.Value | None:
    value = node.inputs[0]
    return value if value is not None and value.dtype == node.attributes.get_int("to", 0) else None


def _same_shape(node: ir.Node) -> ir.Value | None:
    shape = static_shape(node.inputs[0])
    return node.inputs[0] if shape is not None and shape == static_shape(node.outputs[0]) else None


def _transpose(node: ir.Node) -> ir.Value | None:
    order = node.attributes.get_ints("perm", ())
    return node.inputs[0] if order and list(order) == sorted(order) else None


def _pad(node: ir.Node) -> ir.Value | None:
    pads = constant_of(input_of(node, 1))
    return node.inputs[0] if pads is not None and not pads.any() else None


def _slice(node: ir.Node) -> ir.Value | None:
    """Keep x where all of it is taken forwards; a step of -1 (a flip) keeps the shape and turns the order."""
    starts, ends, steps = (constant_of(input_of(node, index)) for index in (1, 2, 4))
    if input_of(node, 4) is not None and (steps is None or (steps < 1).any()):
        return None
    single = steps is None or bool((steps == 1).all())
    if starts is None or ends is None or starts.any() or (ends < _END).any() or not single:
        return _same_shape(node)
    return node.inputs[0]


def _concat(node: ir.Node) -> ir.Value | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


def _pool(node: ir.Node) -> ir.Value | None:
    singles = [*node.attributes.get_ints("kernel_shape", ()), *node.attributes.get_ints("strides", ())]
    padded = any(node.attributes.get_ints("pads", ())) or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET"
    return node.inputs[0] if set(singles) == {1} and not padded else None


def _clip(node: ir.Node) -> ir.Value | None:
    bounds = bounds_of(node)
    return node.inputs[0] if bounds == (-np.inf, np.inf) else None


def _arithmetic(node: ir.Node) -> ir.Value | None:
    """Keep x of x + 0, x - 0, x * 1, x / 1 and their mirror images, where the constant widens no axis."""
    neutral = 0 if node.op_type in ("Add", "Sub") else 1
    sides = ((0, 1), (1, 0)) if node.op_type in ("Add", "Mul") else ((0, 1),)
    for kept, other in sides:
        numbers, value = constant_of(node.inputs[other]), node.inputs[kept]
        if numbers is None or value is None or not (numbers == neutral).all():
            continue
        rank = rank_of(value)
        widens = static_shape(value) != static_shape(node.outputs[0]) if numbers.size > 1 else False
        known = static_shape(value) is not None or numbers.size == 1
        if rank is not None and numbers.ndim <= rank and known and not widens:
            return value
    return None


_RULES: dict[str, Callable[[ir.Node], ir.Value | None]] = {
    "Add": _arithmetic,
    "AveragePool": _pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Div": _arithmetic,
    "Dropout": _dropout,
    "Expand": _same_shape,
    "Flatten": _same_shape,
    "Identity": _first,
    "Max": _concat,
    "MaxPool": _pool,
    "Mean": _concat,
    "Min": _concat,
    "Mul": _arithmetic,
    "Pad": _pad,
    "Reshape": _same_shape,
    "Slice": _slice,
    "Squeeze": _same_shape,
    "Sub": _arithmetic,
    "Sum": _concat,
    "Tile": _same_shape,
    "Transpose": _transpose,
    "Unsqueeze": _same_shape,
}
