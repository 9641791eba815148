"""What is inside an ONNX file, as plain data: what ``edgekit inspect`` shows, read without running the model."""

from collections import Counter
from math import prod
from pathlib import Path

import onnx_ir as ir
from pydantic import JsonValue

from edgekit.graph.load import load_model
from edgekit.graph.macs import count_macs
from edgekit.graph.passes.shapes import infer_shapes

_PAIR = ("QuantizeLinear", "DequantizeLinear")


def describe(path: Path) -> dict[str, JsonValue]:
    """Read a model and tell its facts.

    Returns:
        producer, opset (domain -> version), ir, inputs and outputs (name, dtype, shape with names for free axes),
        nodes, operators with their counts (those in control-flow bodies too), parameters, size_bytes (weights beside
        the file counted in), multiply-accumulates of one inference with free axes as 1, how many Q and DQ nodes.

    Raises:
        ModelError: the file is no model that is safe to read and supported.
    """
    model = load_model(path)
    infer_shapes(model)
    graph = model.graph
    kinds = Counter(_kind(node) for node in graph.all_nodes())
    ranked = sorted(kinds.items(), key=lambda each: (-each[1], each[0]))
    operators: dict[str, JsonValue] = {kind: count for kind, count in ranked}  # noqa: C416 - widens the values' type
    macs: JsonValue = sum(count_macs(graph).values())
    return {
        "producer": " ".join(filter(None, (model.producer_name, model.producer_version))) or None,
        "ir": model.ir_version,
        "opset": {domain or "ai.onnx": version for domain, version in model.opset_imports.items()},
        "inputs": [_port(value) for value in graph.inputs if not value.is_initializer()],
        "outputs": [_port(value) for value in graph.outputs],
        "nodes": sum(kinds.values()),
        "operators": operators,
        "parameters": sum(_elements(value) for each in model.graphs() for value in each.initializers.values()),
        "size_bytes": path.stat().st_size + sum(place.stat().st_size for place in _beside(model, path)),
        "macs": macs,
        "quantize_nodes": kinds[_PAIR[0]],
        "dequantize_nodes": kinds[_PAIR[1]],
    }


def _kind(node: ir.Node) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def _port(value: ir.Value) -> dict[str, JsonValue]:
    shape: list[JsonValue] | None = None
    if value.shape is not None:
        shape = [dim if isinstance(dim, int) else dim.value for dim in value.shape]
    return {"name": value.name, "dtype": value.dtype.numpy().name if value.dtype else None, "shape": shape}


def _elements(value: ir.Value) -> int:
    held = value.const_value
    return prod(held.shape.numpy()) if held is not None else 0


def _beside(model: ir.Model, path: Path) -> set[Path]:
    held = (value.const_value for graph in model.graphs() for value in graph.initializers.values())
    return {path.parent / tensor.location for tensor in held if isinstance(tensor, ir.ExternalTensor)}
