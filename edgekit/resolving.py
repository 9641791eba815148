"""Words become a recipe: every name looked up, every file there, every option known, before any work begins.

Rules: words of the command line beat those of the file; a path in a file is relative to the file; every mistake is
told at once; the kinds of model that the steps take and give must fit one another (export comes in by itself
between a torch module and a step that takes ONNX); only then the steps' own modules are imported.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgekit import catalog
from edgekit.card import DataCard, read_card
from edgekit.errors import EdgeKitError, RecipeError
from edgekit.profiles import Target
from edgekit.reading import closest, noun_from_data, parse_toml
from edgekit.recipe import Recipe, RecipeWords, Step, StepWords
from edgekit.runner.host import lacking, read_host

PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
"""Suffixes of files that are pickles, or are opened as such: loading one runs the code inside."""

OWN_TARGETS = ("onnxruntime-x86", "onnxruntime-x86-avx2", "onnxruntime-arm")
"""What stands for this machine where no target is named: the first that its processor fits."""


class _Problems:
    """What went wrong so far: the first hint stands for all."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self.hint = ""

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the mistakes of an error and go on after the block."""
        try:
            yield
        except EdgeKitError as error:
            self.mistakes += [each for each in error.mistakes if each not in self.mistakes]
            self.hint = self.hint or error.hint

    def raise_any(self) -> None:
        """Raise what was kept as one error."""
        if self.mistakes:
            raise RecipeError(self.mistakes, hint=self.hint)


def read_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read and resolve a recipe file.

    Args:
        path: the TOML file.
        overrides: dotted keys and values that beat the file's, such as ``{"budget.p90_ms": 8.0}``.

    Raises:
        RecipeError: every mistake of the file; or every name and file that does not exist.
    """
    data = with_overrides(parse_toml(path, what="recipe"), overrides or {})
    return recipe_from_data(data, folder=path.parent, source=str(path))


def with_overrides(data: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Set dotted keys (``budget.p90_ms``, ``step.0.method``) in the plain data of a recipe, and return it.

    Raises:
        RecipeError: a key leads through a value that is no table.
    """
    for key, value in overrides.items():
        _put(data, key.split("."), value)
    return data


def own_targets() -> list[str]:
    """The target that stands for this machine where none is named.

    Raises:
        RecipeError: no shipped target fits this processor.
    """
    host = read_host()
    for name in OWN_TARGETS:
        target = catalog.load_target(name, Path())
        if not lacking(host, target.arch, target.isa):
            return [name]
    hint = "edgekit list targets shows what can be compiled for"
    raise RecipeError(
        f"no target is given (-t TARGET), and none of {', '.join(OWN_TARGETS)} fits this machine", hint=hint
    )


def recipe_from_data(data: Mapping[str, Any], *, folder: Path, source: str) -> Recipe:
    """Check the words of a recipe and resolve them; ``source`` is where the words come from, for messages.

    Raises:
        RecipeError: as :func:`read_recipe`.
    """
    words = noun_from_data(data, RecipeWords, source=source, what="recipe")
    problems = _Problems()
    profiles: dict[str, Path] = {}
    with problems.kept():
        model = find_model(words.model, folder)
        _check_kinds(words.step, "onnx" if isinstance(model, Path) else "torch")
    with problems.kept():
        weights = _find_weights(words, folder)
    targets: list[Target] = []
    for word in dict.fromkeys(words.targets):
        with problems.kept():
            profiles[f"targets/{word}"] = catalog.find_profile("targets", word, folder)
            targets.append(catalog.load_target(word, folder))
    with problems.kept():
        _check_target_names(targets)
    with problems.kept():
        profiles[f"calibration/{words.data}"] = catalog.find_profile("calibration", words.data, folder)
        card: DataCard = read_card(profiles[f"calibration/{words.data}"])
    problems.raise_any()
    steps = tuple((each.use, step_from_words(each)) for each in words.step)
    return Recipe(
        model=model,
        weights=weights,
        targets=tuple(targets),
        card=card,
        steps=steps,
        budget=words.budget.budget(),
        threads=words.threads,
        seed=words.seed,
        device=words.device,
        folder=folder,
        profiles=profiles,
        words=words,
    )


def find_model(word: str, folder: Path) -> Path | str:
    """Return the ONNX file that a word means, or the word where it is ``module:factory`` of a torch module.

    Raises:
        RecipeError: no such file, a folder, or a pickle.
    """
    path = folder / word
    if not path.exists() and ":" in word and not word.endswith(".onnx"):
        return word
    hint = "give an ONNX file, or module:factory of a torch module with its safetensors weights"
    if path.suffix.lower() in PICKLES:
        raise RecipeError(f"{path}: pickles can run any code and are refused", hint=hint)
    if not path.exists():
        near = closest(path.name, [each.name for each in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise RecipeError(f"{path}: no such file" + (f";{near}" if near else ""), hint=hint)
    if path.is_dir():
        raise RecipeError(f"{path}: this is a folder, not a model", hint=hint)
    return path


def step_from_words(words: StepWords) -> Step:
    """Make the step with its options, checked by the types of its fields and by the step itself.

    Raises:
        RecipeError: an option is unknown or has a wrong value.
    """
    step = catalog.look_up("steps", words.use)
    options = words.model_extra or {}
    allowed = [each.name for each in dataclasses.fields(step) if each.init]
    hint = f"the options of {words.use}: {', '.join(allowed)}"
    unknown = [each for each in options if each not in allowed]
    if unknown:
        raise RecipeError(
            [f"step {words.use}: unknown option {each!r};{closest(each, allowed)}" for each in unknown], hint=hint
        )
    try:
        made: Step = TypeAdapter(step).validate_json(json.dumps(options), strict=True)
    except ValidationError as error:
        mistakes = [f"step {words.use}: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise RecipeError(mistakes, hint=hint) from error
    return made


def _find_weights(words: RecipeWords, folder: Path) -> Path | None:
    if words.weights is None:
        return None
    path = folder / words.weights
    hint = "weights are a safetensors file beside a torch module; an ONNX file carries its own"
    if path.suffix.lower() in PICKLES:
        raise RecipeError(f"{path}: pickles can run any code and are refused", hint=hint)
    if words.model.endswith(".onnx"):
        raise RecipeError(f"weights: {words.weights!r} given with the ONNX file {words.model!r}", hint=hint)
    if not path.is_file():
        raise RecipeError(f"{path}: no such file", hint=hint)
    return path


def _check_kinds(steps: tuple[StepWords, ...], kind: str) -> None:
    """Raise where a step takes a torch module that is ONNX by then; the other way an export comes in between."""
    mistakes = []
    for number, words in enumerate(steps):
        entry = catalog.entry("steps", words.use)
        if entry.takes == "torch" and kind == "onnx":
            mistakes.append(f"step[{number}]: {words.use} takes a torch module, but the model is ONNX by then")
        kind = entry.gives
    if mistakes:
        raise RecipeError(mistakes, hint="put the steps that take a torch module first, and start from module:factory")


def _check_target_names(targets: list[Target]) -> None:
    twice = sorted({each.name for each in targets if [other.name for other in targets].count(each.name) > 1})
    if twice:
        raise RecipeError(f"targets: {', '.join(twice)} named twice", hint="give each target file its own name = ...")


def _put(data: Any, keys: list[str], value: Any) -> None:
    """Set a value at a dotted key of plain data; a number counts entries of a list."""
    *path, last = keys
    for key in path:
        data = _entry(data, key) if isinstance(data, list) else data.setdefault(key, {})
        if not isinstance(data, (dict, list)):
            raise RecipeError(f"--set {'.'.join(keys)}: {key!r} is a value, not a table", hint="edgekit build --help")
    if isinstance(data, list):
        _entry(data, last)
        data[int(last)] = value
    else:
        data[last] = value


def _entry(data: list[Any], key: str) -> Any:
    if not key.isdecimal() or int(key) >= len(data):
        raise RecipeError(f"--set: no entry {key!r} in a list of {len(data)}", hint="entries are counted from 0")
    return data[int(key)]
