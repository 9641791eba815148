"""ONNX -> what OpenVINO loads: an IR (.xml and .bin), and the properties that it must be compiled with.

Rules:

* Integer biases become float constants again, OpenVINO adds them to the float sum.
* ``openvino.convert_model`` folds each Q/DQ pair into one FakeQuantize of 256 levels and leaves weights as int8
  constants behind Convert and Multiply; the plugin makes integer operators of these when it loads the file.
* Equal constants become one, and the XML is written without what its reader works out by itself
  (:mod:`~edgekit.compile.openvino_xml`): the XML of a small model is larger than its weights.
* Float weights are stored in 16 bits for ``fp16`` and ``bf16`` targets (save_model keeps 32 where 16 would not do),
  whatever the arithmetic: that is ``INFERENCE_PRECISION_HINT`` in the artifact's options.
* Same model, same target, same OpenVINO: same bytes.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.artifact import Artifact
from edgekit.compile.openvino_xml import write_slim_xml
from edgekit.compile.shorten import shorten_names
from edgekit.errors import CompileError
from edgekit.graph.edits import add_constant, constant_of, is_onnx
from edgekit.graph.load import load_model, save_model
from edgekit.graph.macs import COUNTED
from edgekit.profiles import Target
from edgekit.runner.runtimes.openvino import openvino

_HALF = ("fp16", "bf16")
_WEIGHTED = (
    "Convolution",
    "GroupConvolution",
    "ConvolutionBackpropData",
    "GroupConvolutionBackpropData",
    "MatMul",
)
_WITHOUT_BIAS = "/WithoutBiases"

# The package's own refusals have no common parent but Exception.
_REFUSALS = (RuntimeError, *(each for name, each in vars(openvino.frontend).items() if name.endswith("Failure")))


def compile_model(model: Artifact, target: Target, folder: Path, *, threads: int) -> Artifact:  # noqa: ARG001
    """Compile a prepared float graph or a Q/DQ graph for OpenVINO.

    Args:
        model: of kind ``onnx``.
        target: with runtime ``openvino``.
        folder: where the artifact is written.
        threads: that the session will get; the files do not depend on it.

    Raises:
        CompileError: OpenVINO refuses the graph.
    """
    graph = load_model(model.path)
    unfold_biases(graph.graph)
    shorten_names(graph)
    with tempfile.TemporaryDirectory(prefix=".compile-", dir=folder) as scratch:
        source = Path(scratch, "model.onnx")
        save_model(graph, source)
        converted = _convert(source)
        _share_constants(converted)
        _name_layers(converted, _weighted_names(graph.graph))
        draft = Path(scratch, "model.xml")
        openvino.save_model(converted, str(draft), compress_to_fp16=target.precision in _HALF)
        path, weights = folder / "model.xml", folder / "model.bin"
        outputs = [str(value.name) for value in graph.graph.outputs]
        draft.with_suffix(".bin").replace(weights)
        write_slim_xml(draft, path, outputs)
    return Artifact.of(
        path,
        kind="openvino",
        beside=[weights],
        made_by="compile.openvino",
        parent=model.sha256,
        options={**target.options, **({} if target.device == "CPU" else {"device": target.device})},
    )


def unfold_biases(graph: ir.Graph) -> None:
    """Turn constants of int32 behind DequantizeLinear into the float constants that they stand for."""
    for node in list(graph):
        integers = constant_of(node.inputs[0]) if is_onnx(node, "DequantizeLinear") else None
        if integers is None or integers.dtype != np.int32:
            continue
        scale = constant_of(node.inputs[1])
        if scale is None:
            continue
        real = (integers * scale.astype(np.float64)).astype(np.float32)
        output = node.outputs[0]
        output.replace_all_uses_with(add_constant(graph, f"{output.name}_real", real))
        graph.remove(node, safe=True)


def _convert(source: Path) -> Any:
    try:
        return openvino.convert_model(str(source))
    except _REFUSALS as error:
        lines = [line.strip() for line in str(error).splitlines()]
        said = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
        hint = "OpenVINO does not read this operator: choose an ONNX Runtime target"
        raise CompileError(f"OpenVINO cannot convert {source.name}: {' '.join(said)}"[:600], hint=hint) from error


def _share_constants(model: Any) -> None:
    """Let readers of equal constants read one, and write ranges of FakeQuantize as single numbers."""
    held: dict[tuple[object, ...], Any] = {}
    for operator in model.get_ordered_ops():
        kind = operator.get_type_name()
        for index in range(operator.get_input_size()):
            source = operator.input_value(index)
            constant = source.get_node()
            if constant.get_type_name() != "Constant":
                continue
            numbers = constant.data
            if kind == "FakeQuantize" and index > 0 and numbers.size == 1:
                numbers = numbers.reshape(())
            key = (constant.get_element_type().get_type_name(), numbers.shape, numbers.tobytes())
            if key not in held:
                same = numbers.shape == constant.data.shape
                held[key] = constant if same else openvino.opset1.constant(numbers, constant.get_element_type())
            operator.input(index).replace_source_output(held[key].output(0))
    model.validate_nodes_and_infer_types()


def _weighted_names(graph: ir.Graph) -> dict[str, str]:
    """Return OpenVINO's name of each node with weights -> our name: it calls the maker of a graph output like that."""
    nodes = [node for node in graph if is_onnx(node, *COUNTED)]
    made = {str(node.outputs[0].name): str(node.name) for node in nodes if node.outputs[0].is_graph_output()}
    return {**{str(node.name): str(node.name) for node in nodes}, **made}


def _name_layers(model: Any, names: dict[str, str]) -> None:
    """Call operators with weights as the ONNX nodes that they came from, all others by numbers."""
    kept, taken = set(names.values()), set[str]()
    for number, operator in enumerate(model.get_ordered_ops()):
        kind = operator.get_type_name()
        if kind in ("Parameter", "Result"):
            continue
        name = names.get(str(operator.get_friendly_name()).removesuffix(_WITHOUT_BIAS), "")
        if kind not in _WEIGHTED or not name or name in taken:
            name = str(number)
            while name in kept:
                name += "_"
        taken.add(name)
        operator.set_friendly_name(name)
