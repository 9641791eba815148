"""What inspect tells of a model."""

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from tiny_models import model_from_text, numbers, residual_net

from edgekit.errors import ModelError
from edgekit.graph.describe import describe
from edgekit.graph.save import save_model


def told(model: ir.Model, path: Path) -> dict[str, object]:
    save_model(model, path)
    return describe(path)


def test_ports_operators_and_sizes_are_told(tmp_path: Path) -> None:
    facts = told(residual_net(), tmp_path / "net.onnx")
    assert facts["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["N", 3, 8, 8]}]
    assert facts["outputs"] == [{"name": "y", "dtype": "float32", "shape": ["N", 5]}]
    assert facts["operators"]["Conv"] == facts["operators"]["Relu"] == 2
    assert facts["nodes"] == 8
    assert facts["parameters"] == 8 * 27 + 8 + 64 * 9 + 8 + 40 + 5
    assert facts["macs"] == 64 * 8 * 27 + 64 * 8 * 72 + 40
    assert facts["size_bytes"] == (tmp_path / "net.onnx").stat().st_size
    assert (facts["opset"], facts["ir"]) == ({"ai.onnx": 17}, 8)


def test_pairs_are_counted(tmp_path: Path) -> None:
    text = "g (float[1] x, float s) => (float[1] y) { q = QuantizeLinear (x, k) \n y = DequantizeLinear (q, k) }"
    facts = told(model_from_text(text.replace(", float s", ""), k=numbers(1).reshape(())), tmp_path / "q.onnx")
    assert (facts["quantize_nodes"], facts["dequantize_nodes"]) == (1, 1)


def test_weights_beside_the_file_count(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save_model(
        ir.to_proto(residual_net()),
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="net.data",
        size_threshold=0,
    )
    facts = describe(path)
    assert facts["size_bytes"] == path.stat().st_size + (tmp_path / "net.data").stat().st_size


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError):
        describe(tmp_path / "x.onnx")
