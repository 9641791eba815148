"""ONNX Runtime: .onnx and .ort files on the CPU provider, without telemetry.

Rules that hold for every session opened here:

* ``ORT_DISABLE_TELEMETRY=1`` is set before the package is imported; whoever else needs the package takes it from
  here (``from edgekit.runner.runtimes.onnxruntime import onnxruntime``).
* ``threads`` counts the threads inside one operator; operators run one after the other.
* An option is a session configuration entry of ONNX Runtime (its keys have a dot: ``session.qdqisint8allowed``) or
  one reserved key, ``graph_optimization_level``: ``disable``, ``basic``, ``extended``, ``layout`` or ``all`` (default).
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from edgekit.runner.faults import MissingExtra, RuntimeFault
from edgekit.runner.runtimes.base import Array, Executed, Port, Session
from edgekit.runner.runtimes.operators import read_operators

try:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as native
except ImportError as error:
    raise MissingExtra("the package 'onnxruntime' is not installed", hint="pip install onnxruntime") from error

__all__ = ["PROVIDER", "OnnxRuntimeSession", "onnxruntime", "open_model", "save_optimised", "session_options"]

PROVIDER = "CPUExecutionProvider"
LEVELS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
    "all": "ORT_ENABLE_ALL",
}
_FATAL_ONLY = 4  # log severity: 0 verbose to 4 fatal; every error is raised as well, so nobody needs it twice
_NUMPY_NAMES = {"float": "float32", "double": "float64", "string": "object"}

# The package raises about fifteen classes without a common parent, and RuntimeError where it has no class.
_REFUSALS: tuple[type[Exception], ...] = (
    *(each for each in vars(native).values() if isinstance(each, type) and issubclass(each, Exception)),
    RuntimeError,
    MemoryError,
)


def open_model(path: Path, *, threads: int, options: Mapping[str, str]) -> "OnnxRuntimeSession":
    """Load a model on the CPU provider.

    Args:
        path: an .onnx or .ort file.
        threads: threads inside one operator, at least 1.
        options: session configuration entries and the reserved key of the module's docstring.

    Raises:
        RuntimeFault: the file is missing or refused, an option is unknown, or an input is not a tensor.
    """
    return OnnxRuntimeSession(path, threads, options)


def session_options(threads: int, options: Mapping[str, str]) -> Any:
    """Return ``onnxruntime.SessionOptions`` for these threads and options.

    Raises:
        RuntimeFault: an option is neither reserved nor a session configuration entry.
    """
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = _FATAL_ONLY
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    for key, value in options.items():
        if key == "graph_optimization_level":
            settings.graph_optimization_level = _level(value)
        elif "." in key:
            settings.add_session_config_entry(key, value)
        else:
            hint = "use graph_optimization_level, or an entry with a dot such as session.qdqisint8allowed"
            raise RuntimeFault(f"ONNX Runtime has no option {key!r}", hint=hint)
    return settings


def save_optimised(path: Path, destination: Path, options: Mapping[str, str]) -> None:
    """Write the graph as ONNX Runtime runs it, after its own fusions, to ``destination`` (.onnx).

    Large weights go to ``<destination>.weights`` beside it, so that a graph of any size can be written.

    Raises:
        RuntimeFault: the model is refused.
    """
    settings = session_options(1, options)
    settings.optimized_model_filepath = str(destination)
    settings.add_session_config_entry(
        "session.optimized_model_external_initializers_file_name", destination.name + ".weights"
    )
    with _in_words(f"ONNX Runtime cannot load {path.name}"):
        onnxruntime.InferenceSession(str(path), settings, providers=[PROVIDER])


class OnnxRuntimeSession(Session):
    """A model that ONNX Runtime holds; see the module's docstring for what it was opened with."""

    runtime: ClassVar[str] = "onnxruntime"

    def __init__(self, path: Path, threads: int, options: Mapping[str, str]) -> None:
        self.version = str(onnxruntime.__version__)
        self._path = path
        self._options = dict(options)
        if not path.is_file():
            raise RuntimeFault(f"ONNX Runtime cannot load {path.name}: there is no such file: {path}")
        with _in_words(f"ONNX Runtime cannot load {path.name}"):
            self._session = onnxruntime.InferenceSession(
                str(path), session_options(threads, options), providers=[PROVIDER]
            )
        self.inputs = tuple(_port(path, value) for value in self._session.get_inputs())
        self.outputs = tuple(_port(path, value) for value in self._session.get_outputs())
        self._names = [port.name for port in self.outputs]

    def _infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        with _in_words(f"ONNX Runtime cannot run {self._path.name}"):
            values = self._session.run(self._names, dict(feeds))
        return {name: np.asarray(value) for name, value in zip(self._names, values, strict=True)}

    def executed(self) -> list[Executed]:
        """Return the operators of the optimised graph.

        ``name`` is ONNX Runtime's: a fused operator keeps the name of the operator it grew from, sometimes with a
        suffix (``QLinearConv`` of ``conv1``: ``conv1`` or ``conv1_token_7``); a float convolution in blocked layout is
        called ``<its output>_nchwc``.
        """
        with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
            optimised = Path(folder, "optimised.onnx")
            save_optimised(self._path, optimised, self._options)
            operators = read_operators(optimised.read_bytes())
        return [Executed(each.name, each.kind, each.precision, PROVIDER) for each in operators]


def _port(path: Path, value: Any) -> Port:
    kind = str(value.type)
    if not kind.startswith("tensor("):
        hint = "end the graph before the sequence or map (a converter's ZipMap, for example)"
        raise RuntimeFault(f"{path.name}: {value.name!r} is a {kind}; only tensors can be fed and compared", hint=hint)
    name = kind.removeprefix("tensor(").removesuffix(")")
    shape = tuple(axis if isinstance(axis, int) else None for axis in value.shape or ())
    return Port(str(value.name), _NUMPY_NAMES.get(name, name), shape)


def _level(word: str) -> Any:
    if word not in LEVELS:
        raise RuntimeFault(f"graph_optimization_level is {word!r}; allowed: {', '.join(LEVELS)}")
    return getattr(onnxruntime.GraphOptimizationLevel, LEVELS[word])


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Turn the package's exceptions into one sentence: what failed, and what ONNX Runtime says."""
    try:
        yield
    except _REFUSALS as error:
        # "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : the sentence" -> "the sentence"
        said = str(error).split(" : ", 3)[-1] if str(error).startswith("[ONNXRuntimeError]") else str(error)
        raise RuntimeFault(f"{what}: {' '.join(said.split()) or type(error).__name__}") from error
