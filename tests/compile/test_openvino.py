import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgekit.artifact import Artifact
from edgekit.errors import CompileError
from edgekit.graph.load import load_model
from edgekit.profiles import Target
from edgekit.runner.runtimes.base import open_session

pytest.importorskip("openvino", reason="OpenVINO is an extra")

from edgekit.compile.openvino import compile_model, unfold_biases

Feeds = dict[str, np.ndarray]
HERE = "openvino-cpu"


def residual(g: Any, batch: int | str = 1) -> onnx.ModelProto:
    """Stem, depthwise block, residual Add, pool and Gemm."""
    first = g.block(g.pair(g.input(batch, 3, 12, 12)), 3, 8, name="stem")
    deep = g.block(first, 8, 8, group=8, name="deep")
    total = g.pair(g.op("Relu", g.op("Add", g.pair(g.conv(deep, 8, 8, kernel=1, name="point")), first)), g.bottom)
    pooled = g.pair(g.op("AveragePool", total, kernel_shape=[2, 2], strides=[2, 2]), g.bottom)
    flat = g.pair(g.op("Flatten", pooled), g.bottom)
    weight = g.weight((10, 8 * 36), name="fc_weight")
    return g.model(g.op("Gemm", flat, weight, g.bias(10), transB=1, name="fc"))


@pytest.fixture
def compiled(save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path) -> Callable[..., Artifact]:
    def run(source: onnx.ModelProto, name: str = HERE, folder: str = "out") -> Artifact:
        (tmp_path / folder).mkdir(exist_ok=True)
        return compile_model(Artifact.of(save(source), kind="onnx"), target(name), tmp_path / folder, threads=1)

    return run


def infer(artifact: Artifact, feeds: Feeds) -> np.ndarray:
    return open_session("openvino", artifact.path, options=artifact.options).infer(feeds)["output"]


@pytest.mark.parametrize("settings", [(np.uint8, 1), (np.uint8, "n"), (np.int8, 1)])
def test_an_ir_is_near_the_quantized_graph(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    compiled: Callable[..., Artifact],
    picture: Callable[..., Feeds],
    settings: tuple[type, int | str],
) -> None:
    activation, batch = settings
    source, feeds = residual(sketch(activation), batch), picture(1, 3, 12, 12)
    expected = open_session("onnxruntime", save(source)).infer(feeds)["output"]

    got = infer(compiled(source), feeds)

    assert np.linalg.norm(got - expected) < 0.03 * np.linalg.norm(expected)
    assert np.unique(got).size > 3


def test_weighted_operators_run_on_integers_under_their_names(
    sketch: Callable[..., Any], compiled: Callable[..., Artifact]
) -> None:
    artifact = compiled(residual(sketch()))
    executed = open_session("openvino", artifact.path, options=artifact.options).executed()
    named = {each.name.split(",")[0].split("/")[0]: each for each in executed}

    assert {name: named[name].precision for name in ("stem", "deep", "point", "fc")} == dict.fromkeys(
        ("stem", "deep", "point", "fc"), "int8"
    )


def test_the_artifact_says_what_it_is(
    sketch: Callable[..., Any], save: Callable[..., Path], compiled: Callable[..., Artifact]
) -> None:
    source = residual(sketch())
    artifact = compiled(source)

    assert artifact.kind == "openvino"
    assert artifact.path.name == "model.xml"
    assert [record.path for record in artifact.files] == ["model.bin", "model.xml"]
    assert artifact.options == {"INFERENCE_PRECISION_HINT": "f32"}
    assert artifact.parent == Artifact.of(save(source), kind="onnx").sha256
    assert sorted(each.name for each in artifact.path.parent.iterdir()) == ["model.bin", "model.xml"]


def test_another_device_is_an_option(sketch: Callable[..., Any], compiled: Callable[..., Artifact]) -> None:
    assert compiled(residual(sketch()), "openvino-npu").options["device"] == "NPU"


def test_pairs_fold_constants_are_shared_and_names_are_short(
    sketch: Callable[..., Any], compiled: Callable[..., Artifact]
) -> None:
    artifact = compiled(residual(sketch()))
    net = ET.fromstring(artifact.path.read_text())  # noqa: S314 - written by the test
    layers = list(net.iter("layer"))
    kinds = [layer.get("type") for layer in layers]
    constants = [tuple(sorted(data.attrib.items())) for data in net.findall("layers/layer[@type='Const']/data")]

    assert kinds.count("FakeQuantize") == 7
    assert "Round" not in kinds
    assert len(constants) == len(set(constants))
    assert all(dict(each)["element_type"] != "i32" for each in constants)
    kept = {"input", "stem", "deep", "point", "fc", "output/sink_port_0"}
    assert all(len(str(layer.get("name"))) <= 3 for layer in layers if layer.get("name") not in kept)
    assert kept <= {layer.get("name") for layer in layers}


def test_weights_take_one_byte_each(sketch: Callable[..., Any], compiled: Callable[..., Artifact]) -> None:
    g = sketch()
    source = g.model(g.block(g.pair(g.input(1, 64, 4, 4)), 64, 128, name="conv"))
    artifact = compiled(source)
    weights = next(record.size_bytes for record in artifact.files if record.path == "model.bin")

    assert 64 * 128 * 9 <= weights < 64 * 128 * 9 + 128 * 16


@pytest.mark.parametrize("stored_as", [("openvino-cpu-fp32", 4), ("openvino-cpu-fp16", 2)])
def test_float_weights_take_what_the_target_says(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    compiled: Callable[..., Artifact],
    picture: Callable[..., Feeds],
    stored_as: tuple[str, int],
) -> None:
    g, (name, bytes_each) = sketch(), stored_as
    weight = g.constant(np.random.default_rng(0).normal(size=(32, 16, 3, 3)).astype(np.float32))
    source = g.model(g.op("Conv", g.input(1, 16, 6, 6), weight, kernel_shape=[3, 3], name="conv"))
    artifact, feeds = compiled(source, name), picture(1, 16, 6, 6)
    stored = next(record.size_bytes for record in artifact.files if record.path == "model.bin")

    assert stored == pytest.approx(32 * 16 * 9 * bytes_each, abs=64)
    expected = open_session("onnxruntime", save(source)).infer(feeds)["output"]
    tolerance = {4: 1e-5, 2: 2e-3}[bytes_each]
    assert np.linalg.norm(infer(artifact, feeds) - expected) < tolerance * np.linalg.norm(expected)


def test_bf16_is_arithmetic_and_halves_the_file(
    sketch: Callable[..., Any], compiled: Callable[..., Artifact], target: Callable[[str], Target]
) -> None:
    g = sketch()
    weight = g.constant(np.random.default_rng(0).normal(size=(32, 16, 3, 3)).astype(np.float32))
    source = g.model(g.op("Conv", g.input(1, 16, 6, 6), weight, kernel_shape=[3, 3], name="conv"))
    artifact = compiled(source, "openvino-cpu-bf16")

    assert artifact.options == {"INFERENCE_PRECISION_HINT": "bf16"}
    assert artifact.size_bytes < 32 * 16 * 9 * 3
    assert target("openvino-cpu-bf16").isa == ("avx512_bf16|amx_bf16",)


def test_integer_biases_become_the_floats_that_they_stand_for(
    sketch: Callable[..., Any], save: Callable[..., Path]
) -> None:
    g = sketch()
    path = save(g.model(g.block(g.pair(g.input(1, 3, 6, 6)), 3, 4, name="conv")))
    proto = onnx.load(path)
    held = {each.name: onnx.numpy_helper.to_array(each) for each in proto.graph.initializer}
    bias = next(node for node in proto.graph.node if node.op_type == "DequantizeLinear" and "bias" in node.input[0])
    expected = held[bias.input[0]].astype(np.float64) * held[bias.input[1]]
    model = load_model(path)

    unfold_biases(model.graph)

    conv = next(node for node in model.graph if node.op_type == "Conv")
    assert isinstance(conv.inputs[2], ir.Value)
    assert np.allclose(conv.inputs[2].const_value.numpy(), expected, rtol=1e-7)  # type: ignore[union-attr]
    assert sum(node.op_type == "DequantizeLinear" for node in model.graph) == 3


def test_two_processes_write_the_same_bytes(
    sketch: Callable[..., Any], save: Callable[..., Path], compiled: Callable[..., Artifact], root: Path, tmp_path: Path
) -> None:
    path = save(residual(sketch()))
    here = [hashlib.sha256(each.read_bytes()).hexdigest() for each in _files(compiled(onnx.load(path)))]
    program = (
        "import sys, pathlib, hashlib\n"
        "from edgekit.artifact import Artifact\n"
        "from edgekit.compile.openvino import compile_model\n"
        "from edgekit.profiles import Target\n"
        "from edgekit.reading import read_toml\n"
        "target = read_toml(pathlib.Path(sys.argv[2]), Target, what='target')\n"
        "folder = pathlib.Path(sys.argv[3])\n"
        "compile_model(Artifact.of(pathlib.Path(sys.argv[1]), kind='onnx'), target, folder, threads=2)\n"
        "for each in sorted(folder.iterdir()): print(hashlib.sha256(each.read_bytes()).hexdigest())\n"
    )
    (tmp_path / "again").mkdir()
    words = [sys.executable, "-c", program, str(path), str(root / f"targets/{HERE}.toml"), str(tmp_path / "again")]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run(words, capture_output=True, text=True, check=True, cwd=root, env=environment)

    assert there.stdout.split() == here


def _files(artifact: Artifact) -> list[Path]:
    return [artifact.path.parent / record.path for record in artifact.files]


def test_an_operator_that_openvino_lacks_is_a_compile_error(
    save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path
) -> None:
    grams = {"min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "mode": "TF"}
    pool = {"ngram_counts": [0], "ngram_indexes": [0], "pool_int64s": [1]}
    node = helper.make_node("TfIdfVectorizer", ["input"], ["output"], **grams, **pool)
    port = helper.make_tensor_value_info("input", TensorProto.INT64, [4])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1])
    graph = helper.make_graph([node], "rare", [port], [result])
    path = save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))

    with pytest.raises(CompileError, match="OpenVINO cannot convert") as caught:
        compile_model(Artifact.of(path, kind="onnx"), target(HERE), tmp_path, threads=1)
    assert "ONNX Runtime target" in caught.value.hint
    assert not list(tmp_path.glob("model.*"))
