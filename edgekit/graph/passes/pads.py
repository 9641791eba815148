"""Pad with zeros melts into the convolution or pooling behind it, where the result is exactly the same.

* Conv pads with zeros itself: its pads grow.
* AveragePool too, if it counts what was padded (``count_include_pad``), which it then must.
* MaxPool pads with minus infinity: equal where nothing is negative, since zeros never win against it but tie.
"""

import numpy as np
import onnx_ir as ir

from edgekit.graph.edits import constant_of, input_of, is_onnx, rank_of
from edgekit.graph.passes.activations import bounds_of

_NON_NEGATIVE = ("Sigmoid", "HardSigmoid", "Softmax", "Abs", "Exp", "Softplus")
_KEEPS_SIGN = ("MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Reshape", "Transpose", "Flatten")
_SPATIAL = 2  # axes before: batch, channels
_DEEPEST = 16


def fold_pads(model: ir.Model) -> int:
    """Move zero pads into what reads them; return how many readers took theirs over."""
    count = 0
    for node in list(model.graph):
        if not is_onnx(node, "Pad") or node.inputs[0] is None:
            continue
        pads, number = _spatial_pads(node), _padded_with(node)
        if pads is None:
            continue
        for reader in {use.node for use in node.outputs[0].uses() if use.node.graph is node.graph and use.idx == 0}:
            if _takes(reader, pads, number, node.inputs[0]):
                count += _hand_over(node.inputs[0], reader, pads)
    return count


def _spatial_pads(node: ir.Node) -> list[int] | None:
    """Return (begins..., ends...) over the spatial axes; None if the node pads others, or takes away."""
    pads, rank = constant_of(input_of(node, 1)), rank_of(node.inputs[0])
    if node.attributes.get_string("mode", "constant") != "constant" or pads is None or rank is None:
        return None
    axes_given = input_of(node, 3)
    axes = constant_of(axes_given) if axes_given is not None else np.arange(rank)
    if axes is None or pads.size != 2 * axes.size or (pads < 0).any():
        return None
    full = np.zeros((2, rank), dtype=np.int64)
    full[:, axes % rank] = pads.reshape(2, -1)
    if full[:, :_SPATIAL].any() or rank <= _SPATIAL:
        return None
    return [int(length) for length in full[:, _SPATIAL:].flat]


def _padded_with(node: ir.Node) -> float | None:
    value = input_of(node, 2)
    if value is None:
        return 0.0
    numbers = constant_of(value)
    return None if numbers is None or numbers.size != 1 else float(numbers.item())


def _takes(reader: ir.Node, pads: list[int], number: float | None, source: ir.Value) -> bool:
    """Whether ``reader`` can pad by ``pads`` with ``number`` itself."""
    if reader.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    if is_onnx(reader, "Conv"):
        return number == 0
    if not is_onnx(reader, "AveragePool", "MaxPool") or reader.attributes.get_int("ceil_mode", 0) != 0:
        return False
    own = _own_pads(reader, len(pads))
    kernel = reader.attributes.get_ints("kernel_shape", ())
    if any(old + new >= length for old, new, length in zip(own, pads, [*kernel, *kernel], strict=True)):
        return False  # runtimes refuse pads as long as the window
    if reader.op_type == "AveragePool":
        return number == 0 and (bool(reader.attributes.get_int("count_include_pad", 0)) or not any(own))
    dilated = any(step != 1 for step in reader.attributes.get_ints("dilations", ()))
    indices = len(reader.outputs) > 1 and bool(reader.outputs[1].uses())
    return not dilated and not indices and (number == -np.inf or (number == 0 and _never_negative(source)))


def _own_pads(reader: ir.Node, length: int) -> list[int]:
    return list(reader.attributes.get_ints("pads", ())) or [0] * length


def _never_negative(value: ir.Value, depth: int = 0) -> bool:
    maker = value.producer()
    if maker is None or depth > _DEEPEST:
        return False
    bounds = bounds_of(maker)
    if bounds is not None:
        return min(bounds) >= 0  # crossed bounds give the upper one
    if is_onnx(maker, *_KEEPS_SIGN):
        data = maker.inputs if maker.op_type == "Concat" else maker.inputs[:1]
        return all(each is not None and _never_negative(each, depth + 1) for each in data)
    return is_onnx(maker, *_NON_NEGATIVE)


def _hand_over(source: ir.Value, reader: ir.Node, pads: list[int]) -> bool:
    total = [old + new for old, new in zip(_own_pads(reader, len(pads)), pads, strict=True)]
    reader.attributes.pop("auto_pad", None)
    reader.attributes.add(ir.AttrInt64s("pads", total))
    if reader.op_type == "AveragePool":
        reader.attributes.add(ir.AttrInt64("count_include_pad", 1))
    reader.replace_input_with(0, source)
    return True
