"""A model file is hostile until it is checked: every lie ends in one named error, early and without memory taken."""

import pickle
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tiny_models import residual_net

from edgekit.errors import ModelError
from edgekit.graph.load import OPSETS, load_model
from edgekit.graph.save import model_bytes, save_model

BYTES = ir.to_proto(residual_net()).SerializeToString()


def proto() -> onnx.ModelProto:
    return onnx.ModelProto.FromString(BYTES)


def refused(path: Path, told: str) -> ModelError:
    with pytest.raises(ModelError, match=told) as caught:
        load_model(path)
    assert caught.value.hint
    assert all("\n" not in mistake for mistake in caught.value.mistakes)
    return caught.value


def written(folder: Path, content: bytes | onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def test_a_good_model_is_read_whole(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, BYTES))
    assert [node.op_type for node in model.graph][:2] == ["Conv", "Relu"]
    assert model.graph.initializers["w0"].const_value.numpy().shape == (8, 3, 3, 3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\x00" * 64, "not an ONNX model"),
        (bytes(range(256)) * 20, "not an ONNX model"),
        (pickle.dumps({"a": 1}, protocol=2), "pickle"),
        (pickle.dumps({"a": 1}, protocol=5), "pickle"),
        (b"PK\x03\x04" + b"x" * 90, "zip archive"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"  <html><body>404</body></html>", "HTML page"),
        (b"<?xml version='1.0'?><net/>", "XML file"),
        (b"\x89HDF\r\n\x1a\n" + b"x" * 90, "HDF5"),
        (b"\x1f\x8b\x08" + b"x" * 90, "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"GGUF" + b"\x03" * 90, "GGUF"),
        (b"\x1c\x00\x00\x00TFL3" + b"x" * 90, "TensorFlow Lite"),
        (b'\x58\x00\x00\x00\x00\x00\x00\x00{"weight":{}}', "safetensors"),
        (b'{"model": 1}', "text file"),
        (b"\x93NUMPY\x01\x00", "NumPy array"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path: Path, content: bytes, told: str) -> None:
    refused(written(tmp_path, content), told)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "no such file")
    written(tmp_path, BYTES)
    assert "model.onnx" in refused(tmp_path, "not a file").hint


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    refused(written(tmp_path, BYTES[: int(len(BYTES) * share)]), "model.onnx: ")


@given(st.integers(0, len(BYTES) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    spoilt = bytearray(BYTES)
    spoilt[at] ^= 1 << bit
    path = written(tmp_path_factory.getbasetemp(), bytes(spoilt))
    try:
        model = load_model(path)
    except ModelError as error:
        assert error.mistakes  # noqa: PT017 - either ending is right
    else:
        assert len(list(model.graph)) > 0


def spoil(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    made = proto()
    change(made)
    return made


def again(made: onnx.ModelProto) -> None:
    made.graph.node[1].output[0] = made.graph.node[0].output[0]


def in_circles(made: onnx.ModelProto) -> None:
    made.graph.node[0].input[0] = made.graph.node[-1].output[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: setattr(m, "ir_version", 2), "IR version 2; supported: 3 to"),
        (lambda m: setattr(m, "ir_version", 99), "IR version 99"),
        (lambda m: setattr(m.opset_import[0], "version", 6), "opset 6; supported: 7 to 23"),
        (lambda m: setattr(m.opset_import[0], "version", 24), "opset 24"),
        (lambda m: m.opset_import.pop(), "no version"),
        (lambda m: m.opset_import.add(domain="", version=11), "11, 17"),
        (lambda m: setattr(m.graph.node[0], "domain", "com.acme"), "unknown domain 'com.acme'"),
        (lambda m: setattr(m.graph.node[0], "op_type", "Konv"), "Konv"),
        (lambda m: m.graph.output.pop(), "output"),
        (lambda m: m.graph.ClearField("node"), "model.onnx: "),
        (lambda m: m.graph.initializer[0].dims.append(10**9), "declares FLOAT"),
        (lambda m: setattr(m.graph.initializer[0], "raw_data", b"123"), "holds 3"),
        (lambda m: setattr(m.graph.initializer[0], "data_type", 99), "unknown data type 99"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, -8), "negative dimension"),
        (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 1 << 40), "elements"),
        (again, "model.onnx: "),
        (in_circles, "model.onnx: "),
    ],
)
def test_a_model_that_lies_is_refused(tmp_path: Path, change: Callable[[onnx.ModelProto], object], told: str) -> None:
    refused(written(tmp_path, spoil(change)), told)


def test_a_tensor_of_a_billion_entries_takes_no_memory(tmp_path: Path) -> None:
    def grow(made: onnx.ModelProto) -> None:
        made.graph.initializer[0].dims[0] = 10**9

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(written(tmp_path, spoil(grow)), "declares FLOAT")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def external(folder: Path, location: str, **entries: str) -> Path:
    made = proto()
    tensor = made.graph.initializer[0]
    size_bytes = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "length": str(size_bytes), **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return written(folder, made)


@pytest.mark.parametrize("location", ["/etc/passwd", "../w.bin", "a/../../w.bin", "C:\\w.bin", "..\\w.bin"])
def test_external_data_stays_in_the_model_s_folder(tmp_path: Path, location: str) -> None:
    refused(external(tmp_path, location), "outside the model's folder|missing")


def test_external_data_behind_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 10_000)
    (inside / "w.bin").symlink_to(tmp_path / "secret.bin")
    refused(external(inside, "w.bin"), "leads out")
    (inside / "w.bin").unlink()
    (inside / "w.bin").hardlink_to(tmp_path / "secret.bin")
    refused(external(inside, "w.bin"), "hard link")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"offset": "9999999"}, "wants bytes"),
        ({"offset": "-4"}, "wants bytes"),
        ({"offset": "many"}, "no numbers"),
        ({"length": "12"}, "length of 12"),
    ],
)
def test_external_data_must_lie_inside_its_file(tmp_path: Path, entries: dict[str, str], told: str) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 10_000)
    refused(external(tmp_path, "w.bin", **entries), told)


def test_external_data_that_is_right_is_read(tmp_path: Path) -> None:
    weights = numpy_helper.to_array(proto().graph.initializer[0])
    (tmp_path / "w.bin").write_bytes(b"\0" * 64 + weights.tobytes())
    model = load_model(external(tmp_path, "w.bin", offset="64"))
    name = proto().graph.initializer[0].name
    np.testing.assert_array_equal(model.graph.initializers[name].const_value.numpy(), weights)


def test_many_mistakes_are_told_at_once(tmp_path: Path) -> None:
    def two(made: onnx.ModelProto) -> None:
        made.graph.node[0].domain = "com.acme"
        made.graph.node[2].domain = "com.other"

    assert len(refused(written(tmp_path, spoil(two)), "unknown domain").mistakes) == 2


def test_functions_of_the_model_are_put_in_line(tmp_path: Path) -> None:
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("own", "Both", ["a"], ["c"], body, opsets)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Both", ["x"], ["y"], domain="own")], "g", ports[:1], ports[1:])
    imports = [*opsets, helper.make_opsetid("own", 1)]
    made = helper.make_model(graph, functions=[function], opset_imports=imports, ir_version=9)
    assert [node.op_type for node in load_model(written(tmp_path, made)).graph] == ["Relu", "Neg"]


@pytest.mark.parametrize("opset", OPSETS)
def test_every_supported_opset_is_read(tmp_path: Path, opset: int) -> None:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
    assert load_model(written(tmp_path, made)).opset_imports[""] == opset


def test_saving_gives_the_same_bytes_and_reads_back(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, BYTES))
    save_model(model, tmp_path / "a.onnx")
    save_model(model, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes() == model_bytes(model)
    assert model_bytes(load_model(tmp_path / "a.onnx")) == model_bytes(model)


def test_saving_keeps_the_model_s_own_notes_and_drops_prose(tmp_path: Path) -> None:
    made = proto()
    made.metadata_props.add(key="author", value="somebody")
    made.doc_string = "made on /home/somebody"
    made.graph.node[0].doc_string = "stack trace"
    model = load_model(written(tmp_path, made))
    save_model(model, tmp_path / "a.onnx")
    kept = onnx.load(tmp_path / "a.onnx")
    assert [(each.key, each.value) for each in kept.metadata_props] == [("author", "somebody")]
    assert not kept.doc_string
    assert not any(node.doc_string for node in kept.graph.node)


def test_large_weights_go_beside_the_file(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, BYTES))
    save_model(model, tmp_path / "large.onnx", one_file_bytes=1000)
    assert (tmp_path / "large.onnx.data").is_file()
    assert model_bytes(load_model(tmp_path / "large.onnx")) == model_bytes(model)


def test_a_folder_that_takes_no_files_leaves_nothing(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, BYTES))
    with pytest.raises(OSError, match="No such file"):
        save_model(model, tmp_path / "nowhere" / "a.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx"]
