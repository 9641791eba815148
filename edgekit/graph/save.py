"""A model in memory -> an ONNX file: the same model gives the same bytes, and the file is whole or not there.

* Written under a temporary name in the same folder, flushed to disk, then renamed.
* What fits into one protobuf (2 GiB less a margin) becomes one file; a larger model keeps its weights in
  ``<name>.data`` beside it.
* Doc strings and what exporters note on single nodes (stack traces, paths of the author's machine) are dropped;
  the model's own ``metadata_props`` are kept.
"""

import os
import tempfile
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

ONE_FILE_BYTES = (2 << 30) - (64 << 20)
"""Weights up to here stay inside the .onnx file; protobuf ends at 2 GiB."""


def save_model(model: ir.Model, path: Path, *, one_file_bytes: int = ONE_FILE_BYTES) -> None:
    """Write ``model`` to ``path``, and to ``<path>.data`` if its weights exceed ``one_file_bytes``.

    Initializers that lay in another model's external data are read into memory; otherwise the model is unchanged
    but for dropped doc strings.

    Raises:
        OSError: the folder is missing, not writable or full; nothing is left half-written.
    """
    ClearMetadataAndDocStringPass()(model)
    model.doc_string = None
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".partial", dir=path.parent) as scratch:
        draft = Path(scratch) / path.name
        data = f"{path.name}.data"
        if _weights_bytes(model) > one_file_bytes:
            ir.save(model, draft, external_data=data, size_threshold_bytes=1024)
            _settle(Path(scratch) / data, path.parent / data)
        else:
            draft.write_bytes(model_bytes(model))
        _settle(draft, path)
    _flush(path.parent)


def model_bytes(model: ir.Model) -> bytes:
    """Return the model as one ONNX file's bytes; weights in external data are read into memory first."""
    ir.external_data.load_to_model(model)
    proto: onnx.ModelProto = ir.to_proto(model)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _weights_bytes(model: ir.Model) -> int:
    tensors = (value.const_value for graph in model.graphs() for value in graph.initializers.values())
    return sum(tensor.nbytes for tensor in tensors if tensor is not None and tensor.dtype != ir.DataType.STRING)


def _settle(draft: Path, path: Path) -> None:
    _flush(draft)
    draft.replace(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
