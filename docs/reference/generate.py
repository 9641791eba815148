"""Write the pages of the reference that the code itself can tell: the verbs, the nouns of files, the JSON Schemas.

Run `python docs/reference/generate.py` after a change of a verb or a noun; `tests/house/test_reference.py` compares
what lies on disk with what this file makes.
"""

import json
import types
import typing
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from edgekit.card import DataCard
from edgekit.cli.group import VERBS, edgekit
from edgekit.profiles import Target
from edgekit.recipe import RecipeWords
from edgekit.report import Report, report_schema

HERE = Path(__file__).resolve().parent
MADE_BY = "<!-- made by docs/reference/generate.py; do not edit -->"


def pages() -> dict[str, str]:
    """Return every generated file: its path below this folder, and its text."""
    nouns: dict[str, tuple[type[BaseModel], str]] = {
        "card": (DataCard, "Which data a model is measured on. A TOML file; paths in it are relative to it."),
        "target": (Target, "What can be compiled for. A TOML file in `targets/`, named for its `name`."),
        "recipe": (RecipeWords, "What a build does. A TOML file; paths in it are relative to it."),
    }
    made = {"cli.md": command_page()}
    for name, (noun, about) in nouns.items():
        made[f"{name}.md"] = noun_page(name, noun, about)
        made[f"schemas/{name}.schema.json"] = schema_text(noun.model_json_schema(by_alias=True))
    made["report.md"] = noun_page("report", Report, "What `report.json` holds; tools read this file.")
    made["schemas/report.schema.json"] = schema_text(report_schema())
    return made


def schema_text(schema: dict[str, Any]) -> str:
    """Write a JSON Schema with its dialect, so that an editor can complete the user's file."""
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def command_page() -> str:
    """Write the page of the verbs from Click's own help, at 100 columns."""
    parts = [MADE_BY, "# The command line", help_block(edgekit, "edgekit")]
    for verb in VERBS:
        command = edgekit.get_command(click.Context(edgekit), verb)
        if command is not None:
            parts += [f"## edgekit {verb}", help_block(command, f"edgekit {verb}")]
    return "\n\n".join(parts) + "\n"


def help_block(command: click.Command, path: str) -> str:
    """Return a verb's help as it stands on a terminal of 100 columns."""
    names = edgekit.context_settings["help_option_names"]  # a command keeps those that it was first asked with
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100, help_option_names=names)
    return f"```text\n{command.get_help(context)}\n```"


def noun_page(name: str, noun: type[BaseModel], about: str) -> str:
    """Write the page of one noun: a table of keys for it and for each noun inside it."""
    parts = [MADE_BY, f"# {noun.__name__}", about, f"JSON Schema: [{name}.schema.json](schemas/{name}.schema.json)."]
    for each in nouns_within(noun):
        if each is not noun:
            parts.append(f"## {each.__name__}")
        parts += [first_paragraph(each), table(each)]
    return "\n\n".join(parts) + "\n"


def first_paragraph(noun: type[BaseModel]) -> str:
    """Return what the noun's docstring says first."""
    return " ".join((noun.__doc__ or "").strip().partition("\n\n")[0].split())


def nouns_within(noun: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a noun and the nouns that its fields hold, in the order of first mention."""
    found, queue = [], [noun]
    while queue:
        each = queue.pop(0)
        if each not in found:
            found.append(each)
            for field in each.model_fields.values():
                queue += models_in(field.annotation)
    return found


def models_in(kind: Any) -> list[type[BaseModel]]:
    """Return the nouns that a type mentions."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in typing.get_args(kind) for model in models_in(part)]


def table(noun: type[BaseModel]) -> str:
    """Write the keys of a noun as a table."""
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for name, field in noun.model_fields.items():
        cells = (f"`{field.alias or name}`", code(words_of_type(field.annotation)), default(field), meaning(field))
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def code(text: str) -> str:
    """Set text as code inside a table."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def meaning(field: FieldInfo) -> str:
    """Return what a field's description says."""
    return (field.description or "").replace("|", "\\|")


def default(field: FieldInfo) -> str:
    """Return a field's default, or that it is required."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if field.default is PydanticUndefined else field.default
    if value is None or isinstance(value, BaseModel) or value in ("", (), {}):
        return ""
    return code(json.dumps(value, default=str))


PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", types.NoneType: ""}


def words_of_type(kind: Any) -> str:
    """Say a type as a user of TOML would: text, whole number, one of a few words."""
    if isinstance(kind, type) and typing.get_origin(kind) is None:
        return PLAIN.get(kind, kind.__name__)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " | ".join(json.dumps(word) for word in arguments)
    said = [words_of_type(part) for part in arguments if isinstance(part, type) or typing.get_origin(part)]
    said = list(dict.fromkeys(filter(None, said)))
    if origin is tuple:
        return f"[{', '.join(said)}, ...]"
    if origin is dict:
        return f"{{{said[0]} = {said[-1]}}}"
    return " | ".join(said)


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(text)
        print(HERE / name)
