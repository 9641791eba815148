"""TOML files become nouns: every mistake of a file at once, each with file, key path, allowed values and a guess.

Rules: a file is bounded before it is read; values keep TOML's types (``count = "5"`` and ``count = true`` are
mistakes, not numbers); a key that nobody reads is a mistake; nothing leaves but :class:`RecipeError`.

>>> read_toml(Path("card.toml"), DataCard, what="data card")  # doctest: +SKIP
RecipeError: card.toml: evaluation.cuont: unknown key; allowed: count, seed, ...; did you mean 'count'?
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edgekit.errors import RecipeError

_LIMIT_BYTES = 1 << 20
_SHOWN_CHARACTERS = 60
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r"'([^']*)'")

Noun = TypeVar("Noun", bound=BaseModel)


def closest(word: str, allowed: Iterable[str]) -> str:
    """Return `` did you mean 'x'?`` for the allowed word nearest to ``word``, or nothing when none is near."""
    by_lower = {each.lower(): each for each in allowed}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" did you mean {by_lower[near[0]]!r}?" if near else ""


def read_toml(path: Path, noun: type[Noun], *, what: str) -> Noun:
    """Read a TOML file as a noun.

    Args:
        path: the file.
        noun: the pydantic model that says what the file may hold.
        what: what the file is, for messages: ``data card``, ``recipe``.

    Raises:
        RecipeError: the file cannot be read, is no TOML, or holds mistakes (all of them are named).
    """
    return noun_from_data(parse_toml(path, what=what), noun, source=str(path), what=what)


def parse_toml(path: Path, *, what: str) -> dict[str, Any]:
    """Parse a TOML file of at most 1 MiB into plain data.

    Raises:
        RecipeError: no such file, a folder, not readable, too large, not UTF-8, or not TOML.
    """
    data = _read_bytes(path, what)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        mistake = f"{path}: this {what} is not UTF-8 text: {error.reason} at byte {error.start}"
        raise RecipeError(mistake, hint="save the file as UTF-8") from error
    except RecursionError as error:
        raise RecipeError(f"{path}: this {what} is nested too deeply", hint="TOML needs a few levels only") from error
    except ValueError as error:
        hint = f"a {what} is written in TOML: https://toml.io"
        raise RecipeError(f"{path}: this {what} is not TOML: {error}", hint=hint) from error


def noun_from_data(data: Mapping[str, Any], noun: type[Noun], *, source: str, what: str) -> Noun:
    """Check plain data (a parsed TOML file, perhaps with overrides) and make the noun of it.

    Raises:
        RecipeError: one mistake for each key that is unknown, missing or has a wrong value.
    """
    try:
        # JSON mode is pydantic's strict mode for files: arrays may become tuples, but strings never become numbers.
        return noun.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        mistakes = _mistakes(error.errors(include_url=False), data, noun)
        hint = f"correct the {what}; every mistake that was found is listed"
        raise RecipeError([f"{source}: {mistake}" for mistake in mistakes], hint=hint) from error


def _read_bytes(path: Path, what: str) -> bytes:
    """Return the bytes of a regular file of bounded size."""
    try:
        if not path.exists():
            near = closest(path.name, [each.name for each in path.parent.iterdir()]) if path.parent.is_dir() else ""
            raise RecipeError(f"{path}: no such file;{near}" if near else f"{path}: no such file", hint=_hint(what))
        if path.is_dir():
            raise RecipeError(f"{path}: this is a folder, not a {what}", hint=_hint(what))
        if not path.is_file():
            raise RecipeError(f"{path}: this is not a regular file", hint=_hint(what))
        with path.open("rb") as stream:
            data = stream.read(_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RecipeError(f"{path}: cannot be read: {reason}", hint=_hint(what)) from error
    if len(data) > _LIMIT_BYTES:
        raise RecipeError(f"{path}: larger than 1 MiB, so it is no {what}", hint=_hint(what))
    return data


def _hint(what: str) -> str:
    return f"name a {what}: a TOML file"


def _mistakes(errors: Sequence[ErrorDetails], data: Mapping[str, Any], noun: type[BaseModel]) -> list[str]:
    """One sentence for each key; the branches of a union that all failed at one key are told in one sentence."""
    told: dict[str, list[str]] = {}
    for error in errors:
        path, models = _locate(error, data, noun)
        sentences = told.setdefault(_key_path(path), [])
        sentence = _sentence(error, models)
        if sentence not in sentences:
            sentences.append(sentence)
    return [f"{key}: {' or '.join(sentences)}" if key else " or ".join(sentences) for key, sentences in told.items()]


def _locate(
    error: ErrorDetails, data: Mapping[str, Any], noun: type[BaseModel]
) -> tuple[list[str | int], list[type[BaseModel]]]:
    """Return the keys as the user wrote them, and the models that may stand at the key's table.

    pydantic's location also names the branches of unions, which no file holds; they only narrow the models.
    """
    path: list[str | int] = []
    value: Any = data
    models: list[type[BaseModel]] = [noun]
    location = error["loc"]
    for position, step in enumerate(location):
        last = position + 1 == len(location)
        if last and error["type"] in {"missing", "extra_forbidden"}:
            return [*path, step], models
        if isinstance(value, Mapping) and step in value:
            path, value = [*path, step], value[step]
            # a key of a dictionary is no field: what may stand below it is already known
            models = models if last else _models_at(models, str(step)) or models
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            path, value = [*path, step], value[step]
        else:
            models = [model for model in models if step in _tags(model)] or models
    if error["type"].startswith("union_tag"):
        return [*path, str(error.get("ctx", {}).get("discriminator", "kind")).strip("'")], models
    return path, models


def _models_at(models: Iterable[type[BaseModel]], key: str) -> list[type[BaseModel]]:
    """Return every model that may stand under ``key`` of one of the models."""
    found: list[type[BaseModel]] = []
    for model in models:
        for name, field in model.model_fields.items():
            if key == (field.alias or name):
                found += _models_in(field.annotation)
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _tags(model: type[BaseModel]) -> set[object]:
    """Return the model's own name and the values of its literal fields: how unions call it."""
    literals = (field.annotation for field in model.model_fields.values() if get_origin(field.annotation) is Literal)
    return {model.__name__, *(value for literal in literals for value in get_args(literal))}


def _key_path(path: Iterable[str | int]) -> str:
    """``source.inputs."a key"[3]``: keys joined as TOML would, array entries counted from 0."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _PLAIN_KEY.fullmatch(step) else json.dumps(step))
    return text


def _sentence(error: ErrorDetails, models: Iterable[type[BaseModel]]) -> str:
    """Say what is wrong with one key, what is allowed, and what may have been meant."""
    context = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        keys = sorted({field.alias or name for model in models for name, field in model.model_fields.items()})
        return _refused("unknown key", str(error["loc"][-1]), keys)
    if error["type"] in {"missing", "union_tag_not_found"}:
        return "this key is missing"
    if error["type"] in {"literal_error", "enum"}:
        allowed = _QUOTED.findall(str(context["expected"]))
        return _refused(_shown(error["input"]), str(error["input"]), allowed or [str(context["expected"])])
    if error["type"] == "union_tag_invalid":
        return _refused(repr(context["tag"]), str(context["tag"]), _QUOTED.findall(str(context["expected_tags"])))
    if error["type"] == "value_error":
        return str(context["error"])
    said = error["msg"].replace("Input should", "should").replace("Object", "table").replace("an object", "a table")
    return f"{said}, got {_shown(error['input'])}"


def _refused(what: str, word: str, allowed: Sequence[str]) -> str:
    guess = closest(word, allowed)
    return f"{what}; allowed: {', '.join(allowed)}" + (f";{guess}" if guess else "")


def _shown(value: Any) -> str:
    """Show a value in a few characters."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
