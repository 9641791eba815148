from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgekit.compile.lanes import widen_channels
from edgekit.graph.load import load_model
from edgekit.graph.passes.shapes import infer_shapes
from edgekit.graph.save import model_bytes
from edgekit.profiles import Lanes
from edgekit.runner.runtimes.onnxruntime import onnxruntime

Feeds = dict[str, np.ndarray]

X86 = Lanes(inputs=4, outputs=4, outputs_least=16, depthwise=16)
ARM = Lanes(depthwise=16)


def widened(path: Path, lanes: Lanes) -> tuple[ir.Model, int]:
    model = load_model(path)
    infer_shapes(model)
    count = widen_channels(model.graph, lanes)
    return model, count


def weights(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Convolution -> the shape of its integer weight."""
    proto = onnx.load_from_string(model_bytes(model))
    held = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    reads = {node.output[0]: node.input[0] for node in proto.graph.node if node.op_type == "DequantizeLinear"}
    return {node.name: held[reads[node.input[1]]] for node in proto.graph.node if node.op_type == "Conv"}


def run(data: bytes, feeds: Feeds, *, plain: bool = False) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    if plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def separable(g: Any, *, batch: int | str = 1) -> onnx.ModelProto:
    stem = g.block(g.pair(g.input(batch, 3, 8, 8)), 3, 8, name="stem", strides=[2, 2])
    deep = g.block(g.pair(g.op("MaxPool", stem, kernel_shape=[2, 2]), g.bottom), 8, 8, group=8, name="deep")
    return g.model(g.block(deep, 8, 20, kernel=1, name="point"))


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("activation", [np.uint8, np.int8])
def test_channels_are_widened_and_no_number_changes(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds], activation: type, plain: bool
) -> None:
    source = separable(sketch(activation))
    model, count = widened(save(source), X86)
    feeds = picture(1, 3, 8, 8)

    assert count > 0
    assert weights(model) == {"stem": (16, 4, 3, 3), "deep": (16, 1, 3, 3), "point": (20, 16, 1, 1)}
    expected, got = run(source.SerializeToString(), feeds, plain=plain), run(model_bytes(model), feeds, plain=plain)
    assert np.array_equal(expected[0], got[0])


def test_a_free_batch_stays_free(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds]
) -> None:
    source = separable(sketch(), batch="n")
    model, count = widened(save(source), X86)
    feeds = picture(3, 3, 8, 8)

    assert count > 0
    assert np.array_equal(run(source.SerializeToString(), feeds)[0], run(model_bytes(model), feeds)[0])


def test_only_what_the_target_asks_for_is_widened(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    model, _count = widened(save(separable(sketch())), ARM)

    assert weights(model) == {"stem": (16, 3, 3, 3), "deep": (16, 1, 3, 3), "point": (20, 16, 1, 1)}
    assert all(node.op_type != "Pad" for node in model.graph)


def test_whole_lanes_are_left_alone(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    stem = g.block(g.pair(g.input(1, 4, 8, 8)), 4, 16, name="stem")
    path = save(g.model(g.block(g.block(stem, 16, 16, group=16), 16, 32, kernel=1)))
    model, count = widened(path, X86)

    assert count == 0
    assert weights(model) == weights(load_model(path))


def test_what_others_see_keeps_its_channels(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds]
) -> None:
    g = sketch()
    stem = g.block(g.pair(g.input(1, 4, 8, 8)), 4, 6, name="stem")
    deep = g.block(stem, 6, 6, group=6, name="deep")
    source = g.model(g.block(deep, 6, 8, name="last"), g.op("Tanh", stem))
    model, count = widened(save(source), X86)
    feeds = picture(1, 4, 8, 8)

    assert count == 0
    assert weights(model)["deep"] == (6, 1, 3, 3)
    for expected, got in zip(run(source.SerializeToString(), feeds), run(model_bytes(model), feeds), strict=True):
        assert np.array_equal(expected, got)


def test_a_picture_that_floats_read_too_keeps_its_own_pair(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds]
) -> None:
    g = sketch()
    picture_pair = g.pair(g.input(1, 3, 8, 8))
    source = g.model(g.block(picture_pair, 3, 16, name="stem"), g.op("Tanh", picture_pair))
    model, count = widened(save(source), X86)
    feeds = picture(1, 3, 8, 8)

    assert count == 1
    assert weights(model)["stem"] == (16, 4, 3, 3)
    for expected, got in zip(run(source.SerializeToString(), feeds), run(model_bytes(model), feeds), strict=True):
        assert np.array_equal(expected, got)


def test_weights_with_one_scale_and_float_biases_are_widened_too(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds]
) -> None:
    g = sketch()
    value = g.pair(g.input(1, 4, 8, 8))
    bias = g.constant(np.linspace(-1, 1, 6, dtype=np.float32))
    first = g.op("Conv", value, g.weight((6, 4, 1, 1), axis=None), bias, name="first")
    second = g.block(g.pair(g.op("Relu", first), 0), 6, 8, name="second")
    source = g.model(second)
    model, count = widened(save(source), X86)
    feeds = picture(1, 4, 8, 8)

    assert count > 0
    assert weights(model) == {"first": (16, 4, 1, 1), "second": (8, 16, 3, 3)}
    assert np.array_equal(run(source.SerializeToString(), feeds)[0], run(model_bytes(model), feeds)[0])
