"""What the flags of a verb mean: overrides of a recipe, whose paths are relative to the working directory.

A name (``digits``) is looked up as anywhere; what ends in ``.toml`` or holds a ``/`` is a path.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgekit import catalog
from edgekit.card import DataCard, read_card
from edgekit.errors import RecipeError
from edgekit.profiles import Target
from edgekit.recipe import Recipe, Step, StepWords
from edgekit.resolving import (
    find_model,
    own_targets,
    read_recipe,
    recipe_from_data,
    step_from_words,
    with_overrides,
)

_BUDGET_KEYS = {"max_drop": "drop_points", "p90_ms": "p90_ms", "size_mib": "size_mib", "rss_mib": "rss_mib"}


def recipe_from_words(what: str, words: Mapping[str, Any]) -> Recipe:
    """Resolve a recipe file, or a model with what the flags say about it; flags beat the file.

    Args:
        what: a recipe (``.toml``, or a folder with a ``recipe.toml``), else a model.
        words: the flags: targets, card, max_drop, p90_ms, size_mib, rss_mib, threads, device, settings.

    Raises:
        RecipeError: a word, file or number is wrong.
    """
    path = recipe_file(what)
    overrides = _overrides(words)
    if path.suffix == ".toml":
        return read_recipe(path, overrides)
    find_model(what, Path())  # before the card is asked for: the first mistake is told first
    data: dict[str, Any] = with_overrides({"model": what}, overrides)
    if "data" not in data:
        hint = f"'edgekit init DIR --model {what}' drafts a data card; then: edgekit build {what} -d DIR/card.toml"
        raise RecipeError("no data card is given (-d CARD)", hint=hint)
    data.setdefault("targets", own_targets())
    return recipe_from_data(data, folder=Path(), source="command line")


def recipe_file(what: str) -> Path:
    """The recipe of a project folder, else what was named."""
    path = Path(what)
    inside = path / "recipe.toml"
    return inside if inside.is_file() else path


def default_output(what: str) -> Path:
    """``build/<stem>``; a file called recipe.toml is called by its folder."""
    path = recipe_file(what)
    stem = path.absolute().parent.name if path.name == "recipe.toml" else path.stem.rpartition(":")[2]
    return Path("build") / (stem or "model")


def target_from_word(word: str | None) -> Target:
    """The target that ``-t`` names, or this machine's own."""
    return catalog.load_target(local_word(word) if word else own_targets()[0], Path())


def card_from_word(word: str | None, model: str) -> DataCard:
    """The data card that ``-d`` names.

    Raises:
        RecipeError: none is given, or it cannot be read.
    """
    if word is None:
        hint = f"'edgekit init DIR --model {model}' drafts a data card"
        raise RecipeError("no data card is given (-d CARD)", hint=hint)
    return read_card(catalog.find_profile("calibration", local_word(word), Path()))


def file_from_word(word: str) -> Path:
    """The ONNX file, or compiled model, that a verb works on.

    Raises:
        RecipeError: no such file, a folder, a pickle, or a torch module.
    """
    found = find_model(word, Path())
    if isinstance(found, str):
        hint = "edgekit build takes module:factory; the other verbs take a file"
        raise RecipeError(f"{word}: this names a torch module, not a file", hint=hint)
    return found


def step_from_flags(use: str | None, settings: Iterable[str]) -> Step | None:
    """The step that ``--use`` and ``--set`` describe; None where neither was given: the target decides.

    Raises:
        RecipeError: no such step, or an option of it is wrong.
    """
    found = settings_from_words(settings)
    if use is None and not found:
        return None
    name = use or "static"
    return step_from_words(StepWords(use=name if "." in name else f"quantize.{name}", **found))


def output_from_word(word: str | None, example: str) -> Path:
    """Where ``-o`` says that the result goes.

    Raises:
        RecipeError: nothing is given, or its folder does not exist.
    """
    if word is None:
        raise RecipeError("no output is given (-o)", hint=f"for example {example}")
    path = Path(word)
    if not path.absolute().parent.is_dir():
        raise RecipeError(f"{path}: its folder does not exist", hint=f"mkdir -p {path.parent}")
    return path


def local_word(word: str) -> str:
    """A name as it is; a path made absolute, so that it means the same from a recipe's folder."""
    return str(Path(word).absolute()) if word.endswith(".toml") or "/" in word else word


def settings_from_words(words: Iterable[str]) -> dict[str, Any]:
    """``KEY=VALUE`` words as dotted keys and values: TOML where it is TOML, else text.

    Raises:
        RecipeError: a word has no ``=`` or no key.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"--set {word!r} is not KEY=VALUE", hint="for example --set budget.p90_ms=8.0")
        try:
            found[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:  # a bare word: --set data=digits
            found[key.strip()] = text
    return found


def _overrides(words: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of a recipe for every flag that was given; ``--set`` has the last word."""
    found: dict[str, Any] = {}
    if words["targets"]:
        found["targets"] = [local_word(each) for each in words["targets"]]
    if words["card"]:
        found["data"] = local_word(words["card"])
    found |= {f"budget.{key}": words[flag] for flag, key in _BUDGET_KEYS.items() if words[flag] is not None}
    found |= {key: words[key] for key in ("threads", "device") if words[key] is not None}
    return found | settings_from_words(words["settings"])
