"""Python beside a card: the function gives samples (or, elsewhere, a metric). A card is trusted like a Makefile.

def load():                                    # data.py; python = "data:load"
    return {"input": images}, {"target": labels}      # first axis counts samples; anything with len and [i] will do
def load():
    return [({"input": image}, {"target": label}), ...]    # or something to index that gives pairs, one a sample
"""

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.card import Pick, PythonSource
from edgekit.errors import EdgeKitError, InputError, RecipeError
from edgekit.samples.arrays import check_finite
from edgekit.samples.pool import Array, Labels, Wanted

_LABELLED = 2


class PythonPool:
    """What a function gave, indexed; see :class:`edgekit.samples.pool.Pool`."""

    parts = 1
    units: Sequence[str] | None = None

    def __init__(self, name: str, given: Any) -> None:
        self._name = name
        self._columns: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
        self._samples = given
        if isinstance(given, tuple) and len(given) == _LABELLED and all(isinstance(each, Mapping) for each in given):
            self._columns = given
        self._count = self._count_samples()
        self.labels = self._read_labels()
        self.identity: tuple[str, ...] = (name,)

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        """Name the function and the sample."""
        return f"{self._name}, sample {index}"

    def digest(self, index: int) -> bytes:
        """Digest the arrays with their names and dtypes."""
        digest = hashlib.sha256()
        for name, array in sorted(self.read(index, 0).items()):
            check_finite(array, f"{self.name(index)}, {name}")
            digest.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
            digest.update(array.tobytes())
        return digest.digest()

    def read(self, index: int, part: int) -> dict[str, Array]:  # noqa: ARG002 - what a function gives has one part
        """Return one sample's inputs as arrays of numbers."""
        if self._columns is not None:
            inputs: Mapping[str, Any] = {
                name: called(self._name, getitem, column, index) for name, column in self._columns[0].items()
            }
        else:
            inputs = self._pair(index)[0]
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise InputError(f"{self.name(index)}: input {name!r} is of {array.dtype}, not of numbers")
        return arrays

    def _pair(self, index: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        pair = called(self._name, getitem, self._samples, index)
        if isinstance(pair, tuple) and len(pair) == _LABELLED and all(isinstance(each, Mapping) for each in pair):
            return pair
        raise InputError(f"{self.name(index)}: not a pair (inputs by name, labels by name)", hint=_form(self._name))

    def _count_samples(self) -> int:
        try:
            if self._columns is None:
                lengths = {"samples": len(self._samples)}
            else:
                lengths = {name: len(column) for part in self._columns for name, column in part.items()}
        except TypeError as error:
            raise InputError(f"{self._name} gave {type(self._samples).__name__}", hint=_form(self._name)) from error
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise InputError(f"{self._name}: needs the same number of samples throughout, and some: {told or 'none'}")
        return next(iter(lengths.values()))

    def _read_labels(self) -> Labels:
        """Gather the labels, which are small, of every sample."""
        if self._columns is not None:
            everyone = range(self._count)
            return {
                name: _label(self._name, name, [column[index] for index in everyone])
                for name, column in self._columns[1].items()
            }
        names = list(self._pair(0)[1])
        pairs = [self._pair(index)[1] for index in range(self._count)] if names else []
        return {name: _label(self._name, name, [pair.get(name) for pair in pairs]) for name in names}


def _label(function: str, name: str, values: list[Any]) -> Array:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{function}: label {name!r} differs in shape: {error}", hint="pad it to one shape") from error
    if array.dtype.hasobject:
        raise InputError(f"{function}: label {name!r} is not of numbers or text in every sample")
    return array


def _form(name: str) -> str:
    return (
        f"{name} returns (inputs by name, labels by name), arrays or lists, or a sequence of such pairs, one a sample"
    )


def open_pool(source: PythonSource, pick: Pick, wanted: Wanted) -> PythonPool:
    """Call the function of a pick, without arguments.

    Raises:
        RecipeError: the function is not there or fails.
        InputError: it gives something else than samples.
    """
    name = pick.python or source.python
    return PythonPool(name, called(name, function_beside(wanted.card.folder, name)))


def function_beside(folder: Path, name: str) -> Callable[..., Any]:
    """Import ``module:function``, from a file in the folder if there is one, else from what is installed.

    Raises:
        RecipeError: no such module or function, or the module fails while it is imported.
    """
    module_name, _, function_name = name.partition(":")
    path = folder.joinpath(*module_name.split(".")).with_suffix(".py")
    try:
        module = _module_at(path, folder) if path.is_file() else importlib.import_module(module_name)
    except EdgeKitError:
        raise
    except Exception as error:
        told = f"{name!r} cannot be imported: {_last_line(error)}"
        raise RecipeError(told, hint=f"put {path.name} beside the card, or install {module_name!r}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise RecipeError(f"{name!r}: {module_name} has no function {function_name!r}", hint=f"define it in {path}")
    return function  # type: ignore[no-any-return]  # getattr of a user's module


def _module_at(path: Path, folder: Path) -> Any:
    """Import a file under a name of its own, so that two cards may each have a ``data.py``."""
    unique = f"edgekit_beside_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{path}: cannot be imported", hint="name a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    sys.path.insert(0, str(folder))  # its own imports may lie beside it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    finally:
        sys.path.remove(str(folder))
    return module


def called(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the user's code; what it raises is told with the line that raised it."""
    try:
        return function(*arguments)
    except EdgeKitError:
        raise
    except Exception as error:
        raise RecipeError(
            f"{name} failed: {_last_line(error)}", hint="correct the function that the card names"
        ) from error


def _last_line(error: Exception) -> str:
    """``ValueError: no such thing (data.py, line 3)``."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
