"""Operators of opset 7 to 12 said in the words of opset 13, one rule for each.

A rule edits its node in place or puts others in its place, and raises :class:`Unsayable` where opset 13 cannot say it.
"""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgekit.graph.edits import add_constant, constant_of, graph_of, input_of, replace

_SLICE_TOOK_INPUTS = 10
_TOPK_TOOK_INPUTS = 10
_PAD_TOOK_INPUTS = 11
_RESIZE_TOOK_REGIONS = 11
_UPSAMPLE_TOOK_SCALES = 9
_DROPOUT_MASK_DEFINED = 10
_SPATIAL_ENDED = 9
_SCAN_LOST_BATCH = 9


class Unsayable(Exception):
    """Opset 13 has no words for this setting of an operator."""


def _take(node: ir.Node, name: str) -> ir.Attr | None:
    return node.attributes.pop(name, None)


def _append_ints(node: ir.Node, index: int, name: str, numbers: object) -> None:
    """Write an attribute's integers as constant input ``index``."""
    constant = add_constant(graph_of(node), f"{node.outputs[0].name}_{name}", np.asarray(numbers, dtype=np.int64))
    node.resize_inputs(max(index + 1, len(node.inputs)))
    node.replace_input_with(index, constant)


def _axes_to_input(node: ir.Node, _opset: int) -> None:
    """Squeeze, Unsqueeze and ReduceSum take their axes as an input since opset 13."""
    axes = _take(node, "axes")
    if axes is not None:
        _append_ints(node, 1, "axes", axes.as_ints())


def _raise_split(node: ir.Node, _opset: int) -> None:
    lengths = _take(node, "split")
    if lengths is not None:
        _append_ints(node, 1, "split", lengths.as_ints())


def _raise_slice(node: ir.Node, opset: int) -> None:
    if opset >= _SLICE_TOOK_INPUTS:
        return
    starts, ends, axes = _take(node, "starts"), _take(node, "ends"), _take(node, "axes")
    if starts is None or ends is None:
        raise Unsayable("it has no starts or no ends")
    _append_ints(node, 1, "starts", starts.as_ints())
    _append_ints(node, 2, "ends", ends.as_ints())
    _append_ints(node, 3, "axes", axes.as_ints() if axes else range(len(starts.as_ints())))


def _raise_topk(node: ir.Node, opset: int) -> None:
    count = _take(node, "k")
    if opset < _TOPK_TOOK_INPUTS and count is not None:
        _append_ints(node, 1, "k", [count.as_int()])


def _append_float(node: ir.Node, index: int, name: str, number: float) -> None:
    value = node.inputs[0]
    dtype = value.dtype if value is not None and value.dtype is not None else ir.DataType.FLOAT
    constant = add_constant(graph_of(node), f"{node.outputs[0].name}_{name}", np.asarray(number, dtype=dtype.numpy()))
    node.resize_inputs(max(index + 1, len(node.inputs)))
    node.replace_input_with(index, constant)


def _raise_clip(node: ir.Node, _opset: int) -> None:
    """Clip takes its bounds as inputs since opset 11; the old defaults were the ends of float32."""
    for index, name in ((1, "min"), (2, "max")):
        bound = _take(node, name)
        if bound is not None:
            _append_float(node, index, name, bound.as_float())


def _raise_pad(node: ir.Node, opset: int) -> None:
    if opset >= _PAD_TOOK_INPUTS:
        return
    pads, number = _take(node, "pads"), _take(node, "value")
    if pads is None:
        raise Unsayable("it has no pads")
    _append_ints(node, 1, "pads", pads.as_ints())
    _append_float(node, 2, "value", number.as_float() if number else 0.0)


def _raise_dropout(node: ir.Node, opset: int) -> None:
    """Dropout of inference hands its input through; the mask of the oldest ones was never defined there."""
    _take(node, "ratio")
    if opset < _DROPOUT_MASK_DEFINED and len(node.outputs) > 1 and node.outputs[1].uses():
        raise Unsayable("its mask is used")


def _raise_batch_normalization(node: ir.Node, opset: int) -> None:
    spatial = _take(node, "spatial")
    if opset < _SPATIAL_ENDED and spatial is not None and spatial.as_int() == 0:
        raise Unsayable("spatial=0")
    if any(output.uses() or output.is_graph_output() for output in node.outputs[1:]):
        raise Unsayable("it is in training mode")
    node.resize_outputs(1)


def _raise_softmax(node: ir.Node, _opset: int) -> None:
    """Softmax, LogSoftmax and Hardmax worked on the input folded to two axes at ``axis`` (default 1).

    In opset 13: Flatten(axis) -> the same over the last axis -> Reshape to what it was. Where only the last axis
    is folded, the operator alone says it.
    """
    value = node.inputs[0]
    rank = len(value.shape) if value is not None and value.shape is not None else None
    attribute = _take(node, "axis")
    axis = 1 if attribute is None else attribute.as_int()
    if rank is not None and axis % max(rank, 1) == rank - 1:
        node.attributes.add(ir.AttrInt64("axis", -1))
        return
    output = node.outputs[0]
    flat = ir.node("Flatten", [value], {"axis": axis})
    inner = ir.node(node.op_type, flat.outputs, {"axis": -1})
    shape = ir.node("Shape", [value])
    back = ir.node("Reshape", [inner.outputs[0], shape.outputs[0]])
    for index, made in enumerate((flat, inner, shape)):
        made.outputs[0].name = f"{output.name}_{('flat', 'folded', 'shape')[index]}"
    nodes = [flat, inner, shape, back]
    for made in nodes:
        made.name = f"{node.name or node.op_type}_{made.op_type}"
    inner.name = node.name
    replace(node, nodes)


def _raise_scatter(node: ir.Node, _opset: int) -> None:
    node.op_type = "ScatterElements"


def _raise_scan(_node: ir.Node, opset: int) -> None:
    if opset < _SCAN_LOST_BATCH:
        raise Unsayable("Scan with a batch axis")


def _raise_upsample(node: ir.Node, opset: int) -> None:
    """Upsample is Resize with coordinates ``x_original = x_resized / scale``, cut off to the left neighbour."""
    if opset < _UPSAMPLE_TOOK_SCALES:
        scales = _take(node, "scales")
        if scales is None:
            raise Unsayable("it has no scales")
        numbers = np.asarray(scales.as_floats(), dtype=np.float32)
        node.resize_inputs(2)
        node.replace_input_with(1, add_constant(graph_of(node), f"{node.outputs[0].name}_scales", numbers))
    node.op_type = "Resize"
    _raise_resize(node, _RESIZE_TOOK_REGIONS - 1)


def _raise_resize(node: ir.Node, opset: int) -> None:
    """Resize of opset 10 had no modes: asymmetric coordinates, and the nearest pixel was cut off or rounded up.

    ONNX Runtime cuts off where it enlarges and rounds up where it shrinks; one node cannot do both.
    """
    if opset >= _RESIZE_TOOK_REGIONS:
        if node.attributes.get_string("coordinate_transformation_mode", "") == "tf_half_pixel_for_nn":
            raise Unsayable("its coordinates are tf_half_pixel_for_nn")
        for index in (1, 2):  # opset 11 wanted a region and scales even where empty
            numbers = constant_of(input_of(node, index))
            if numbers is not None and numbers.size == 0:
                node.replace_input_with(index, None)
        return
    scales = constant_of(input_of(node, 1))
    if scales is None:
        raise Unsayable("its scales are not constant")
    shrinks, grows = bool((scales < 1).any()), bool((scales > 1).any())
    nearest = node.attributes.get_string("mode", "nearest") == "nearest"
    if nearest and shrinks and grows:
        raise Unsayable("it shrinks and enlarges at once")
    node.attributes.add(ir.AttrString("coordinate_transformation_mode", "asymmetric"))
    if nearest:
        node.attributes.add(ir.AttrString("nearest_mode", "ceil" if shrinks else "floor"))
    held = node.inputs[1]
    node.resize_inputs(3)
    node.replace_input_with(1, None)
    node.replace_input_with(2, held)


REWRITES: dict[str, Callable[[ir.Node, int], None]] = {
    "BatchNormalization": _raise_batch_normalization,
    "Clip": _raise_clip,
    "Dropout": _raise_dropout,
    "Hardmax": _raise_softmax,
    "LogSoftmax": _raise_softmax,
    "Pad": _raise_pad,
    "ReduceSum": _axes_to_input,
    "Resize": _raise_resize,
    "Scan": _raise_scan,
    "Scatter": _raise_scatter,
    "Slice": _raise_slice,
    "Softmax": _raise_softmax,
    "Split": _raise_split,
    "Squeeze": _axes_to_input,
    "TopK": _raise_topk,
    "Unsqueeze": _axes_to_input,
    "Upsample": _raise_upsample,
}
