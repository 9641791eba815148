"""What only OpenVINO's adapter does: properties, IR files, and no telemetry."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import RuntimeFault
from edgekit.runner.runtimes.base import Port, open_session

pytest.importorskip("openvino")
adapter = importlib.import_module("edgekit.runner.runtimes.openvino")


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """A matrix product (n, 64) -> (n, 32)."""
    matrix = numpy_helper.from_array(np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32), "matrix")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["given", "matrix"], ["product"], name="dense")],
        "dense",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, ["n", 32])],
        [matrix],
    )
    path = tmp_path / "dense.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def given() -> dict[str, np.ndarray]:
    """Two rows."""
    return {"given": np.random.default_rng(1).standard_normal((2, 64)).astype(np.float32)}


def test_an_ir_file_gives_what_its_onnx_file_gives(dense: Path, tmp_path: Path, given: dict[str, np.ndarray]) -> None:
    path = tmp_path / "dense.xml"
    adapter.openvino.save_model(adapter.core().read_model(dense), path, compress_to_fp16=False)
    session = open_session("openvino", path)
    assert session.inputs == (Port("given", "float32", (None, 64)),)
    np.testing.assert_array_equal(
        session.infer(given)["product"], open_session("openvino", dense).infer(given)["product"]
    )


def test_numbers_are_computed_in_f32_unless_asked_otherwise(dense: Path, given: dict[str, np.ndarray]) -> None:
    exact = given["given"] @ numpy_helper.to_array(onnx.load(dense).graph.initializer[0])
    plain = open_session("openvino", dense)
    assert {each.precision for each in plain.executed() if each.kind == "FullyConnected"} == {"f32"}
    np.testing.assert_allclose(plain.infer(given)["product"], exact, rtol=1e-4, atol=1e-4)
    short = open_session("openvino", dense, options={"INFERENCE_PRECISION_HINT": "bf16"})
    assert np.abs(short.infer(given)["product"] - exact).max() < 0.5


def test_the_device_is_an_option(dense: Path) -> None:
    with pytest.raises(RuntimeFault, match="NO_DEVICE"):
        open_session("openvino", dense, options={"device": "NO_DEVICE"})
    assert open_session("openvino", dense, options={"device": "CPU"}).runtime == "openvino"


@pytest.mark.parametrize("name", ["model.pt", "model.pdmodel", "model.tflite", "model"])
def test_other_frontends_are_not_asked(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"anything")
    with pytest.raises(RuntimeFault, match=r"it opens \.xml and \.onnx"):
        open_session("openvino", path)


def test_an_ir_file_without_its_weights_is_a_fault(dense: Path, tmp_path: Path) -> None:
    path = tmp_path / "dense.xml"
    adapter.openvino.save_model(adapter.core().read_model(dense), path)
    path.with_suffix(".bin").unlink()
    with pytest.raises(RuntimeFault, match=r"cannot load dense\.xml"):
        open_session("openvino", path)


def test_messages_leave_out_the_places_in_openvino_s_source(dense: Path) -> None:
    with pytest.raises(RuntimeFault) as caught:
        open_session("openvino", dense, options={"INFERENCE_NUM_THREADS": "many"})
    assert "src/" not in caught.value.mistakes[0]
    assert "\n" not in caught.value.mistakes[0]


def test_names_of_fused_layers_are_joined_by_commas(tmp_path: Path) -> None:
    kernel = numpy_helper.from_array(np.ones((8, 8, 3, 3), np.float32), "kernel")
    nodes = [
        helper.make_node("Conv", ["given", "kernel"], ["mixed"], name="conv"),
        helper.make_node("Relu", ["mixed"], ["bent"], name="relu"),
        helper.make_node("MaxPool", ["bent"], ["pooled"], name="pool", kernel_shape=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "fused",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, [1, 8, 8, 8])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, 8, 5, 5])],
        [kernel],
    )
    path = tmp_path / "fused.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    names = {each.kind: each.name for each in open_session("openvino", path).executed()}
    assert names["Convolution"] == "conv,relu"
    assert not {"Const", "Input", "Output"} & set(names)


def test_openvino_s_telemetry_package_is_never_loaded() -> None:
    code = (
        "import sys, edgekit.runner.runtimes.openvino as adapter\n"
        "loaded = [name for name in sys.modules if name.startswith('openvino_telemetry') and sys.modules[name]]\n"
        "print(loaded, adapter.openvino.__name__)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["[]", "openvino"]
