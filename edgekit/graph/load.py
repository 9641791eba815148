"""An ONNX file -> a model in memory. A file is hostile until it is checked.

In this order, so that nothing is believed before it is looked at:

1. it is a file, of a size that a protobuf can have, and its first bytes are not those of something else;
2. it parses, says IR 3 or newer and opset 7 to 23, and every operator belongs to a domain that we know;
3. every tensor holds exactly what it declares, external data stays in the model's folder, and no input or output
   has more than ``PORT_ELEMENTS`` fixed elements;
4. the ONNX checker accepts it;
5. its functions are put in line, so that all that follows sees one graph and its control-flow bodies.
"""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no stubs
from onnx_ir.passes.common import InlinePass, RemoveUnusedFunctionsPass, RemoveUnusedOpsetsPass

from edgekit.errors import ModelError
from edgekit.graph.save import save_model
from edgekit.graph.suspects import HEAD_BYTES, suspect_from_head
from edgekit.graph.tensors import tensor_mistakes

__all__ = ["DOMAINS", "OPSETS", "PORT_ELEMENTS", "load_model", "save_model"]

OPSETS = range(7, 24)
DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
PORT_ELEMENTS = 1 << 28
"""An input or output whose fixed axes alone have more elements than this (1 GiB of float32) is refused."""

_PROTOBUF_BYTES = (1 << 31) - 1
_OLDEST_IR = 3
_MOST_SENTENCES = 10
_REEXPORT = "export the model again with opset 17 and onnx.checker.check_model it there"

Scope = onnx.GraphProto | onnx.FunctionProto


def load_model(path: Path) -> ir.Model:
    """Read and check an ONNX model; weights in external data stay on disk until they are used.

    Raises:
        ModelError: the file is missing, no ONNX model, not safe to read, or not supported; the hint says what to do.
    """
    proto = _parse(path)
    scopes = list(_scopes(proto))
    _spell_domains_and_axes(proto, scopes)
    _check_versions(proto, path)
    _check_domains(proto, scopes, path)
    _refuse([f"{path}: {each}" for each in _graph_mistakes(proto)], _REEXPORT)
    tensors = list(_tensors(scopes))
    beside = "keep the data file in the model's own folder, as a plain file, as the exporter wrote it"
    _refuse(islice((f"{path}: {each}" for each in tensor_mistakes(tensors, path.parent)), _MOST_SENTENCES), beside)
    _check_by_onnx(proto, path, external=any(tensor.data_location for _, tensor in tensors))
    return _inlined(proto, path)


def _refuse(mistakes: Iterable[str], hint: str) -> None:
    found = list(mistakes)
    if found:
        raise ModelError(found, hint=hint)


def _parse(path: Path) -> onnx.ModelProto:
    """Read the file as protobuf, after its size and its first bytes have been looked at."""
    if not path.exists():
        raise ModelError(f"{path}: no such file", hint="give the path of an .onnx file")
    if not path.is_file():
        inside = sorted(each.name for each in path.glob("*.onnx")) if path.is_dir() else []
        hint = f"it holds {inside[0]}: give that path" if inside else "give the path of an .onnx file"
        raise ModelError(f"{path}: not a file", hint=hint)
    size_bytes = path.stat().st_size
    if size_bytes > _PROTOBUF_BYTES:
        hint = "save it with external data: onnx.save_model(model, path, save_as_external_data=True)"
        raise ModelError(f"{path}: {size_bytes} bytes are more than the 2 GiB that one ONNX file can have", hint=hint)
    if size_bytes == 0:
        raise ModelError(f"{path}: the file is empty", hint="copy or export it again")
    proto = onnx.ModelProto()
    try:
        data = path.read_bytes()
        suspect = suspect_from_head(data[:HEAD_BYTES])
        if suspect:
            raise ModelError(f"{path}: not an ONNX model but {suspect.what}", hint=suspect.hint)
        proto.ParseFromString(data)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}", hint="check the file's permissions") from error
    except DecodeError as error:
        hint = "if it is one, the copy is damaged or cut short: copy or export it again"
        raise ModelError(f"{path}: not an ONNX model (it does not parse as one)", hint=hint) from error
    if not (proto.ir_version and proto.HasField("graph")):
        raise ModelError(
            f"{path}: not an ONNX model (no IR version or no graph)", hint="give the path of an .onnx file"
        )
    return proto


def _scopes(proto: onnx.ModelProto) -> Iterator[Scope]:
    """Yield the main graph, the functions, and every graph inside a node's attributes."""
    waiting: list[Scope] = [proto.graph, *proto.functions]
    while waiting:
        scope = waiting.pop()
        yield scope
        for node in scope.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _spell_domains_and_axes(proto: onnx.ModelProto, scopes: list[Scope]) -> None:
    """Write ``ai.onnx`` as the empty domain, and axes of a negative length (old exporters: "any") as free ones."""
    for opset in (*proto.opset_import, *(each for function in proto.functions for each in function.opset_import)):
        opset.domain = "" if opset.domain == "ai.onnx" else opset.domain
    for scope in scopes:
        for node in scope.node:
            node.domain = "" if node.domain == "ai.onnx" else node.domain
        ports = (*scope.input, *scope.output) if isinstance(scope, onnx.GraphProto) else ()
        for info in (*ports, *scope.value_info):
            for dim in info.type.tensor_type.shape.dim if info.type.HasField("tensor_type") else ():
                if dim.dim_value < 0:
                    dim.ClearField("dim_value")


def _check_versions(proto: onnx.ModelProto, path: Path) -> None:
    if not _OLDEST_IR <= proto.ir_version <= onnx.IR_VERSION:
        known = f"supported: {_OLDEST_IR} to {onnx.IR_VERSION}"
        raise ModelError(f"{path}: ONNX IR version {proto.ir_version}; {known}", hint=_REEXPORT)
    found = {opset.version for opset in proto.opset_import if not opset.domain}
    supported = f"supported: {OPSETS[0]} to {OPSETS[-1]}"
    if len(found) != 1:
        said = f"{sorted(found)}" if found else "no version"
        raise ModelError(f"{path}: {said} of the ONNX operator set; {supported}", hint=_REEXPORT)
    if not found <= set(OPSETS):
        raise ModelError(f"{path}: opset {found.pop()}; {supported}", hint=_REEXPORT)


def _check_domains(proto: onnx.ModelProto, scopes: list[Scope], path: Path) -> None:
    """Refuse operators that no runtime here has, by name and node."""
    functions = {(function.domain, function.name) for function in proto.functions}
    unknown = [
        f"{path}: operator {node.op_type!r} of the unknown domain {node.domain!r} (node {node.name!r})"
        for scope in scopes
        for node in scope.node
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in functions
    ]
    hint = f"known domains: ai.onnx, {', '.join(DOMAINS[1:])}; write the operator with those, or as a model function"
    _refuse(unknown[:_MOST_SENTENCES], hint)


def _graph_mistakes(proto: onnx.ModelProto) -> Iterator[str]:
    """Yield what makes a graph useless or dangerous to us although ONNX may allow it."""
    graph = proto.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [info for info in graph.input if info.name not in weights]
    if not graph.node:
        yield "the graph has no nodes"
    if not graph.output:
        yield "the graph has no outputs"
    if not inputs:
        yield "the graph has no inputs"
    for noun, ports in (("input", inputs), ("output", graph.output)):
        for port in ports:
            kind = port.type.WhichOneof("value")
            if kind != "tensor_type":
                yield f"{noun} {port.name!r} is no tensor but {(kind or 'of no type').removesuffix('_type')}"
                continue
            if port.type.tensor_type.elem_type == onnx.TensorProto.STRING:
                yield f"{noun} {port.name!r} holds strings; numbers only"
            fixed = [dim.dim_value for dim in port.type.tensor_type.shape.dim if dim.dim_value]
            if math.prod(fixed) > PORT_ELEMENTS:
                yield f"{noun} {port.name!r} of shape {fixed} has more than {PORT_ELEMENTS} elements"
    if any(each.sparse_initializer for each in _scopes(proto) if isinstance(each, onnx.GraphProto)):
        yield "sparse weights are not supported"


def _tensors(scopes: list[Scope]) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield every dense tensor of the file with where it stands, in words."""
    for scope in scopes:
        if isinstance(scope, onnx.GraphProto):
            yield from ((f"initializer {tensor.name!r}", tensor) for tensor in scope.initializer)
        for node in scope.node:
            for attribute in node.attribute:
                held = [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
                sparse = [*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else [])]
                held += [part for each in (*sparse, *attribute.sparse_tensors) for part in (each.values, each.indices)]
                yield from ((f"attribute {attribute.name!r} of node {node.name!r}", tensor) for tensor in held)


def _check_by_onnx(proto: onnx.ModelProto, path: Path, *, external: bool) -> None:
    """Let the ONNX checker speak, on the file itself where it has to find external data."""
    try:
        onnx.checker.check_model(path if external else proto)
    except onnx.checker.ValidationError as error:
        raise ModelError(f"{path}: {_one_line(str(error))}", hint=_REEXPORT) from error


def _one_line(words: str) -> str:
    """Fold a library's paragraphs into one printable line."""
    line = " ".join(words.replace("==> Context:", ";").split())
    line = re.sub(r"\s*;\s*", "; ", line)
    return "".join(each if each.isprintable() else "?" for each in line)[:400]


def _inlined(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """Turn the checked file into a model without functions, and tell its tensors where their data lies."""
    try:
        model = ir.from_proto(proto)
        if model.functions:
            InlinePass()(model)
            RemoveUnusedFunctionsPass()(model)  # type: ignore[no-untyped-call]  # untyped in onnx-ir
            RemoveUnusedOpsetsPass()(model)
    except (ir.serde.SerdeError, ir.passes.PreconditionError, ValueError) as error:
        words = _one_line(str(error.__cause__ or error))
        raise ModelError(f"{path}: {words}", hint=_REEXPORT) from error
    ir.external_data.set_base_dir(model.graph, path.parent.absolute())
    return model
