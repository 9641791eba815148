import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.recipe import BudgetWords, RecipeWords, _toml, silent, toml_from_recipe
from edgekit.resolving import read_recipe

CARD = """
name = "numbers"
task = "agreement"
licence = "CC0-1.0"
[source]
kind = "arrays"
path = "numbers.npz"
[source.inputs]
x = "x"
"""
RECIPE = """
model = "model.onnx"
targets = ["openvino-cpu", "own"]
data = "card.toml"
seed = 5
[budget]
p90_ms = 8.0
"""
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A recipe with its card, its model and a target of its own."""
    folder = tmp_path / 'a "strange" folder'
    (folder / "targets").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"looked at later")
    (folder / "card.toml").write_text(CARD)
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "targets/own.toml").write_text('name = "own"\nruntime = "onnxruntime"\nplace = "here"\n')
    return folder


def test_a_resolved_recipe_builds_the_same_from_any_folder(project: Path, tmp_path: Path) -> None:
    first = read_recipe(project / "recipe.toml")
    elsewhere = tmp_path / "out"
    elsewhere.mkdir()
    (elsewhere / "recipe.resolved.toml").write_text(toml_from_recipe(first))
    second = read_recipe(elsewhere / "recipe.resolved.toml")
    assert second.model == first.model
    assert second.targets == first.targets
    assert second.card == first.card
    assert second.card.folder == first.card.folder
    assert (second.seed, second.threads, second.budget) == (5, 1, first.budget)
    assert second.budget.drop_is_default


def test_flags_that_beat_the_file_stand_in_the_resolved_recipe(project: Path) -> None:
    overrides = {"threads": 4, "budget.drop_points": 1.0, "targets": ["openvino-cpu"]}
    written = tomllib.loads(toml_from_recipe(read_recipe(project / "recipe.toml", overrides)))
    assert written["threads"] == 4
    assert written["budget"] == {"drop_points": 1.0, "p90_ms": 8.0}
    assert [Path(each).name for each in written["targets"]] == ["openvino-cpu.toml"]


@given(VALUES)
def test_every_value_of_toml_comes_back_from_its_text(value: Any) -> None:
    assert tomllib.loads(f"value = {_toml(value)}")["value"] == value


def test_the_default_drop_is_one_point_and_marked() -> None:
    assert BudgetWords().budget().model_dump() == {
        "drop_points": 1.0,
        "drop_is_default": True,
        "p90_ms": None,
        "size_mib": None,
        "rss_mib": None,
    }
    assert BudgetWords(drop_points=1.0).budget().drop_is_default is False


def test_a_recipe_says_little_and_means_the_rest() -> None:
    words = RecipeWords(model="m.onnx", targets=("openvino-cpu",), data="card.toml")
    assert (words.threads, words.seed, words.device, words.step) == (1, 0, "this-machine", ())


def test_silence_is_a_progress() -> None:
    assert silent("anything", 1, 2) is None
