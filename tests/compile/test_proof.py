from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.artifact import Artifact
from edgekit.compile.onnxruntime import compile_model
from edgekit.compile.proof import difference, prove, what_ran
from edgekit.errors import CompileError
from edgekit.profiles import Target
from edgekit.runner.runtimes.base import open_session

Feeds = dict[str, np.ndarray]


def network(g: Any, *, relu_zero: int | None = None, seed_name: str = "stem") -> onnx.ModelProto:
    """Two convolutions, the second with or without a fusable Relu."""
    first = g.block(g.pair(g.input(1, 4, 8, 8)), 4, 16, name=seed_name)
    second = g.op("Relu", g.conv(first, 16, 16, name="second"))
    return g.model(g.pair(second, g.bottom if relu_zero is None else relu_zero))


@pytest.fixture
def pair(
    save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path
) -> Callable[[onnx.ModelProto], tuple[Artifact, Artifact]]:
    """Return a source and what it compiles to."""

    def run(model: onnx.ModelProto) -> tuple[Artifact, Artifact]:
        source = Artifact.of(save(model), kind="onnx")
        return source, compile_model(source, target("onnxruntime-x86"), tmp_path, threads=1)

    return run


def test_a_sound_artifact_is_proven(
    sketch: Callable[..., Any], pair: Callable[..., tuple[Artifact, Artifact]], picture: Callable[..., Feeds]
) -> None:
    source, artifact = pair(network(sketch()))
    proof = prove(artifact, source, [picture(1, 4, 8, 8), picture(1, 4, 8, 8, seed=2)], precision="int8", threads=1)

    assert proof.int8_ops_share == 1.0
    assert proof.difference == 0.0
    assert proof.findings == ()
    assert proof.load_ms > 0
    assert proof.runtime_version[0].isdigit()


def test_openvino_is_proven_against_onnx_runtime(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    target: Callable[[str], Target],
    picture: Callable[..., Feeds],
    tmp_path: Path,
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    from edgekit.compile import openvino  # noqa: PLC0415 - an extra

    source = Artifact.of(save(network(sketch())), kind="onnx")
    artifact = openvino.compile_model(source, target("openvino-cpu"), tmp_path, threads=1)
    proof = prove(artifact, source, [picture(1, 4, 8, 8)], precision="int8", threads=1)

    assert proof.int8_ops_share == 1.0
    assert proof.difference < 0.05
    assert proof.findings == ()


def test_a_convolution_that_fell_back_to_float_is_a_finding(
    sketch: Callable[..., Any], pair: Callable[..., tuple[Artifact, Artifact]], picture: Callable[..., Feeds]
) -> None:
    source, artifact = pair(network(sketch(), relu_zero=100))  # a Relu that no zero point can swallow
    proof = prove(artifact, source, [picture(1, 4, 8, 8)], precision="int8", threads=1)

    assert proof.int8_ops_share == pytest.approx(4 / 20)  # 4 and 16 input channels, alike otherwise
    assert len(proof.findings) == 1
    assert proof.findings[0].startswith("second ran in f")
    assert "80.0 % of the multiply-accumulates" in proof.findings[0]


def test_an_artifact_of_another_model_is_refused(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    pair: Callable[..., tuple[Artifact, Artifact]],
    picture: Callable[..., Feeds],
) -> None:
    _source, artifact = pair(network(sketch()))
    other = Artifact.of(save(network(sketch(seed=5)), "other.onnx"), kind="onnx")

    with pytest.raises(CompileError, match="computes something else: output 'output'"):
        prove(artifact, other, [picture(1, 4, 8, 8)], precision="int8", threads=1)


def test_an_artifact_that_does_not_load_is_a_compile_error(
    sketch: Callable[..., Any], pair: Callable[..., tuple[Artifact, Artifact]], picture: Callable[..., Feeds]
) -> None:
    source, artifact = pair(network(sketch()))
    artifact.path.write_bytes(b"\x08\x09 torn")

    with pytest.raises(CompileError, match=r"cannot load model\.onnx"):
        prove(artifact, source, [picture(1, 4, 8, 8)], precision="int8", threads=1)


def test_a_small_difference_is_told(
    sketch: Callable[..., Any], pair: Callable[..., tuple[Artifact, Artifact]], picture: Callable[..., Feeds]
) -> None:
    source, artifact = pair(network(sketch()))
    proto = onnx.load(source.path)
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT32 and "zero" not in tensor.name:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 5000, tensor.name))
    shifted = source.path.with_name("shifted.onnx")
    onnx.save(proto, shifted)
    proof = prove(artifact, Artifact.of(shifted, kind="onnx"), [picture(1, 4, 8, 8)], precision="int8", threads=1)

    assert 0.1 < proof.difference < 0.5
    assert "differs from the source's by 0." in proof.findings[0]


def test_the_options_of_an_artifact_hold_for_its_source_too(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    target: Callable[[str], Target],
    picture: Callable[..., Feeds],
    tmp_path: Path,
) -> None:
    source = Artifact.of(save(network(sketch(np.int8))), kind="onnx")
    artifact = compile_model(source, target("onnxruntime-arm"), tmp_path, threads=1)
    proof = prove(artifact, source, [picture(1, 4, 8, 8)], precision="int8", threads=1)

    assert proof.int8_ops_share == 1.0
    assert proof.difference == 0.0
    assert replace(artifact, options={}).options == {}


def test_what_ran_speaks_of_float_graphs_too(sketch: Callable[..., Any], save: Callable[..., Path]) -> None:
    g = sketch()
    weight = g.constant(np.ones((4, 3, 1, 1), np.float32))
    path = save(g.model(g.op("Conv", g.input(1, 3, 4, 4), weight, name="conv")))

    assert what_ran(path, open_session("onnxruntime", path).executed()) == (0.0, ())


def test_products_of_dynamic_quantization_count_as_integers(
    sketch: Callable[..., Any], save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path
) -> None:
    g = sketch()
    integers, scale, zero = g.op("DynamicQuantizeLinear", g.input(3, 16), outputs=3)
    weight = g.constant(g.draw.integers(-127, 128, (16, 24)).astype(np.int8))
    product = g.op("MatMulInteger", integers, weight, zero, name="product")
    factor = g.op("Mul", scale, g.constant(np.full(24, 0.01, np.float32)))
    source = Artifact.of(save(g.model(g.op("Mul", g.op("Cast", product, to=1), factor))), kind="onnx")
    artifact = compile_model(source, target("onnxruntime-x86"), tmp_path, threads=1)
    feeds = {"input": np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)}

    proof = prove(artifact, source, [feeds], precision="int8", threads=1)

    assert proof.int8_ops_share == 1.0
    assert proof.difference < 1e-6
    assert proof.findings == ()


@pytest.mark.parametrize(
    ("expected", "got", "far"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([3.0, 4.0], [3.0, 4.5], 0.1),
        ([0.0, 0.0], [0.0, 0.25], 0.25),  # nothing to be relative to
        ([np.inf, 4.0], [np.inf, 4.0], 0.0),
        ([np.inf, 4.0], [1.0, 4.0], np.inf),
        ([1.0, 4.0], [np.nan, 4.0], np.inf),
        ([1.0, 4.0], [1.0], np.inf),
    ],
)
def test_floats_are_compared_relative_to_the_expected(expected: list[float], got: list[float], far: float) -> None:
    assert difference(np.array(expected, np.float32), np.array(got, np.float32)) == pytest.approx(far, rel=1e-6)


def test_integers_are_compared_by_the_share_that_differs() -> None:
    assert difference(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4])) == 0.25
    assert difference(np.array([], np.int64), np.array([], np.int64)) == 0.0
