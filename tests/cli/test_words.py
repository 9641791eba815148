from pathlib import Path

import pytest

from edgekit.cli import words
from edgekit.errors import RecipeError

FLAGS: dict[str, object] = {
    "targets": (),
    "card": None,
    "max_drop": None,
    "p90_ms": None,
    "size_mib": None,
    "rss_mib": None,
    "threads": None,
    "device": None,
    "settings": (),
}
CARD = """
name = "n"
task = "agreement"
licence = "CC0"
[source]
kind = "arrays"
path = "n.npz"
[source.inputs]
x = "x"
"""
RECIPE = 'model = "m.onnx"\ntargets = ["openvino-cpu"]\ndata = "card.toml"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model and a card, and a project below it."""
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "project"):
        folder.mkdir(exist_ok=True)
        (folder / "m.onnx").write_bytes(b"looked at later")
        (folder / "card.toml").write_text(CARD)
    (tmp_path / "project/recipe.toml").write_text(RECIPE)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_a_model_with_a_card_and_targets_is_a_recipe() -> None:
    flags = FLAGS | {"card": "card.toml", "targets": ("openvino-cpu",), "max_drop": 0.5, "threads": 2}
    recipe = words.recipe_from_words("m.onnx", flags)
    assert recipe.model == Path("m.onnx")
    assert (recipe.budget.drop_points, recipe.budget.drop_is_default, recipe.threads) == (0.5, False, 2)


@pytest.mark.usefixtures("here")
def test_a_model_without_a_card_is_told_how_to_draft_one() -> None:
    with pytest.raises(RecipeError, match="no data card is given") as caught:
        words.recipe_from_words("m.onnx", FLAGS)
    assert "edgekit init DIR --model m.onnx" in caught.value.hint


@pytest.mark.usefixtures("here")
def test_a_model_that_does_not_exist_is_told_before_the_card_is_missed() -> None:
    with pytest.raises(RecipeError, match=r"mm\.onnx: no such file; did you mean 'm\.onnx'\?"):
        words.recipe_from_words("mm.onnx", FLAGS)


def test_a_folder_with_a_recipe_stands_for_it_and_flags_beat_it(here: Path) -> None:
    recipe = words.recipe_from_words("project", FLAGS | {"p90_ms": 3.0, "targets": ("onnxruntime-x86",)})
    assert recipe.folder == Path("project")
    assert recipe.budget.p90_ms == 3.0
    assert [each.name for each in recipe.targets] == ["onnxruntime-x86"]
    assert recipe.card.folder == Path("project")
    assert here.is_dir()


def test_a_path_on_the_command_line_is_relative_to_the_working_directory(here: Path) -> None:
    recipe = words.recipe_from_words("project", FLAGS | {"card": "card.toml"})
    assert recipe.card.folder == here


@pytest.mark.usefixtures("here")
def test_set_reaches_every_key_and_has_the_last_word() -> None:
    flags = FLAGS | {"threads": 2, "settings": ("threads=3", "budget.rss_mib=64", "data=card.toml")}
    recipe = words.recipe_from_words("project/recipe.toml", flags)
    assert (recipe.threads, recipe.budget.rss_mib) == (3, 64.0)


@pytest.mark.usefixtures("here")
def test_a_device_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(RecipeError, match="this-machine"):
        words.recipe_from_words("project", FLAGS | {"device": "raspberry-pi-5"})


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("a=1", {"a": 1}),
        ("a.b=0.5", {"a.b": 0.5}),
        ("a=true", {"a": True}),
        ('a=["x", "y"]', {"a": ["x", "y"]}),
        ("a=entropy", {"a": "entropy"}),
        ("a=x=y", {"a": "x=y"}),
        ("a=", {"a": ""}),
    ],
)
def test_a_setting_is_toml_where_it_is_toml_and_text_otherwise(word: str, found: dict[str, object]) -> None:
    assert words.settings_from_words([word]) == found


@pytest.mark.parametrize("word", ["a", "=1", " =1"])
def test_a_setting_without_key_or_value_is_refused(word: str) -> None:
    with pytest.raises(RecipeError, match="is not KEY=VALUE"):
        words.settings_from_words([word])


@pytest.mark.parametrize(
    ("word", "folder"),
    [
        ("resnet20.onnx", "resnet20"),
        ("models/resnet20.onnx", "resnet20"),
        ("models:resnet20", "resnet20"),
        ("my.toml", "my"),
        ("project", "project"),
        ("project/recipe.toml", "project"),
    ],
)
@pytest.mark.usefixtures("here")
def test_the_output_is_called_by_the_model_or_the_project(word: str, folder: str) -> None:
    assert words.default_output(word) == Path("build") / folder


def test_an_output_needs_a_name_and_a_folder_that_is_there(here: Path) -> None:
    with pytest.raises(RecipeError, match="no output is given"):
        words.output_from_word(None, "-o x.onnx")
    with pytest.raises(RecipeError, match="its folder does not exist"):
        words.output_from_word("nowhere/x.onnx", "-o x.onnx")
    assert words.output_from_word(str(here / "x.onnx"), "") == here / "x.onnx"


@pytest.mark.usefixtures("here")
def test_the_words_of_one_step_alone() -> None:
    assert words.file_from_word("m.onnx") == Path("m.onnx")
    with pytest.raises(RecipeError, match="names a torch module"):
        words.file_from_word("models:resnet20")
    assert words.card_from_word("card.toml", "m.onnx").name == "n"
    with pytest.raises(RecipeError, match="no data card"):
        words.card_from_word(None, "m.onnx")
    assert words.target_from_word("openvino-cpu").runtime == "openvino"
    assert words.target_from_word(None).precision == "int8"
    assert words.step_from_flags(None, []) is None
    with pytest.raises(RecipeError, match=r"unknown step 'quantize\.statc'"):
        words.step_from_flags("statc", [])
