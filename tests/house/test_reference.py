"""The generated pages and JSON Schemas on disk are what the code makes today; schemas are as strict as it."""

import importlib.util
import json
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from edgekit.report import EXIT_ORDER

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script that writes the pages."""
    spec = importlib.util.spec_from_file_location("generate_reference", FOLDER / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_and_schemas_on_disk_are_the_generated_ones(generate: ModuleType) -> None:
    stale = [
        name
        for name, text in generate.pages().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != text
    ]
    assert not stale, f"python docs/reference/generate.py writes {stale}"


def test_no_schema_is_left_over(generate: ModuleType) -> None:
    on_disk = {str(path.relative_to(FOLDER)) for path in (FOLDER / "schemas").iterdir()}
    assert on_disk == {name for name in generate.pages() if name.startswith("schemas/")}


@pytest.mark.parametrize("name", ["card", "target", "recipe", "report"])
def test_a_schema_closes_every_object_against_misspelt_keys(name: str) -> None:
    schema = json.loads((FOLDER / "schemas" / f"{name}.schema.json").read_text())
    assert schema["additionalProperties"] is False
    open_objects = [
        part
        for part, about in schema.get("$defs", {}).items()
        if about.get("type") == "object" and about.get("additionalProperties") is not False
    ]
    assert open_objects == (["StepWords"] if name == "recipe" else [])


def test_every_key_of_the_shipped_targets_is_in_the_target_page() -> None:
    page = (FOLDER / "target.md").read_text()
    for path in (ROOT / "targets").glob("*.toml"):
        for key in tomllib.loads(path.read_text()):
            assert f"| `{key}` |" in page


def test_the_page_of_exit_codes_tells_all_of_them() -> None:
    page = (FOLDER / "exit-codes.md").read_text()
    for code in {*EXIT_ORDER, 2, 70, 130}:
        assert f"| {code} |" in page
