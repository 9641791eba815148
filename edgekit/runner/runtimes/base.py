"""What every runtime adapter is: load a compiled model, run it, and say what really ran.

>>> session = open_session("onnxruntime", Path("model.onnx"))          # doctest: +SKIP
>>> session.infer({"input": np.zeros((1, 3, 32, 32), np.float32)})     # doctest: +SKIP
{'logits': array(...)}
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgekit.runner.faults import InputError

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Port:
    """An input or output of a model: numpy dtype name, and a shape in which None is free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Executed:
    """One operator as the runtime really ran it.

    Attributes:
        name: the runtime's name of the node.
        kind: the runtime's operator type, such as ``QLinearConv`` or ``Convolution``.
        precision: ``int8``, ``f32``, ``f16``, ``bf16`` or the runtime's own word.
        provider: who ran it, such as ``CPUExecutionProvider``.
    """

    name: str
    kind: str
    precision: str
    provider: str


class Session(ABC):
    """A loaded model. Implementers fill the attributes and write ``_infer`` and ``executed``."""

    runtime: ClassVar[str]
    version: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model once.

        Args:
            feeds: one array for each input, of its dtype and rank, fixed axes equal.

        Returns:
            One array for each output, by name, in the model's order.

        Raises:
            InputError: a feed is missing, unknown, or does not fit its port.
            RuntimeFault: the runtime failed.
        """
        check_feeds(self.inputs, feeds)
        return self._infer(feeds)

    @abstractmethod
    def _infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]: ...

    @abstractmethod
    def executed(self) -> list[Executed]:
        """Return the operators of the graph as the runtime runs it, after its own fusions."""

    def close(self) -> None:  # noqa: B027 - an optional duty, not an abstract one
        """Give back what the session holds; nothing by default."""


def check_feeds(ports: tuple[Port, ...], feeds: Mapping[str, Array]) -> None:
    """Raise InputError with every way in which the feeds do not fit the ports."""
    mistakes = []
    names = {port.name for port in ports}
    mistakes += [f"no input is called {name!r}; inputs: {sorted(names)}" for name in feeds if name not in names]
    for port in ports:
        if port.name not in feeds:
            mistakes.append(f"input {port.name!r} is missing")
            continue
        array = feeds[port.name]
        fits = len(array.shape) == len(port.shape) and all(
            want is None or want == got for want, got in zip(port.shape, array.shape, strict=True)
        )
        if not fits or array.dtype.name != port.dtype:
            want = f"{port.dtype} {list(port.shape)}"
            mistakes.append(f"input {port.name!r} takes {want}, got {array.dtype.name} {list(array.shape)}")
    if mistakes:
        raise InputError(mistakes, hint="make the data fit the model's inputs (None is a free axis)")


def open_session(runtime: str, path: Path, *, threads: int = 1, options: Mapping[str, str] | None = None) -> Session:
    """Load a model with the adapter of that name (``edgekit/runner/runtimes/<runtime>.py``).

    Raises:
        MissingExtra: the runtime is not installed here.
        RuntimeFault: the runtime refuses the file.
    """
    module = importlib.import_module(f"edgekit.runner.runtimes.{runtime}")
    session: Session = module.open_model(path, threads=threads, options=dict(options or {}))
    return session
