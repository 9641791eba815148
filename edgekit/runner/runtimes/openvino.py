"""OpenVINO: IR (.xml + .bin) and .onnx files on the CPU plugin, without telemetry.

Rules that hold for every session opened here:

* The package ``openvino_telemetry``, which OpenVINO calls when it is imported, is blocked before the import: OpenVINO
  then uses its own silent stub. Whoever else needs the package takes it from here
  (``from edgekit.runner.runtimes.openvino import openvino``).
* One stream, ``PERFORMANCE_HINT=LATENCY``, ``threads`` threads, and ``INFERENCE_PRECISION_HINT=f32``: without the
  hint a processor with bf16 instructions computes in bf16 and its figures cannot be compared.
* An option is a property of the plugin (``INFERENCE_PRECISION_HINT: bf16``) or the reserved key ``device`` (default
  ``CPU``). Options beat the rules above.
* One request is reused; outputs are copies, so that they outlive the next inference.
* It is started and waited for: ``InferRequest.infer`` of 2026.4.1 swallows what goes wrong inside and gives empty or
  stale outputs (seen with shapes that do not fit each other); ``wait`` raises it. Feeds are lent, not copied.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgekit.runner.faults import RuntimeFault, missing
from edgekit.runner.runtimes.base import Array, Executed, Port, Session

__all__ = ["OpenVinoSession", "core", "open_model", "openvino"]

if "openvino_telemetry" not in sys.modules:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # makes `import openvino_telemetry` fail

try:
    import openvino
except ImportError as error:
    raise missing("openvino", "openvino") from error

SUFFIXES = (".xml", ".onnx")
_INTEGER_WORDS = ("u8", "i8")
_PLACES = re.compile(r"Caught exception: |Exception from \S+:\d+:|Check '.*?' failed at \S+:\d+:?", re.DOTALL)
"""Where in OpenVINO's source something was noticed, which tells a user nothing."""
_SINK = "/sink_port_0"  # OpenVINO calls the result of an ONNX output "<output>/sink_port_0"


def open_model(path: Path, *, threads: int, options: Mapping[str, str]) -> "OpenVinoSession":
    """Load a model on the CPU plugin.

    Args:
        path: an .xml file with its .bin beside it, or an .onnx file.
        threads: inference threads, at least 1.
        options: plugin properties and the reserved key of the module's docstring.

    Raises:
        RuntimeFault: the file is missing or refused, or a property is unknown.
    """
    return OpenVinoSession(path, threads, options)


@cache
def core() -> Any:
    """Return the one ``openvino.Core`` of this process."""
    return openvino.Core()


class OpenVinoSession(Session):
    """A model that OpenVINO holds; see the module's docstring for what it was opened with."""

    runtime: ClassVar[str] = "openvino"

    def __init__(self, path: Path, threads: int, options: Mapping[str, str]) -> None:
        self.version = str(openvino.get_version()).split("-", maxsplit=1)[0]
        self._path = path
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
            **options,
        }
        device = properties.pop("device", "CPU")
        if path.suffix not in SUFFIXES or not path.is_file():
            why = "there is no such file" if path.suffix in SUFFIXES else f"it opens {' and '.join(SUFFIXES)}"
            raise RuntimeFault(f"OpenVINO cannot load {path.name}: {why}: {path}")
        with _in_words(f"OpenVINO cannot load {path.name}"):
            self._compiled = core().compile_model(core().read_model(path), device, properties)
            self._request = self._compiled.create_infer_request()
        self._device = device
        self.inputs = tuple(_port(value, _name(value)) for value in self._compiled.inputs)
        self.outputs = tuple(_port(value, _output_name(value)) for value in self._compiled.outputs)

    def _infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        by_index = {index: feeds[port.name] for index, port in enumerate(self.inputs)}
        with _in_words(f"OpenVINO cannot run {self._path.name}"):
            self._request.start_async(by_index, share_inputs=True)
            self._request.wait()
            return {
                port.name: np.array(self._request.get_output_tensor(index).data)
                for index, port in enumerate(self.outputs)
            }

    def executed(self) -> list[Executed]:
        """Return the operators of the runtime model; constants, inputs and outputs are left out.

        ``name`` is OpenVINO's list of the layers that were fused into the operator, joined by commas
        (``conv1,relu1``); for a layer that OpenVINO added itself it is the operator's own name.
        """
        operators = []
        for node in self._compiled.get_runtime_model().get_ordered_ops():
            info = node.get_rt_info()
            kind = str(info["layerType"].value)
            if kind in ("Const", "Input", "Output"):
                continue
            word = str(info["runtimePrecision"].value)
            precision = "int8" if word in _INTEGER_WORDS else word
            name = str(info["originalLayersNames"].value) or str(node.get_friendly_name())
            operators.append(Executed(name, kind, precision, self._device))
        return operators

    def close(self) -> None:
        """Give back the compiled model and its memory."""
        del self._request
        del self._compiled


def _port(value: Any, name: str) -> Port:
    shape = value.partial_shape
    axes = () if shape.rank.is_dynamic else tuple(axis.get_length() if axis.is_static else None for axis in shape)
    return Port(name, np.dtype(value.element_type.to_dtype()).name, axes)


def _name(value: Any) -> str:
    """Return the tensor's name; a tensor that the file left unnamed is called like its node."""
    return str(value.get_any_name() if value.get_names() else value.get_node().get_friendly_name())


def _output_name(value: Any) -> str:
    """Return the output's name: of several names of one tensor, the one that the ONNX file ends in."""
    name = str(value.get_node().get_friendly_name()).removesuffix(_SINK)
    return name if name in value.get_names() else _name(value)


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Turn OpenVINO's exceptions into one sentence: what failed, and the lines that say why."""
    try:
        yield
    except (RuntimeError, MemoryError, TypeError, ValueError) as error:
        said = " ".join(_PLACES.sub(" ", str(error)).split())
        raise RuntimeFault(f"{what}: {said or type(error).__name__}") from error
