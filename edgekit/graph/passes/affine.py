"""A scale and a shift of each channel behind a layer melt into its weights: BatchNormalization, Mul, Add, Sub, Div.

    scale * (W x + b) + shift = (scale W) x + (scale b + shift)

The layer (Conv, ConvTranspose, Gemm, MatMul) must have constant weights and no other reader. A MatMul takes a scale
only: it has no bias. Sums are made in float64, so that folding costs no more than one rounding. What would not be
finite in float32 afterwards stays unfolded.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.graph.edits import (
    Array,
    bypass,
    constant_of,
    input_of,
    is_onnx,
    rank_of,
    set_constant,
    sole_consumer,
    static_shape,
)

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Affine:
    """``scale * x + shift``, each of shape () or (channels,), float64; ``last`` says which axis the channels are."""

    scale: Array
    shift: Array
    last: bool = False


def fold_affine(model: ir.Model) -> int:
    """Fold what follows a layer into it; return how many nodes went."""
    count = 0
    for node in list(model.graph):
        found = _read(node)
        if found is None:
            continue
        affine, data = found
        layer = data.producer()
        if layer is None or layer.graph is not node.graph or sole_consumer(data) is not node:
            continue
        if is_onnx(layer, *_LAYERS) and _fits(layer, affine, node) and _melt(layer, affine):
            count += bypass(node, data)
    return count


def _read(node: ir.Node) -> tuple[Affine, ir.Value] | None:
    """Return what ``node`` does to each channel of which value; None if it does something else."""
    if is_onnx(node, "BatchNormalization"):
        return _read_normalization(node)
    if not is_onnx(node, "Mul", "Add", "Sub", "Div") or len(node.inputs) != 2:
        return None
    turned = constant_of(node.inputs[0]) is not None
    data, other = (node.inputs[1], node.inputs[0]) if turned else (node.inputs[0], node.inputs[1])
    numbers = constant_of(other)
    if data is None or numbers is None or numbers.dtype != np.float32 or (turned and node.op_type == "Div"):
        return None
    vector = _as_channels(numbers, rank_of(data))
    if vector is None:
        return None
    affine = _of_arithmetic(node.op_type, vector[1], last=vector[0], turned=turned)
    return None if affine is None else (affine, data)


def _of_arithmetic(kind: str, values: Array, *, last: bool, turned: bool) -> Affine | None:
    """Return ``x kind values``, or ``values kind x`` where ``turned``."""
    one, none = np.ones(()), np.zeros(())
    match kind:
        case "Mul":
            return Affine(values, none, last)
        case "Div":
            return Affine(1 / values, none, last) if values.all() else None
        case "Add":
            return Affine(one, values, last)
        case _:
            return Affine(-one, values, last) if turned else Affine(one, -values, last)


def _as_channels(numbers: Array, rank: int | None) -> tuple[bool, Array] | None:
    """Return (channels lie last, vector) of a constant that is one number, (N,) for matrices or (C, 1, 1) for maps."""
    values = numbers.astype(np.float64)
    if rank is None or values.ndim > rank:
        return None
    if values.size == 1:
        return False, values.reshape(())
    shape = (1,) * (rank - values.ndim) + values.shape
    for axis, last in ((1, False), (rank - 1, True)):
        if rank > axis and shape[axis] == values.size:
            return last, values.reshape(-1)
    return None


def _read_normalization(node: ir.Node) -> tuple[Affine, ir.Value] | None:
    given = [constant_of(input_of(node, index)) for index in range(1, 5)]
    data = node.inputs[0]
    used = any(output.uses() or output.is_graph_output() for output in node.outputs[1:])
    training = node.attributes.get_int("training_mode", 0)
    if data is None or used or training:
        return None
    scale, bias, mean, variance = (None if each is None else each.astype(np.float64) for each in given)
    if scale is None or bias is None or mean is None or variance is None:
        return None
    spread = variance + node.attributes.get_float("epsilon", 1e-5)
    if not (spread > 0).all():
        return None
    slope = scale / np.sqrt(spread)
    return Affine(slope, bias - mean * slope), data


def _fits(layer: ir.Node, affine: Affine, node: ir.Node) -> bool:
    """Whether ``layer`` can take ``affine`` over exactly."""
    weight, bias = constant_of(input_of(layer, 1)), input_of(layer, 2)
    if weight is None or weight.dtype != np.float32 or (bias is not None and constant_of(bias) is None):
        return False
    if static_shape(node.outputs[0]) != static_shape(layer.outputs[0]):
        return False  # the constant widens an axis
    sizes = {each.size for each in (affine.scale, affine.shift) if each.ndim}
    if sizes and sizes != {_channels(layer, weight)}:
        return False
    if layer.op_type == "MatMul":
        rank = rank_of(layer.outputs[0])
        channels_last = affine.last or rank == 2 or not affine.scale.ndim
        return bool(weight.ndim == 2 and channels_last and not affine.shift.any())
    if layer.op_type == "Gemm":
        beta = layer.attributes.get_float("beta", 1.0) == layer.attributes.get_float("alpha", 1.0) == 1.0
        flat = constant_of(bias)
        return beta and (flat is None or (flat.size in (1, _channels(layer, weight)) and flat.ndim <= 1))
    return not affine.last or not (affine.scale.ndim or affine.shift.ndim)


def _channels(layer: ir.Node, weight: Array) -> int:
    match layer.op_type:
        case "Conv":
            return int(weight.shape[0])
        case "ConvTranspose":
            return int(weight.shape[1]) * layer.attributes.get_int("group", 1)
        case "Gemm" if layer.attributes.get_int("transB", 0) != 0:
            return int(weight.shape[0])
        case _:
            return int(weight.shape[-1])


def _melt(layer: ir.Node, affine: Affine) -> bool:
    """Write the layer's new constants; False, with nothing changed, where they are not finite."""
    weight = constant_of(input_of(layer, 1))
    if weight is None:
        raise AssertionError(layer.name)
    channels = _channels(layer, weight)
    scale = np.broadcast_to(affine.scale, (channels,))
    held = constant_of(input_of(layer, 2))
    before = np.zeros(channels) if held is None else np.broadcast_to(held.reshape(-1).astype(np.float64), (channels,))
    with np.errstate(over="ignore", invalid="ignore"):
        product = (weight * _along(layer, weight, scale)).astype(np.float32)
        after = (before * scale + affine.shift).astype(np.float32)
    if not (np.isfinite(product).all() and np.isfinite(after).all()):
        return False
    set_constant(layer, 1, product, f"{layer.name}_weight")
    if layer.op_type != "MatMul" and (held is not None or after.any()):
        set_constant(layer, 2, after, f"{layer.name}_bias")
    return True


def _along(layer: ir.Node, weight: Array, scale: Array) -> Array:
    """Return ``scale`` in the shape that multiplies the weight's output channels, float64."""
    match layer.op_type:
        case "Conv":
            return scale.reshape(-1, *[1] * (weight.ndim - 1))
        case "ConvTranspose":
            groups = layer.attributes.get_int("group", 1)
            rows = np.repeat(scale.reshape(groups, 1, -1), weight.shape[0] // groups, axis=1)
            return rows.reshape(weight.shape[0], weight.shape[1], *[1] * (weight.ndim - 2))
        case "Gemm" if layer.attributes.get_int("transB", 0) != 0:
            return scale.reshape(-1, 1)
        case _:
            return scale
