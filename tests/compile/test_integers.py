from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgekit.compile.integers import (
    hold_quantizers_behind_pools,
    quantized_source,
    sole_quantizer,
    write_integer_biases,
    write_integer_pads,
    write_pools_as_convolutions,
)
from edgekit.graph.load import load_model
from edgekit.graph.passes.shapes import infer_shapes
from edgekit.graph.save import model_bytes
from edgekit.runner.runtimes.base import open_session
from edgekit.runner.runtimes.onnxruntime import onnxruntime

Feeds = dict[str, np.ndarray]

PADS = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)


def kinds(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def run(model: ir.Model | onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    data = model_bytes(model) if isinstance(model, ir.Model) else model.SerializeToString()
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feeds)[0]


def loaded(path: Path) -> ir.Model:
    model = load_model(path)
    infer_shapes(model)
    return model


@pytest.mark.parametrize("zero", [128, 100, 0])
def test_a_pad_between_pairs_of_one_grid_pads_integers_with_the_zero_point(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds], zero: int
) -> None:
    g = sketch()
    padded = g.op("Pad", g.pair(g.input(1, 2, 5, 5), zero), g.constant(PADS))
    source = g.model(g.pair(padded, zero))
    model = loaded(save(source))
    feeds = picture(1, 2, 5, 5)

    assert write_integer_pads(model.graph) == 1

    assert kinds(model) == ["QuantizeLinear", "Pad", "DequantizeLinear", "Identity"]
    assert np.array_equal(run(model, feeds), run(source, feeds))


def test_a_reflecting_pad_needs_no_zero_point(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds]
) -> None:
    g = sketch()
    source = g.model(g.pair(g.op("Pad", g.pair(g.input(1, 2, 5, 5)), g.constant(PADS), mode="reflect")))
    model = loaded(save(source))
    feeds = picture(1, 2, 5, 5)

    assert write_integer_pads(model.graph) == 1
    assert np.array_equal(run(model, feeds), run(source, feeds))


def test_a_pad_with_another_number_or_another_grid_stays(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    one = g.pair(g.op("Pad", g.pair(g.input(1, 2, 5, 5)), g.constant(PADS), g.constant(np.float32(1.0))))
    other = g.pair(g.op("Pad", g.pair("input"), g.constant(PADS)), scale=0.07)
    model = loaded(save(g.model(one, other)))

    assert write_integer_pads(model.graph) == 0


def test_a_pad_that_floats_read_too_stays(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    padded = g.op("Pad", g.pair(g.input(1, 2, 5, 5)), g.constant(PADS))
    model = loaded(save(g.model(g.pair(padded), g.op("Tanh", padded))))

    assert write_integer_pads(model.graph) == 0


@pytest.mark.parametrize("bits", [8, 7])
@pytest.mark.parametrize("scale", [0.05, 0.031])
def test_an_average_pool_becomes_a_depthwise_convolution_within_one_step(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds], bits: int, scale: float
) -> None:
    g = sketch()
    pooled = g.op(
        "AveragePool", g.pair(g.input(1, 4, 9, 9)), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0],
        count_include_pad=1,
    )  # fmt: skip
    source = g.model(g.pair(pooled, scale=scale))
    model = loaded(save(source))
    feeds = picture(1, 4, 9, 9)

    assert write_pools_as_convolutions(model.graph, bits) == 1

    conv = next(node for node in model.graph if node.op_type == "Conv")
    weight = quantized_weight(conv)
    assert weight.shape == (4, 1, 3, 2)
    assert weight.max() == 2 ** (bits - 2)
    steps = np.abs(run(model, feeds) - run(source, feeds)) / scale
    assert steps.max() <= 1.0 + 1e-3
    assert np.mean(steps > 0.5) < 0.05  # ties only


def test_a_pool_of_two_by_two_gives_the_same_integers(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds]
) -> None:
    g = sketch()
    source = g.model(g.pair(g.op("AveragePool", g.pair(g.input(1, 4, 16, 16)), kernel_shape=[2, 2], strides=[2, 2])))
    model = loaded(save(source))
    feeds = picture(1, 4, 16, 16)

    assert write_pools_as_convolutions(model.graph, 8) == 1
    assert np.array_equal(run(model, feeds), run(source, feeds))


def quantized_weight(conv: ir.Node) -> np.ndarray:
    return conv.inputs[1].producer().inputs[0].const_value.numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},  # borders are divided by fewer
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},  # so is the last window
        {"kernel_shape": [9, 9]},  # the whole picture: one window
        {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"},
    ],
)
def test_an_average_pool_that_no_convolution_equals_stays(
    sketch: Callable[..., Any], save: Callable[..., Path], settings: dict[str, Any]
) -> None:
    g = sketch()
    source = g.model(g.pair(g.op("AveragePool", g.pair(g.input(1, 4, 9, 9)), **settings)))
    model = loaded(save(source))

    assert write_pools_as_convolutions(model.graph, 8) == 0


def test_a_pool_of_floats_or_of_free_channels_stays(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    free = g.pair(g.op("AveragePool", g.pair(g.input(1, "c", 8, 8, name="free")), **pool))
    floats = g.pair(g.op("AveragePool", g.input(1, 4, 8, 8), **pool))
    model = loaded(save(g.model(free, floats)))

    assert write_pools_as_convolutions(model.graph, 8) == 0


def test_pairs_are_found_by_their_grid_and_their_only_reader(
    sketch: Callable[..., Any], save: Callable[..., Path]
) -> None:
    g = sketch()
    value = g.pair(g.input(1, 2, 4, 4))
    model = loaded(save(g.model(g.op("Relu", value))))
    quantize, dequantize, relu, _end = model.graph

    assert quantized_source(relu.inputs[0]) is dequantize
    assert quantized_source(quantize.inputs[0]) is None
    assert quantized_source(None) is None
    assert sole_quantizer(model.graph.inputs[0]) is quantize
    assert sole_quantizer(relu.outputs[0]) is None


def product(g: Any, *, rows: tuple[int, ...] = (1, 5), bias: np.ndarray, axis: int | None = 1) -> onnx.ModelProto:
    """MatMul with an integer weight, and a constant added to it, the result in float."""
    data = g.pair(g.input(*rows, 8))
    return g.model(g.op("Add", g.op("MatMul", data, g.weight((8, 6), axis=axis), name="product"), g.constant(bias)))


@pytest.mark.parametrize("axis", [1, None])
@pytest.mark.parametrize("rows", [(3,), (1, 5)])
def test_what_is_added_to_an_integer_product_becomes_int32_and_the_product_runs_on_integers(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    tmp_path: Path,
    rows: tuple[int, ...],
    axis: int | None,
) -> None:
    source = product(sketch(), rows=rows, bias=np.linspace(-1, 1, 6, dtype=np.float32), axis=axis)
    model = loaded(save(source))
    feeds = {"input": np.random.default_rng(1).uniform(-6, 6, (*rows, 8)).astype(np.float32)}

    assert write_integer_biases(model.graph) == 1

    written = tmp_path / "written.onnx"
    written.write_bytes(model_bytes(model))
    assert "QGemm" in {each.kind for each in open_session("onnxruntime", written).executed()}
    assert "QGemm" not in {each.kind for each in open_session("onnxruntime", save(source)).executed()}
    assert np.abs(run(model, feeds) - run(source, feeds)).max() < 1e-3


@pytest.mark.parametrize(
    "bias",
    [
        np.full(6, 1e9, np.float32),  # more steps than int32 holds
        np.zeros((5, 6), np.float32),  # another number in each row
        np.zeros(1, np.float32),
    ],
)
def test_what_no_integer_bias_can_say_stays(
    sketch: Callable[..., Any], save: Callable[..., Path], bias: np.ndarray
) -> None:
    model = loaded(save(product(sketch(), bias=bias)))

    assert write_integer_biases(model.graph) == 0


def test_a_product_of_floats_or_with_two_readers_stays(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    value, bias = g.input(1, 5, 8), g.constant(np.zeros(6, np.float32))
    floats = g.op("Add", g.op("MatMul", value, g.weight((8, 6), axis=1)), bias)
    shared = g.op("MatMul", g.pair(value), g.weight((8, 6), axis=1))
    model = loaded(save(g.model(floats, g.op("Add", shared, bias), g.op("Tanh", shared))))

    assert write_integer_biases(model.graph) == 0


def float_stem(g: Any) -> onnx.ModelProto:
    """A float Conv and MaxPool in front of an integer Conv."""
    weight = g.constant(g.draw.normal(size=(16, 3, 3, 3)).astype(np.float32))
    stem = g.op("Relu", g.op("Conv", g.input(1, 3, 16, 16), weight, kernel_shape=[3, 3], name="stem"))
    pooled = g.op("MaxPool", stem, kernel_shape=[2, 2], strides=[2, 2])
    return g.model(g.block(g.pair(pooled, 0, 0.2), 16, 16, name="second"))


def test_a_max_pool_of_floats_is_not_turned_into_one_of_integers(
    sketch: Callable[..., Any], save: Callable[..., Path], picture: Callable[..., Feeds], tmp_path: Path
) -> None:
    source = float_stem(sketch())
    model, feeds = loaded(save(source)), picture(1, 3, 16, 16)

    assert hold_quantizers_behind_pools(model.graph) == 1

    written = tmp_path / "written.onnx"
    written.write_bytes(model_bytes(model))
    pools = {
        each.kind: each.precision for each in open_session("onnxruntime", written).executed() if "MaxPool" in each.kind
    }
    unheld = {each.precision for each in open_session("onnxruntime", save(source)).executed() if "MaxPool" in each.kind}
    assert pools == {"MaxPool": "f32"}
    assert unheld == {"int8"}  # what ONNX Runtime does by itself
    assert np.array_equal(run(model, feeds), run(source, feeds))


def test_a_max_pool_of_integers_or_for_floats_alone_is_not_held(
    sketch: Callable[..., Any], save: Callable[..., Path]
) -> None:
    g = sketch()
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    integers = g.pair(g.op("MaxPool", g.pair(g.input(1, 4, 8, 8)), **pool))
    floats = g.op("Tanh", g.op("MaxPool", "input", **pool))
    model = loaded(save(g.model(integers, floats)))

    assert hold_quantizers_behind_pools(model.graph) == 0
