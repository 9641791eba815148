"""What a bad model gets: error and hint lines, exit code 2, nothing half-written."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

MODEL = ("build", "model.onnx", "-d", "card.toml", "-t", "onnxruntime-x86", "-o", "out")


def named(model: str) -> tuple[str, ...]:
    """The words that build another file."""
    return ("build", model, *MODEL[2:])


def cut(project: Any) -> None:
    data = (project.folder / "model.onnx").read_bytes()
    project.write("model.onnx", data[: len(data) // 2])


def external(project: Any, location: str) -> None:
    """Move the read-out's numbers out of the model; they are kept in elsewhere.bin."""

    def change(proto: onnx.ModelProto) -> None:
        tensor = next(each for each in proto.graph.initializer if each.name == "readout")
        project.write("elsewhere.bin", tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    project.model(change)


def linked(project: Any) -> None:
    external(project, "weights.bin")
    (project.folder / "weights.bin").symlink_to(project.folder / "elsewhere.bin")


def huge_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 10**9


def huge_weight(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = 10**9


def foreign(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "Swish", "com.example.secret"


def circular(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "logits"


def of_opset(number: int) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        proto.opset_import[0].version = number

    return change


RANDOM = np.random.default_rng(0).bytes(5000)
PICKLE = pickle.dumps({"weights": [1.0] * 99})
CASES: dict[str, tuple[Callable[[Any], object], tuple[str, ...], tuple[str, ...]]] = {
    "no such file": (lambda _: None, ("model.onx: no such file", "did you mean 'model.onnx'?"), named("model.onx")),
    "a folder": (lambda p: (p.folder / "m").mkdir(), ("m: this is a folder",), named("m")),
    "empty": (lambda p: p.write("model.onnx", b""), ("model.onnx: the file is empty",), MODEL),
    "truncated": (cut, ("model.onnx: not an ONNX model",), MODEL),
    "random bytes": (lambda p: p.write("model.onnx", RANDOM), ("model.onnx: not an ONNX model",), MODEL),
    "a pickle by its content": (lambda p: p.write("model.onnx", PICKLE), ("pickle, which is refused",), MODEL),
    "a pickle by its name": (lambda p: p.write("m.pt", PICKLE), ("m.pt: pickles can run any code",), named("m.pt")),
    "a zip, as torch saves": (lambda p: p.write("model.onnx", b"PK\x03\x04..."), ("a zip archive",), MODEL),
    "external data missing": (lambda p: external(p, "weights.bin"), ("weights.bin",), MODEL),
    "external data escaping": (lambda p: external(p, "../elsewhere.bin"), ("../elsewhere.bin",), MODEL),
    "external data at an absolute path": (lambda p: external(p, "/etc/hostname"), ("/etc/hostname",), MODEL),
    "external data behind a link": (linked, ("weights.bin",), MODEL),
    "unknown domain": (lambda p: p.model(foreign), ("unknown domain 'com.example.secret'", "'relu'"), MODEL),
    "an opset of the future": (lambda p: p.model(of_opset(99)), ("opset 99; supported: 7 to 23",), MODEL),
    "an opset of the past": (lambda p: p.model(of_opset(6)), ("opset 6; supported: 7 to 23",), MODEL),
    "a shape of 10^9 elements": (lambda p: p.model(huge_input), ("more than 268435456 elements",), MODEL),
    "a weight of 10^9 rows": (lambda p: p.model(huge_weight), ("kernels",), MODEL),
    "a graph in circles": (lambda p: p.model(circular), ("model.onnx: ",), MODEL),
    "an artifact that is none": (
        lambda p: p.write("x.xml", "<html/>"),
        ("x.xml",),
        ("eval", "x.xml", "-d", "card.toml"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_model_is_named_and_leaves_nothing_behind(case: str, refused: Callable[..., None]) -> None:
    refused(*CASES[case])


@pytest.mark.parametrize("verb", ["quantize", "compile", "inspect", "eval"])
def test_every_verb_refuses_a_damaged_model_alike(verb: str, refused: Callable[..., None]) -> None:
    words = {
        "quantize": ("quantize", "model.onnx", "-d", "card.toml", "-t", "openvino-cpu", "-o", "x.onnx"),
        "compile": ("compile", "model.onnx", "-t", "openvino-cpu", "-o", "x"),
        "inspect": ("inspect", "model.onnx"),
        "eval": ("eval", "model.onnx", "-d", "card.toml"),
    }[verb]
    refused(cut, ("model.onnx: ",), words)
