"""What every runtime adapter must do; one more adapter is one more line in RUNTIMES."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import InputError, MissingExtra, RuntimeFault
from edgekit.runner.runtimes.base import Port, Session, open_session

RUNTIMES = ("onnxruntime", "openvino")
Save = Callable[..., Path]


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """Name each runtime that is installed here."""
    pytest.importorskip(str(request.param))
    return str(request.param)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save nodes as a model and return its path."""

    def saved(nodes: list[onnx.NodeProto], inputs: list, outputs: list, weights: dict | None = None) -> Path:
        tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
        values = [[helper.make_tensor_value_info(*each) for each in side] for side in (inputs, outputs)]
        graph = helper.make_graph(nodes, "tiny", *values, tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        path = tmp_path / "tiny.onnx"
        onnx.save(model, path)
        return path

    return saved


@pytest.fixture
def classifier(save: Save) -> Path:
    """Conv, Relu, mean over pixels, MatMul: (n, 3, 8, 8) -> (n, 5)."""
    draw = np.random.default_rng(0)
    weights = {
        "kernel": draw.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "matrix": draw.standard_normal((4, 5)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["picture", "kernel"], ["mixed"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["mixed"], ["bent"], name="relu"),
        helper.make_node("GlobalAveragePool", ["bent"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "matrix"], ["logits"], name="dense"),
    ]
    inputs = [("picture", TensorProto.FLOAT, ["n", 3, 8, 8])]
    return save(nodes, inputs, [("logits", TensorProto.FLOAT, ["n", 5])], weights)


def pictures(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, 8, 8)).astype(np.float32)


def by_hand(session_input: np.ndarray, path: Path) -> np.ndarray:
    """Work the classifier out with numpy."""
    weights = {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}
    padded = np.pad(session_input, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    mixed = np.einsum("nchwij,ocij->nohw", windows, weights["kernel"])
    return np.maximum(mixed, 0).mean(axis=(2, 3)) @ weights["matrix"]


def test_outputs_are_those_of_the_model(runtime: str, classifier: Path) -> None:
    session = open_session(runtime, classifier)
    given = pictures(3)
    outputs = session.infer({"picture": given})
    assert list(outputs) == ["logits"]
    np.testing.assert_allclose(outputs["logits"], by_hand(given, classifier), rtol=1e-4, atol=1e-5)


def test_ports_tell_names_types_and_free_axes(runtime: str, classifier: Path) -> None:
    session = open_session(runtime, classifier)
    assert session.inputs == (Port("picture", "float32", (None, 3, 8, 8)),)
    assert session.outputs == (Port("logits", "float32", (None, 5)),)


def test_a_session_names_its_runtime_and_version(runtime: str, classifier: Path) -> None:
    session = open_session(runtime, classifier)
    assert session.runtime == runtime
    assert [part.isdigit() for part in session.version.split(".")[:2]] == [True, True]


def test_outputs_outlive_the_next_inference(runtime: str, classifier: Path) -> None:
    session = open_session(runtime, classifier)
    first = session.infer({"picture": pictures(1, seed=1)})["logits"]
    kept = first.copy()
    session.infer({"picture": pictures(1, seed=2)})
    np.testing.assert_array_equal(first, kept)


def test_the_same_feeds_give_the_same_bytes(runtime: str, classifier: Path) -> None:
    runs = [open_session(runtime, classifier).infer({"picture": pictures(2)})["logits"].tobytes() for _ in range(2)]
    assert runs[0] == runs[1]


def test_batches_of_any_size_run_one_after_the_other(runtime: str, classifier: Path) -> None:
    session = open_session(runtime, classifier)
    given = pictures(5)
    whole = session.infer({"picture": given})["logits"]
    for start, stop in ((0, 1), (1, 3), (3, 5)):
        part = session.infer({"picture": given[start:stop]})["logits"]
        np.testing.assert_allclose(part, whole[start:stop], rtol=1e-4, atol=1e-5)


def test_more_threads_give_the_same_answer(runtime: str, classifier: Path) -> None:
    one, two = (open_session(runtime, classifier, threads=threads) for threads in (1, 2))
    np.testing.assert_allclose(
        one.infer({"picture": pictures(1)})["logits"], two.infer({"picture": pictures(1)})["logits"], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("feeds", "told"),
    [
        ({}, "input 'picture' is missing"),
        ({"picture": pictures(1), "more": pictures(1)}, "no input is called 'more'; inputs: ['picture']"),
        ({"picture": pictures(1)[0]}, "takes float32 [None, 3, 8, 8], got float32 [3, 8, 8]"),
        ({"picture": pictures(1).astype(np.float64)}, "takes float32 [None, 3, 8, 8], got float64 [1, 3, 8, 8]"),
        ({"picture": pictures(1)[:, :2]}, "got float32 [1, 2, 8, 8]"),
    ],
    ids=["none", "unknown", "rank", "type", "axis"],
)
def test_feeds_that_do_not_fit_are_told(runtime: str, classifier: Path, feeds: dict, told: str) -> None:
    with pytest.raises(InputError) as caught:
        open_session(runtime, classifier).infer(feeds)
    assert any(told in mistake for mistake in caught.value.mistakes)


def test_no_such_file_is_a_fault_that_names_it(runtime: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match=r"gone\.onnx: there is no such file"):
        open_session(runtime, tmp_path / "gone.onnx")


@pytest.mark.parametrize("junk", [b"", b"hello", bytes(range(256)) * 8], ids=["empty", "text", "bytes"])
def test_a_file_that_is_no_model_is_a_fault(
    runtime: str, tmp_path: Path, junk: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(junk)
    with pytest.raises(RuntimeFault, match=r"cannot load junk\.onnx"):
        open_session(runtime, path)
    assert "Traceback" not in capfd.readouterr().err


def test_a_truncated_model_is_a_fault(runtime: str, classifier: Path, capfd: pytest.CaptureFixture[str]) -> None:
    classifier.write_bytes(classifier.read_bytes()[:-40])
    with pytest.raises(RuntimeFault):
        open_session(runtime, classifier)
    assert "Traceback" not in capfd.readouterr().err


def test_an_unknown_option_is_a_fault_that_names_it(runtime: str, classifier: Path) -> None:
    with pytest.raises(RuntimeFault, match="NO_SUCH_THING"):
        open_session(runtime, classifier, options={"NO_SUCH_THING": "1"})


def test_a_failure_while_running_is_a_fault_in_one_line(runtime: str, save: Save) -> None:
    nodes = [helper.make_node("Concat", ["one", "other"], ["both"], name="concat", axis=0)]
    inputs = [(name, TensorProto.FLOAT, [f"rows_{name}", f"width_{name}"]) for name in ("one", "other")]
    session = open_session(runtime, save(nodes, inputs, [("both", TensorProto.FLOAT, ["rows", "width"])]))
    with pytest.raises(RuntimeFault, match=r"cannot run tiny\.onnx") as caught:
        session.infer({"one": np.zeros((1, 5), np.float32), "other": np.zeros((1, 3), np.float32)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        (TensorProto.FLOAT, np.array([[1.5, -2.0]], np.float32)),
        (TensorProto.FLOAT16, np.array([[1.5, -2.0]], np.float16)),
        (TensorProto.INT64, np.array([[3, -4]], np.int64)),
        (TensorProto.INT32, np.array([[3, -4]], np.int32)),
        (TensorProto.UINT8, np.array([[3, 255]], np.uint8)),
        (TensorProto.INT8, np.array([[3, -128]], np.int8)),
        (TensorProto.BOOL, np.array([[True, False]])),
    ],
    ids=lambda value: value.dtype.name if isinstance(value, np.ndarray) else "",
)
def test_every_numpy_type_goes_through(runtime: str, save: Save, kind: int, array: np.ndarray) -> None:
    nodes = [helper.make_node("Reshape", ["given", "shape"], ["turned"], name="turn")]
    path = save(nodes, [("given", kind, [1, 2])], [("turned", kind, [2, 1])], {"shape": np.array([2, 1])})
    session = open_session(runtime, path)
    assert session.inputs[0].dtype == array.dtype.name
    turned = session.infer({"given": array})["turned"]
    assert turned.dtype == array.dtype
    np.testing.assert_array_equal(turned, array.T)


def test_scalars_and_several_outputs_keep_names_and_order(runtime: str, save: Save) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["given"], ["z_largest"], name="largest", keepdims=0),
        helper.make_node("Neg", ["given"], ["a_negative"], name="negative"),
    ]
    outputs = [("z_largest", TensorProto.FLOAT, []), ("a_negative", TensorProto.FLOAT, [3])]
    session = open_session(runtime, save(nodes, [("given", TensorProto.FLOAT, [3])], outputs))
    found = session.infer({"given": np.array([1, 5, 2], np.float32)})
    assert list(found) == ["z_largest", "a_negative"]
    assert found["z_largest"].shape == ()
    assert found["z_largest"] == 5
    np.testing.assert_array_equal(found["a_negative"], [-1, -5, -2])


def test_an_output_that_is_an_inner_value_keeps_its_own_name(runtime: str, save: Save) -> None:
    nodes = [
        helper.make_node("Relu", ["given"], ["hidden"], name="first"),
        helper.make_node("Identity", ["hidden"], ["copy"], name="second"),
    ]
    outputs = [(name, TensorProto.FLOAT, [2]) for name in ("hidden", "copy")]
    session = open_session(runtime, save(nodes, [("given", TensorProto.FLOAT, [2])], outputs))
    found = session.infer({"given": np.array([-1, 2], np.float32)})
    assert {name: array.tolist() for name, array in found.items()} == {"hidden": [0, 2], "copy": [0, 2]}


def test_float_operators_are_reported_as_float(runtime: str, classifier: Path) -> None:
    operators = open_session(runtime, classifier).executed()
    heavy = [
        each for each in operators if each.kind in ("Conv", "FusedConv", "Convolution", "MatMul", "FullyConnected")
    ]
    assert len(heavy) == 2
    assert {each.precision for each in heavy} == {"f32"}
    assert all("CPU" in each.provider for each in operators)


def quantized(save: Save) -> Path:
    """Save a Conv whose input, weight and output go through uint8 and int8 pairs."""
    draw = np.random.default_rng(0)
    weights = {
        "kernel": draw.integers(-127, 128, (8, 8, 3, 3)).astype(np.int8),
        "scale": np.float32(0.02),
        "middle": np.uint8(128),
        "scales": np.full(8, 0.01, np.float32),
        "zeros": np.zeros(8, np.int8),
        "bias": np.zeros(8, np.int32),
        "bias_scales": np.full(8, 0.0002, np.float32),
        "bias_zeros": np.zeros(8, np.int32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["given", "scale", "middle"], ["q"], name="quantize"),
        helper.make_node("DequantizeLinear", ["q", "scale", "middle"], ["x"], name="dequantize"),
        helper.make_node("DequantizeLinear", ["kernel", "scales", "zeros"], ["w"], name="kernel_float", axis=0),
        helper.make_node("DequantizeLinear", ["bias", "bias_scales", "bias_zeros"], ["b"], name="bias_float", axis=0),
        helper.make_node("Conv", ["x", "w", "b"], ["y"], name="stem", pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["y", "scale", "middle"], ["yq"], name="quantize_out"),
        helper.make_node("DequantizeLinear", ["yq", "scale", "middle"], ["out"], name="dequantize_out"),
    ]
    shape = [1, 8, 8, 8]
    return save(nodes, [("given", TensorProto.FLOAT, shape)], [("out", TensorProto.FLOAT, shape)], weights)


def test_a_quantized_convolution_is_proven_to_run_in_int8(runtime: str, save: Save) -> None:
    operators = open_session(runtime, quantized(save)).executed()
    (convolution,) = [each for each in operators if each.kind in ("QLinearConv", "Convolution", "Conv")]
    assert convolution.precision == "int8"
    assert any(part.startswith("stem") for part in convolution.name.split(","))


def test_closing_a_session_gives_no_error(runtime: str, classifier: Path) -> None:
    session = open_session(runtime, classifier)
    session.infer({"picture": pictures(1)})
    session.close()


def test_a_runtime_without_an_adapter_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        open_session("no_such_runtime", Path("model.onnx"))


def test_telemetry_is_off_before_a_runtime_is_imported(runtime: str, classifier: Path) -> None:
    session: Session = open_session(runtime, classifier)
    assert session.runtime == runtime
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_a_missing_package_names_what_brings_it(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    module = f"edgekit.runner.runtimes.{runtime}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, runtime, None)
    with pytest.raises(MissingExtra, match=f"the package '{runtime}' is not installed") as caught:
        __import__(module)
    assert caught.value.hint.startswith("pip install")
