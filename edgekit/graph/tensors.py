"""Declared tensors of a model file, checked before a byte of them is taken into memory.

* A tensor's dimensions and type say how many bytes it has; the file must hold exactly those.
* External data lies inside the model's folder: no absolute path, no ``..``, no link that leads out, no hard link,
  and every offset and length ends inside the file.
"""

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
import onnx_ir as ir

_PACKED_IN_INT32 = {4: 2, 2: 4}  # how many numbers of so many bits one entry of int32_data carries
_TYPES = frozenset(int(dtype) for dtype in ir.DataType) - {int(ir.DataType.UNDEFINED)}
_COMPLEX = (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128)


def tensor_mistakes(tensors: Iterable[tuple[str, onnx.TensorProto]], folder: Path) -> Iterator[str]:
    """Yield one sentence for each tensor that does not hold what it declares.

    Args:
        tensors: where a tensor stands, in words, and the tensor.
        folder: the model's folder, which external data must not leave.
    """
    for where, tensor in tensors:
        sentence = _tensor_mistake(tensor, folder)
        if sentence:
            yield f"{where} {sentence}"


def _tensor_mistake(tensor: onnx.TensorProto, folder: Path) -> str:
    shape = list(tensor.dims)
    count = math.prod(shape)
    if tensor.data_type not in _TYPES:
        return f"has the unknown data type {tensor.data_type}"
    if any(dim < 0 for dim in shape):
        return f"has a negative dimension: {shape}"
    dtype = ir.DataType(tensor.data_type)
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    if dtype == ir.DataType.STRING:
        wanted, held, unit = count, 0 if external else len(tensor.string_data), "strings"
    elif external:
        return _external_mistake(tensor, math.ceil(count * dtype.bitwidth / 8), folder)
    elif tensor.HasField("raw_data"):
        wanted, held, unit = math.ceil(count * dtype.bitwidth / 8), len(tensor.raw_data), "bytes"
    else:
        wanted = math.ceil(count / _PACKED_IN_INT32.get(dtype.bitwidth, 1)) * (2 if tensor.data_type in _COMPLEX else 1)
        fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
        held, unit = sum(len(field) for field in fields), "numbers"
    return "" if held == wanted else f"declares {dtype.name} {shape}, {wanted} {unit}, and holds {held}"


def _external_mistake(tensor: onnx.TensorProto, wanted_bytes: int, folder: Path) -> str:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path, sentence = _confined(location, folder)
    if sentence:
        return sentence
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", wanted_bytes))
    except ValueError:
        given = f"{entries.get('offset')!r} and {entries.get('length')!r}"
        return f"has an external offset and length that are no numbers: {given}"
    if length != wanted_bytes:
        return f"declares {wanted_bytes} bytes of external data with a length of {length}"
    held = path.stat().st_size
    if offset < 0 or offset + length > held:
        return f"wants bytes {offset} to {offset + length} of {location!r}, which has {held}"
    return ""


def _confined(location: str, folder: Path) -> tuple[Path, str]:
    """Return the file that ``location`` means, and a sentence if it may not be read."""
    path = folder / location
    spellings = (PurePosixPath(location), PureWindowsPath(location))
    sentence = ""
    if not location or "\0" in location:
        sentence = "has external data without a location"
    elif any(each.is_absolute() or each.drive or ".." in each.parts for each in spellings):
        sentence = f"keeps its data at {location!r}, outside the model's folder"
    elif not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        sentence = f"keeps its data at {location!r}, a link that leads out of the model's folder"
    elif not path.exists():
        sentence = f"keeps its data in {location!r}, which is missing beside the model"
    elif not path.is_file():
        sentence = f"keeps its data in {location!r}, which is no regular file"
    elif path.stat().st_nlink > 1:
        sentence = f"keeps its data in {location!r}, which has a second name (hard link) elsewhere"
    return path, sentence
