"""ONNX -> what ONNX Runtime loads: one .onnx file, and the session options that it must be opened with.

Rules:

* An int8 graph is first written as ONNX Runtime's kernels like it: pads and average pools on integers
  (:mod:`~edgekit.compile.integers`), channels in whole lanes (:mod:`~edgekit.compile.lanes`), names short.
* For a processor of this host's family it is then optimised offline at EXTENDED: the integer operators are formed,
  nothing of this one processor goes in (blocked layouts are ENABLE_ALL's and formed at load). The smaller of the two
  graphs is the artifact: where weights would be unfolded to float into the file, the Q/DQ graph stays.
* For another family the Q/DQ graph stays as it is: this host's optimiser would write it for this host.
* Same model, same target, same ONNX Runtime: same bytes.
"""

import platform
import tempfile
from itertools import count
from pathlib import Path

import onnx
import onnx_ir as ir

from edgekit.artifact import Artifact
from edgekit.compile.integers import (
    hold_quantizers_behind_pools,
    write_integer_biases,
    write_integer_pads,
    write_pools_as_convolutions,
)
from edgekit.compile.lanes import widen_channels
from edgekit.compile.shorten import short_name, shorten_names
from edgekit.errors import CompileError, RuntimeFault
from edgekit.graph.load import load_model, save_model
from edgekit.graph.passes.shapes import infer_shapes
from edgekit.graph.save import ONE_FILE_BYTES
from edgekit.profiles import Target
from edgekit.runner.runtimes.onnxruntime import save_optimised

_PRECISIONS = ("int8", "fp32")


def compile_model(model: Artifact, target: Target, folder: Path, *, threads: int) -> Artifact:  # noqa: ARG001
    """Compile a prepared float graph or a Q/DQ graph for ONNX Runtime.

    Args:
        model: of kind ``onnx``.
        target: with runtime ``onnxruntime``.
        folder: where the artifact is written.
        threads: that the session will get; the file does not depend on it.

    Raises:
        CompileError: the target wants numbers that this runtime does not have on a processor, the model is newer
            than the target reads, or ONNX Runtime refuses the graph.
    """
    if target.precision not in _PRECISIONS:
        hint = f"precisions of this runtime: {', '.join(_PRECISIONS)}"
        raise CompileError(f"{target.name}: ONNX Runtime has no {target.precision} on a processor", hint=hint)
    graph = load_model(model.path)
    _check_versions(graph, target)
    if target.precision == "int8":
        write_for_kernels(graph, target)
    shorten_names(graph)
    path = folder / "model.onnx"
    save_model(graph, path)
    if target.precision == "int8" and platform.machine() in target.arch and path.stat().st_size < ONE_FILE_BYTES:
        _keep_smaller(path, _optimised(path, target))
    beside = [each for each in (folder / f"{path.name}.data",) if each.exists()]
    return Artifact.of(
        path,
        kind="onnxruntime",
        beside=beside,
        made_by="compile.onnxruntime",
        parent=model.sha256,
        options=target.options,
    )


def write_for_kernels(model: ir.Model, target: Target) -> None:
    """Rewrite a Q/DQ graph, without a change of its numbers, as the integer kernels take it."""
    infer_shapes(model)
    write_integer_pads(model.graph)
    write_integer_biases(model.graph)
    hold_quantizers_behind_pools(model.graph)
    write_pools_as_convolutions(model.graph, target.scheme.weight_bits if target.scheme else 8)
    if target.lanes is not None:
        widen_channels(model.graph, target.lanes)


def _check_versions(model: ir.Model, target: Target) -> None:
    opset = model.opset_imports.get("", 0)
    if opset > target.opset_max:
        hint = f"export the model with opset {target.opset_max} or older"
        raise CompileError(f"{target.name} reads opset {target.opset_max} at most, the model has {opset}", hint=hint)
    model.ir_version = min(model.ir_version, target.ir_max)


def _optimised(path: Path, target: Target) -> bytes:
    """Return the graph as ONNX Runtime writes it at EXTENDED, freed of opsets that it does not use."""
    options = {**target.options, "graph_optimization_level": "extended"}
    with tempfile.TemporaryDirectory(prefix=".optimise-", dir=path.parent) as scratch:
        draft = Path(scratch, "model.onnx")
        try:
            save_optimised(path, draft, options)
        except RuntimeFault as error:
            raise CompileError(error.mistakes, hint="this is a bug: report it with the model") from error
        proto = onnx.load(draft)
    used = {node.domain for node in _nodes(proto.graph)} | {""}
    kept = [opset for opset in proto.opset_import if opset.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(sorted(kept, key=lambda opset: opset.domain))
    _rename_folded(proto.graph)
    initializers = sorted(proto.graph.initializer, key=lambda tensor: tensor.name)
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(initializers)
    proto.ir_version = min(proto.ir_version, target.ir_max)
    proto.producer_name, proto.producer_version = "edgekit", ""
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _rename_folded(graph: onnx.GraphProto) -> None:
    """Call constants that the optimiser made by short names: it would make their names again when the file is loaded.

    Those that a control-flow body reads, or that are outputs, keep theirs.
    """
    bodies = [body for node in graph.node for body in _bodies(node)]
    kept = {name for body in bodies for node in _nodes(body) for name in node.input} | {
        output.name for output in graph.output
    }
    taken = kept | {name for node in graph.node for name in (*node.input, *node.output)}
    fresh = (name for number in count() if (name := f"c{short_name(number)}") not in taken)
    made = {tensor.name: next(fresh) for tensor in graph.initializer if "_" in tensor.name and tensor.name not in kept}
    for tensor in graph.initializer:
        tensor.name = made.get(tensor.name, tensor.name)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = made.get(name, name)


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Every node of a graph and of the bodies in it."""
    inner = [node for each in graph.node for body in _bodies(each) for node in _nodes(body)]
    return [*graph.node, *inner]


def _bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs in a node's attributes."""
    single = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return [*single, *(body for attribute in node.attribute for body in attribute.graphs)]


def _keep_smaller(path: Path, data: bytes) -> None:
    if len(data) < path.stat().st_size:
        draft = path.with_suffix(".partial")
        draft.write_bytes(data)
        draft.replace(path)
