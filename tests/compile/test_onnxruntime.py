import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact import Artifact
from edgekit.compile.onnxruntime import _rename_folded, compile_model
from edgekit.errors import CompileError
from edgekit.profiles import Target
from edgekit.runner.runtimes.base import open_session

Feeds = dict[str, np.ndarray]

HERE = "onnxruntime-x86"
ELSEWHERE = "onnxruntime-arm"


def residual(g: Any, batch: int | str = 1) -> onnx.ModelProto:
    """Stem, depthwise block, residual Add, average pool, Gemm: what the rewrites are about."""
    first = g.block(g.pair(g.input(batch, 3, 12, 12)), 3, 8, name="stem")
    deep = g.block(first, 8, 8, group=8, name="deep")
    total = g.pair(g.op("Relu", g.op("Add", g.pair(g.conv(deep, 8, 8, kernel=1, name="point")), first)), g.bottom)
    pooled = g.pair(g.op("AveragePool", total, kernel_shape=[2, 2], strides=[2, 2]), g.bottom)
    flat = g.pair(g.op("Flatten", pooled), g.bottom)
    weight = g.weight((10, 8 * 36), name="fc_weight")
    return g.model(g.pair(g.op("Gemm", flat, weight, g.bias(10), transB=1, name="fc"), scale=0.5))


@pytest.fixture
def compiled(save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path) -> Callable[..., Artifact]:
    def run(source: onnx.ModelProto, name: str, folder: str = "out") -> Artifact:
        (tmp_path / folder).mkdir(exist_ok=True)
        model = Artifact.of(save(source), kind="onnx")
        return compile_model(model, target(name), tmp_path / folder, threads=1)

    return run


@pytest.mark.parametrize("batch", [1, "n"])
def test_an_int8_artifact_gives_the_numbers_of_the_quantized_graph(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    compiled: Callable[..., Artifact],
    picture: Callable[..., Feeds],
    batch: int | str,
) -> None:
    source = residual(sketch(), batch)
    artifact, feeds = compiled(source, HERE), picture(1, 3, 12, 12)
    expected = open_session("onnxruntime", save(source)).infer(feeds)["output"]

    got = open_session("onnxruntime", artifact.path, options=artifact.options).infer(feeds)["output"]

    assert np.abs(got - expected).max() <= 0.5  # one step: a pool's ties
    assert np.unique(got).size > 3


def test_everything_runs_on_integers(sketch: Callable[..., Any], compiled: Callable[..., Artifact]) -> None:
    artifact = compiled(residual(sketch()), HERE)
    executed = open_session("onnxruntime", artifact.path, options=artifact.options).executed()
    count = Counter((each.kind, each.precision) for each in executed)

    assert count["QLinearConv", "int8"] == 4  # three, and the pool
    assert count["QLinearAdd", "int8"] == 1
    assert count["QGemm", "int8"] == 1
    assert not any(kind in ("Conv", "FusedConv", "Gemm", "Relu", "QLinearAveragePool") for kind, _ in count)
    assert {"stem", "deep", "point", "fc"} <= {each.name.split("_token_")[0] for each in executed}


def test_the_artifact_says_what_it_is(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    compiled: Callable[..., Artifact],
    target: Callable[[str], Target],
) -> None:
    source = residual(sketch())
    artifact = compiled(source, HERE)

    assert artifact.kind == "onnxruntime"
    assert artifact.parent == Artifact.of(save(source), kind="onnx").sha256
    assert artifact.options == target(HERE).options
    assert [record.path for record in artifact.files] == ["model.onnx"]
    assert artifact.size_bytes < save(source).stat().st_size
    assert sorted(each.name for each in artifact.path.parent.iterdir()) == ["model.onnx"]
    onnx.checker.check_model(str(compiled(source, ELSEWHERE, "other").path))


def test_two_processes_write_the_same_bytes(
    sketch: Callable[..., Any], save: Callable[..., Path], compiled: Callable[..., Artifact], root: Path, tmp_path: Path
) -> None:
    path = save(residual(sketch()))
    here = hashlib.sha256(compiled(onnx.load(path), HERE).path.read_bytes()).hexdigest()
    program = (
        "import sys, pathlib, hashlib\n"
        "from edgekit.artifact import Artifact\n"
        "from edgekit.compile.onnxruntime import compile_model\n"
        "from edgekit.profiles import Target\n"
        "from edgekit.reading import read_toml\n"
        "target = read_toml(pathlib.Path(sys.argv[2]), Target, what='target')\n"
        "made = compile_model(Artifact.of(pathlib.Path(sys.argv[1]), kind='onnx'), target, pathlib.Path(sys.argv[3]), "
        "threads=2)\n"
        "print(hashlib.sha256(made.path.read_bytes()).hexdigest())\n"
    )
    (tmp_path / "again").mkdir()
    words = [sys.executable, "-c", program, str(path), str(root / f"targets/{HERE}.toml"), str(tmp_path / "again")]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run(words, capture_output=True, text=True, check=True, cwd=root, env=environment)

    assert there.stdout.strip() == here


def test_another_processor_gets_pairs_and_no_operators_of_this_runtime(
    sketch: Callable[..., Any], compiled: Callable[..., Artifact]
) -> None:
    source = residual(sketch(np.int8))
    artifact = compiled(source, ELSEWHERE)
    proto = onnx.load(artifact.path)

    assert {node.domain for node in proto.graph.node} == {""}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= {node.op_type for node in proto.graph.node}
    assert artifact.options == {"session.qdqisint8allowed": "1"}
    kinds = {each.kind for each in open_session("onnxruntime", artifact.path, options=artifact.options).executed()}
    assert "QLinearConv" in kinds
    assert "Conv" not in kinds


def test_a_float_target_keeps_float_and_becomes_no_larger(
    sketch: Callable[..., Any],
    save: Callable[..., Path],
    compiled: Callable[..., Artifact],
    picture: Callable[..., Feeds],
) -> None:
    g = sketch()
    weight = g.constant(np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32))
    source = g.model(g.op("Relu", g.op("Conv", g.input(1, 3, 8, 8), weight, kernel_shape=[3, 3], name="conv")))
    artifact, feeds = compiled(source, "onnxruntime-x86-fp32"), picture(1, 3, 8, 8)

    assert artifact.size_bytes <= save(source).stat().st_size
    expected = open_session("onnxruntime", save(source)).infer(feeds)["output"]
    assert np.array_equal(open_session("onnxruntime", artifact.path).infer(feeds)["output"], expected)


def test_weights_that_the_optimiser_would_unfold_stay_small(
    sketch: Callable[..., Any], compiled: Callable[..., Artifact]
) -> None:
    """A float Conv whose weight is stored as int8 behind Cast and Mul is float at load, not in the file."""
    g = sketch()
    integers = g.constant(np.random.default_rng(0).integers(-127, 128, (64, 32, 3, 3)).astype(np.int8))
    weight = g.op("Mul", g.op("Cast", integers, to=TensorProto.FLOAT), g.constant(np.float32(0.01)))
    source = g.model(g.op("Conv", g.input(1, 32, 8, 8), weight, kernel_shape=[3, 3], name="conv"))
    artifact = compiled(source, HERE)

    assert artifact.size_bytes < 64 * 32 * 9 * 1.1


def test_a_precision_that_the_runtime_lacks_is_refused(
    sketch: Callable[..., Any], save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path
) -> None:
    model = Artifact.of(save(residual(sketch())), kind="onnx")
    wanted = target(HERE).model_copy(update={"precision": "bf16"})

    with pytest.raises(CompileError, match="onnxruntime-x86: ONNX Runtime has no bf16"):
        compile_model(model, wanted, tmp_path, threads=1)


def test_a_model_that_is_too_new_for_the_target_is_refused(
    sketch: Callable[..., Any], save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path
) -> None:
    g = sketch(opset=22)
    model = Artifact.of(save(g.model(g.op("Relu", g.input(1, 3)))), kind="onnx")

    with pytest.raises(CompileError, match="reads opset 21 at most, the model has 22") as caught:
        compile_model(model, target(HERE), tmp_path, threads=1)
    assert caught.value.hint


def test_a_graph_that_the_runtime_refuses_is_a_compile_error(
    save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path
) -> None:
    node = helper.make_node("QLinearConv", ["input"] * 8, ["output"], domain="com.microsoft")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("input", "output")]
    graph = helper.make_graph([node], "wrong", ports[:1], ports[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = save(helper.make_model(graph, opset_imports=opsets, ir_version=9))

    with pytest.raises(CompileError):
        compile_model(Artifact.of(path, kind="onnx"), target(HERE), Path(tmp_path), threads=1)


def test_seven_bit_weights_keep_pools_to_seven_bits(
    sketch: Callable[..., Any], save: Callable[..., Path], target: Callable[[str], Target], tmp_path: Path
) -> None:
    artifact = compile_model(
        Artifact.of(save(residual(sketch())), kind="onnx"), target("onnxruntime-x86-avx2"), tmp_path, threads=1
    )
    held = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(artifact.path).graph.initializer}
    pools = [array for array in held.values() if array.dtype == np.int8 and array.ndim == 4 and np.ptp(array) == 0]

    assert [int(array.max()) for array in pools] == [32]


def test_names_that_the_optimiser_made_are_given_anew() -> None:
    graph = onnx.parser.parse_graph(
        "g (float[2] x, bool[1] k) => (float[2] y) { a = Add (x, bn_scaled) \n y = Mul (a, plain) }"
    )
    for name in ("bn_scaled", "plain"):
        graph.initializer.append(numpy_helper.from_array(np.ones(2, np.float32), name))
    _rename_folded(graph)
    assert [tensor.name for tensor in graph.initializer] == ["c0", "plain"]
    assert [list(node.input) for node in graph.node] == [["x", "c0"], ["a", "plain"]]


def test_names_that_a_body_reads_stay() -> None:
    text = """g (float[2] x, bool[1] k) => (float[2] y) {
        y = If (k) <then_branch = t () => (float[2] p) { p = Add (x, bn_scaled) },
                    else_branch = e () => (float[2] q) { q = Neg (x) }>
    }"""
    graph = onnx.parser.parse_graph(text)
    graph.initializer.append(numpy_helper.from_array(np.ones(2, np.float32), "bn_scaled"))
    _rename_folded(graph)
    assert graph.initializer[0].name == "bn_scaled"
