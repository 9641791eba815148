"""A torch module becomes ONNX: ``module:factory`` makes it, a safetensors file fills it, and both are proven to agree.

* The factory takes no arguments and returns a ``torch.nn.Module``; its file lies beside the recipe.
* Inputs are called as ``forward`` calls its parameters; the first axis (batch) stays free.
* Weights come from safetensors only: a pickle may run code when it is read, so .pt, .pth and .bin are refused.
* The ONNX file must give the module's outputs on the example feeds to within ``TOLERANCE`` of their largest entry.
"""

import importlib.util
import inspect
import logging
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from edgekit.artifact import Artifact
from edgekit.errors import ModelError, StepError, missing
from edgekit.graph.load import load_model
from edgekit.graph.save import save_model
from edgekit.runner.runtimes.base import Array, open_session

try:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file
except ImportError as error:
    raise missing("torch", "torch") from error

TOLERANCE = 1e-4
"""Largest difference that another order of sums explains, as a share of the output's largest entry."""

OPSET = 18
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".th")
_TOLD = 5


def load_module(factory: str, weights: Path | None, search: Path) -> torch.nn.Module:
    """Make the module in evaluation mode and fill it.

    Args:
        factory: ``module:function``; the module is a file in ``search``, or importable.
        weights: a safetensors file whose names are those of ``state_dict``; None: as the factory made it.
        search: the recipe's folder.

    Raises:
        ModelError: there is no such factory, it fails or gives no module, or the weights do not fit it.
    """
    make = _factory(factory, search)
    try:
        module = make()
    except Exception as error:
        told = f"{factory} failed: {type(error).__name__}: {error}"
        raise ModelError(told, hint="the factory takes no arguments and returns a torch.nn.Module") from error
    if not isinstance(module, torch.nn.Module):
        told = f"{factory} gave {type(module).__name__}, not a torch.nn.Module"
        raise ModelError(told, hint="return the module itself from the factory")
    if weights is not None:
        _fill(module, weights)
    return module.eval()


def input_names(module: torch.nn.Module) -> list[str]:
    """Return the parameters of ``forward`` that must be given."""
    parameters = inspect.signature(module.forward).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]


def export_module(module: torch.nn.Module, feeds: Mapping[str, Array], folder: Path) -> Artifact:
    """Write ``folder/model.onnx`` and prove that it computes what the module does.

    Args:
        module: in evaluation mode.
        feeds: example inputs by name, in the order of ``forward``; at least one sample along axis 0.
        folder: an empty folder.

    Raises:
        StepError: torch cannot export the module, or the file gives other numbers.
    """
    doubled = {name: torch.from_numpy(np.concatenate([array, array])) for name, array in feeds.items()}
    path = folder / "model.onnx"
    try:
        with _quietly():
            program = torch.onnx.export(
                module,
                tuple(doubled.values()),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=list(doubled),
                dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in doubled),
            )
        cast(torch.onnx.ONNXProgram, program).save(str(path))
    except Exception as error:
        told = f"torch cannot export the module: {str(error).strip().splitlines()[0]}"
        raise StepError(told, hint="export it to ONNX yourself, and build the .onnx file") from error
    _strip(path)
    _prove(module, feeds, path)
    return Artifact.of(path, kind="onnx", made_by="export.torch")


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's remarks (packages that it could use, what it deprecates) off the user's screen."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _factory(factory: str, search: Path) -> Any:
    name, _, attribute = factory.partition(":")
    file = search / f"{name}.py"
    hint = f"model = 'module:factory' names a function in {file.name} beside the recipe"
    try:
        module = _import_file(name, file) if file.is_file() else importlib.import_module(name)
    except Exception as error:
        raise ModelError(f"{name}: cannot be imported: {type(error).__name__}: {error}", hint=hint) from error
    if not callable(getattr(module, attribute, None)):
        raise ModelError(f"{name} has no function {attribute!r}", hint=hint)
    return getattr(module, attribute)


def _import_file(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _fill(module: torch.nn.Module, weights: Path) -> None:
    if weights.suffix.lower() in _PICKLES:
        hint = "save them with safetensors.torch.save_file(module.state_dict(), 'weights.safetensors')"
        raise ModelError(f"{weights}: pickled weights are refused, since reading them may run code", hint=hint)
    try:
        tensors = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights}: no safetensors file: {error}", hint="copy or save it again") from error
    own = module.state_dict()
    wrong = [f"{weights}: {each}" for each in _misfits(own, tensors)]
    if wrong:
        raise ModelError(wrong, hint="the factory must make the module that the weights were saved from")
    wanted = {name: tensor.to(own[name].dtype) for name, tensor in tensors.items()}
    module.load_state_dict(wanted)


def _misfits(own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> Iterable[str]:
    absent, unknown = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    if absent:
        yield f"lacks {', '.join(absent[:_TOLD])}" + (f" and {len(absent) - _TOLD} more" if len(absent) > _TOLD else "")
    if unknown:
        more = f" and {len(unknown) - _TOLD} more" if len(unknown) > _TOLD else ""
        yield f"has {', '.join(unknown[:_TOLD])}{more}, which the module does not"
    for name in sorted(own.keys() & given.keys()):
        if own[name].shape != given[name].shape:
            yield f"{name} is {list(given[name].shape)}, the module's is {list(own[name].shape)}"


def _strip(path: Path) -> None:
    """Write the file anew without the exporter's notes, weights inside."""
    model = load_model(path)
    model.metadata_props.clear()
    save_model(model, path)
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)


def _prove(module: torch.nn.Module, feeds: Mapping[str, Array], path: Path) -> None:
    with torch.no_grad():
        given = module(*(torch.from_numpy(array) for array in feeds.values()))
    wanted = [given] if isinstance(given, torch.Tensor) else list(given.values() if isinstance(given, dict) else given)
    session = open_session("onnxruntime", path)
    got = list(session.infer(feeds).values())
    session.close()
    for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
        largest = float(one.abs().max()) or 1.0
        error = float(np.abs(one.numpy().astype(np.float64) - other).max()) / largest
        if not error <= TOLERANCE:
            told = f"export: output {index} differs from torch by {error:.2g} of its largest entry"
            raise StepError(told, hint="export it to ONNX yourself, and build the .onnx file")
