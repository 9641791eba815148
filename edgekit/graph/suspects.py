"""What a file that is no ONNX model really is, told from its first bytes, and what to do about it.

A pickle is named and refused, never opened: loading one runs whatever code its author put in.
"""

from dataclasses import dataclass

HEAD_BYTES = 4096
"""How many bytes from the front of a file :func:`suspect_from_head` wants to see."""

_EXPORT = "export it first: torch.onnx.export(model.eval(), example, 'model.onnx', dynamo=True)"
_PICKLE = "a pickle can run any code when it is opened; keep weights as safetensors and the network as ONNX"


@dataclass(frozen=True)
class Suspect:
    """A kind of file that is often taken for an ONNX model: what it is, in words, and the next step."""

    what: str
    hint: str


_BY_MAGIC: tuple[tuple[bytes, Suspect], ...] = (
    (b"\x80\x02", Suspect("a Python pickle, which is refused", _PICKLE)),
    (b"\x80\x03", Suspect("a Python pickle, which is refused", _PICKLE)),
    (b"\x80\x04", Suspect("a Python pickle, which is refused", _PICKLE)),
    (b"\x80\x05", Suspect("a Python pickle, which is refused", _PICKLE)),
    (b"PK\x03\x04", Suspect("a zip archive, as torch.save and TorchScript write them (.pt, .pth)", _EXPORT)),
    (b"\x89HDF", Suspect("an HDF5 file, as Keras writes them", "convert it to ONNX with tf2onnx")),
    (b"GGUF", Suspect("a GGUF language model", "start from the original model and export it to ONNX")),
    (b"\x1f\x8b", Suspect("a gzip archive", "unpack it first")),
    (
        b"version https://git-lfs",
        Suspect("a Git LFS pointer, not the model itself", "fetch the model with: git lfs pull"),
    ),
    (b"<?xml", Suspect("an XML file (an OpenVINO IR?)", "start from the ONNX model that it was made from")),
    (b"PAR1", Suspect("a Parquet table", "give the path of the .onnx file")),
    (b"\x93NUMPY", Suspect("a NumPy array", "give the path of the .onnx file")),
)


def suspect_from_head(head: bytes) -> Suspect | None:
    """Say what a file is that starts with ``head``, or None if nothing speaks against an ONNX model.

    Args:
        head: the first ``HEAD_BYTES`` bytes, or fewer of a shorter file.
    """
    for magic, suspect in _BY_MAGIC:
        if head.startswith(magic):
            return suspect
    if head[4:8] == b"TFL3":
        return Suspect("a TensorFlow Lite model", "start from the original model and export it to ONNX")
    if head[8:9] == b"{" and head[2:8] == bytes(6):
        return Suspect(
            "a safetensors file: weights without a network", "name the network with a factory, module:function"
        )
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return Suspect("an HTML page, perhaps of a failed download", "download the file itself, not the page about it")
    if text.startswith((b"{", b"[")):
        return Suspect("a text file (JSON or TOML)", "give the path of the .onnx file")
    return None
