"""Lanes: channels padded with zeros to the counts that a runtime's integer convolutions take whole.

A picture with 3 channels, or a depthwise convolution over 24, falls out of the runtime's vectorised kernels and runs
two to five times slower than with 4 or 32. So channels are added whose weights and biases are zero, from the
convolution that makes them to those that read them, which give them zero weights: every number of the model stays.

    Q -> Conv 3 to 24 -> Q -> depthwise Conv 24 -> Q -> Conv 24 to 24 -> Q
    Q -> Pad -> Conv 4 to 32 -> Q -> depthwise Conv 32 -> Q -> Conv 32 to 24 -> Q

Rules:

* A space (:mod:`~edgekit.compile.spaces`) is widened only if dense integer convolutions make and read it and nobody
  else sees its channels.
* The graph's input is widened by a Pad on its integers, in front of the convolution that wants it.
"""

from math import lcm

import numpy as np
import onnx_ir as ir

from edgekit.compile.integers import quantized_source
from edgekit.compile.spaces import Space, channels_of, constant_reader, find_spaces, integer_weight_shape, is_dense
from edgekit.graph.edits import Array, add_constant, constant_of, graph_of, input_of
from edgekit.profiles import Lanes

_MOST_STEM_CHANNELS = 3


def widen_channels(graph: ir.Graph, lanes: Lanes) -> int:
    """Pad the channels of integer convolutions to what ``lanes`` asks for; return how many values were widened.

    Args:
        graph: a Q/DQ graph with shapes inferred; the shapes of widened values are corrected.
        lanes: the target's.
    """
    widened = 0
    for space in find_spaces(graph):
        missing = _missing(space, lanes)
        if missing:
            _widen(space, missing)
            widened += len(space.values)
    return widened + sum(_widen_input(node, lanes) for node in list(graph) if is_dense(node))


def _missing(space: Space, lanes: Lanes) -> int:
    """How many channels the kernels want beyond those that there are; none where the space may not be widened."""
    count = space.channels
    if space.blocked or not space.makers or count is None:
        return 0
    multiple = lcm(lanes.depthwise if space.depthwise else 1, lanes.inputs if space.readers else 1, lanes.outputs)
    return -(-max(count, lanes.outputs_least) // multiple) * multiple - count


def _widen(space: Space, missing: int) -> None:
    """Give every value of a space ``missing`` more channels, of zeros."""
    for node in (*space.makers, *space.depthwise):
        _pad_constant(node, 1, 0, missing)
        if input_of(node, 2) is not None:
            _pad_constant(node, 2, 0, missing)
    for node in space.readers:
        _pad_constant(node, 1, 1, missing)
    for node in space.depthwise:
        node.attributes["group"] = ir.AttrInt64("group", node.attributes["group"].as_int() + missing)
    for value in space.values:
        value.shape = _wider(value, missing)


def _wider(value: ir.Value, missing: int) -> ir.Shape:
    if value.shape is None:
        raise TypeError(f"the channels of {value.name!r} are not known")
    return ir.Shape([(channels_of(value) or 0) + missing if axis == 1 else dim for axis, dim in enumerate(value.shape)])


def _pad_constant(node: ir.Node, index: int, axis: int, missing: int) -> None:
    """Pad the constant that input ``index`` reads, directly or through a DequantizeLinear."""
    graph = graph_of(node)
    value = node.inputs[index]
    read = constant_reader(value)
    if read is None:
        node.replace_input_with(index, _padded(graph, value, axis, missing))
        return
    grid = list(read.inputs[1:])
    if axis == 0:  # a channel more needs a scale more: the last one again, any will do for zeros
        grid = [_padded(graph, each, 0, missing, edge=True) for each in grid]
    stored = _padded(graph, read.inputs[0], axis, missing)
    fresh = ir.node("DequantizeLinear", [stored, *grid], dict(read.attributes), num_outputs=1)
    graph.insert_before(node, fresh)
    node.replace_input_with(index, fresh.outputs[0])
    if not read.outputs[0].uses():
        graph.remove(read, safe=True)


def _padded(graph: ir.Graph, value: ir.Value | None, axis: int, missing: int, *, edge: bool = False) -> ir.Value:
    """Return a constant with ``missing`` more entries along ``axis``; one number for all channels stays as it is."""
    array = constant_of(value)
    if value is None or array is None:
        raise TypeError("only constants are padded")
    if edge and array.size == 1:
        return value
    widths = [(0, missing if each == axis else 0) for each in range(array.ndim)]
    wider: Array = np.pad(array, widths, mode="edge" if edge else "constant")
    return add_constant(graph, f"{value.name}_wide", wider)


def _widen_input(node: ir.Node, lanes: Lanes) -> bool:
    """Pad the integers of a picture for a dense integer convolution that reads the graph's input."""
    picture = node.inputs[0]
    read, count, shape = quantized_source(picture), channels_of(picture), integer_weight_shape(node)
    if picture is None or read is None or count is None or shape is None or count > _MOST_STEM_CHANNELS:
        return False
    missing = -count % lanes.inputs
    quantizer = None if read.inputs[0] is None else read.inputs[0].producer()
    source = None if quantizer is None else quantizer.inputs[0]
    takes_kernel = shape[0] >= lanes.outputs_least and not shape[0] % lanes.outputs
    if not missing or not takes_kernel or source is None or not source.is_graph_input():
        return False
    _insert_pad(node, picture, read, missing)
    _pad_constant(node, 1, 1, missing)
    return True


def _insert_pad(node: ir.Node, picture: ir.Value, read: ir.Node, missing: int) -> None:
    """Let ``node`` read ``missing`` more channels, all at the zero point, beside those that ``read`` gives."""
    graph = graph_of(node)
    shape = _wider(picture, missing)
    behind = [missing if axis == 1 else 0 for axis in range(len(shape))]
    pads = add_constant(graph, "lanes", np.array([0] * len(shape) + behind, np.int64))
    pad = ir.node("Pad", [read.inputs[0], pads, read.inputs[2]], num_outputs=1)
    wide = ir.node("DequantizeLinear", [pad.outputs[0], *read.inputs[1:]], num_outputs=1)
    wide.outputs[0].shape, wide.outputs[0].type = shape, picture.type
    graph.insert_before(node, [pad, wide])
    node.replace_input_with(0, wide.outputs[0])
    if not picture.uses():
        graph.remove(read, safe=True)
