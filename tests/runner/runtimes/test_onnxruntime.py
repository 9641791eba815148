"""What only ONNX Runtime's adapter does: reserved options, saved graphs, and values that are no tensors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import RuntimeFault
from edgekit.runner.runtimes import onnxruntime as adapter
from edgekit.runner.runtimes.base import open_session
from edgekit.runner.runtimes.operators import read_operators


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Conv, Relu and an Identity that every level above ``disable`` removes."""
    kernel = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "kernel")
    nodes = [
        helper.make_node("Identity", ["given"], ["same"], name="same"),
        helper.make_node("Conv", ["same", "kernel"], ["mixed"], name="conv"),
        helper.make_node("Relu", ["mixed"], ["bent"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("bent", TensorProto.FLOAT, [1, 2, 6, 6])],
        [kernel],
    )
    path = tmp_path / "chain.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        ("disable", ["Identity", "Conv", "Relu"]),
        ("basic", ["Conv", "Relu"]),
        ("extended", ["FusedConv"]),
    ],
)
def test_the_level_of_optimisation_can_be_chosen(chain: Path, level: str, kinds: list[str]) -> None:
    session = open_session("onnxruntime", chain, options={"graph_optimization_level": level})
    assert [each.kind for each in session.executed()] == kinds


def test_every_level_gives_the_same_numbers(chain: Path) -> None:
    given = {"given": np.random.default_rng(0).standard_normal((1, 1, 8, 8)).astype(np.float32)}
    sessions = [
        open_session("onnxruntime", chain, options={"graph_optimization_level": each}) for each in adapter.LEVELS
    ]
    first, *others = [session.infer(given)["bent"] for session in sessions]
    assert len(others) == 4
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5)


def test_an_unknown_level_names_those_that_exist(chain: Path) -> None:
    with pytest.raises(RuntimeFault, match=r"'most'; allowed: disable, basic, extended, layout, all"):
        open_session("onnxruntime", chain, options={"graph_optimization_level": "most"})


def test_a_misspelt_option_is_not_taken_for_a_session_entry(chain: Path) -> None:
    with pytest.raises(RuntimeFault, match="no option 'graph_optimisation_level'") as caught:
        open_session("onnxruntime", chain, options={"graph_optimisation_level": "all"})
    assert "graph_optimization_level" in caught.value.hint


def test_session_entries_reach_the_runtime() -> None:
    settings = adapter.session_options(2, {"session.qdqisint8allowed": "1"})
    assert settings.get_session_config_entry("session.qdqisint8allowed") == "1"
    assert (settings.intra_op_num_threads, settings.inter_op_num_threads) == (2, 1)


def test_errors_are_raised_and_not_logged_too() -> None:
    assert adapter.session_options(1, {}).log_severity_level == 4


def test_the_optimised_graph_is_saved_with_large_weights_beside_it(chain: Path, tmp_path: Path) -> None:
    model = onnx.load(chain)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "kernel"))
    onnx.save(model, chain)
    saved = tmp_path / "saved.onnx"
    adapter.save_optimised(chain, saved, {"graph_optimization_level": "extended"})
    assert [each.kind for each in read_operators(saved.read_bytes())] == ["FusedConv"]


def test_a_model_that_gives_a_sequence_is_refused_in_words(tmp_path: Path) -> None:
    nodes = [helper.make_node("SplitToSequence", ["given"], ["parts"], name="split")]
    graph = helper.make_graph(
        nodes,
        "parts",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, [4])],
        [helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)],
    )
    path = tmp_path / "parts.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.raises(RuntimeFault, match=r"'parts' is a seq\(tensor\(float\)\); only tensors"):
        open_session("onnxruntime", path)


def test_texts_are_fed_as_objects(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["words"], ["same"], name="same")]
    values = [[helper.make_tensor_value_info(name, TensorProto.STRING, [2])] for name in ("words", "same")]
    path = tmp_path / "words.onnx"
    graph = helper.make_graph(nodes, "words", *values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    session = open_session("onnxruntime", path)
    assert session.inputs[0].dtype == "object"
    assert session.infer({"words": np.array(["ja", "nein"], object)})["same"].tolist() == ["ja", "nein"]


def test_weights_that_are_also_inputs_are_no_ports(chain: Path) -> None:
    model = onnx.load(chain)
    model.graph.input.append(helper.make_tensor_value_info("kernel", TensorProto.FLOAT, [2, 1, 3, 3]))
    onnx.save(model, chain)
    assert [port.name for port in open_session("onnxruntime", chain).inputs] == ["given"]


def test_the_prefix_of_the_runtime_s_message_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(b"junk")
    with pytest.raises(RuntimeFault) as caught:
        open_session("onnxruntime", path)
    assert "[ONNXRuntimeError]" not in str(caught.value)
    assert "Protobuf parsing failed" in str(caught.value)


def test_telemetry_is_switched_off_for_whoever_imports_the_adapter_first() -> None:
    code = (
        "import os, sys; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "import edgekit.runner.runtimes.onnxruntime as adapter\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], adapter.onnxruntime.__name__)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["1", "onnxruntime"]
