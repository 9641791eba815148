import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit import catalog
from edgekit.errors import RecipeError

SHIPPED = "openvino-cpu"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that adds the step ``plugged`` and tries to replace a built-in one."""
    points = [
        importlib.metadata.EntryPoint("plugged", "edgekit.profiles:Target", "edgekit.steps"),
        importlib.metadata.EntryPoint("quantize.static", "edgekit.profiles:Scheme", "edgekit.steps"),
    ]
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda *, group: [each for each in points if each.group == group],
    )
    catalog._installed_plugins.cache_clear()
    yield
    catalog._installed_plugins.cache_clear()


def own_target(folder: Path, name: str, text: str) -> Path:
    path = folder / "targets" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_shipped_name_is_found_from_any_folder(tmp_path: Path) -> None:
    assert catalog.find_profile("targets", SHIPPED, tmp_path).is_file()
    assert catalog.load_target(SHIPPED, tmp_path).name == SHIPPED


def test_every_shipped_target_loads_and_is_called_by_its_file() -> None:
    shipped = catalog.profiles("targets", catalog.shipped_folder("targets").parent)
    assert len(shipped) >= 6
    for each in shipped:
        assert catalog.load_target(each.name, Path()).name == each.name
        assert each.shipped


def test_the_project_comes_before_what_is_shipped_and_the_shadow_is_named(tmp_path: Path) -> None:
    shipped = catalog.find_profile("targets", SHIPPED, tmp_path)
    own = own_target(tmp_path, SHIPPED, shipped.read_text())
    assert catalog.find_profile("targets", SHIPPED, tmp_path) == own
    listed = {each.name: each for each in catalog.profiles("targets", tmp_path)}
    assert listed[SHIPPED].shadows == shipped
    assert not listed[SHIPPED].shipped
    assert listed["onnxruntime-x86"].shipped


def test_an_unknown_name_is_answered_with_what_there_is_and_a_guess(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        catalog.find_profile("targets", "openvino-cqu", tmp_path)
    sentence = caught.value.mistakes[0]
    assert sentence.startswith("unknown target 'openvino-cqu'; allowed: ")
    assert sentence.endswith("did you mean 'openvino-cpu'?")
    assert "edgekit list targets" in caught.value.hint


@pytest.mark.parametrize("name", ["..", "", "a b", "~root"])
def test_a_name_that_is_no_name_is_unknown_rather_than_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown data card"):
        catalog.find_profile("calibration", name, tmp_path)


def test_a_path_is_taken_relative_to_the_folder(tmp_path: Path) -> None:
    assert catalog.find_profile("calibration", "mine.toml", tmp_path) == tmp_path / "mine.toml"
    assert catalog.find_profile("calibration", "cards/mine.toml", tmp_path) == tmp_path / "cards/mine.toml"


def test_a_target_file_with_mistakes_tells_all_of_them(tmp_path: Path) -> None:
    own_target(tmp_path, "mine", 'name = "mine"\nruntime = "onnxruntme"\nplase = "here"\n')
    with pytest.raises(RecipeError) as caught:
        catalog.load_target("mine", tmp_path)
    told = "\n".join(caught.value.mistakes)
    assert "runtime" in told
    assert "did you mean 'onnxruntime'?" in told
    assert "did you mean 'place'?" in told


def test_an_unknown_step_is_answered_with_a_guess() -> None:
    with pytest.raises(RecipeError, match=r"did you mean 'quantize\.static'\?"):
        catalog.entry("steps", "quantize.statik")


def test_no_member_is_imported_before_it_is_used() -> None:
    assert catalog.entry("steps", "quantize.static").where == "edgekit.quantize.static:StaticQuantization"


@pytest.mark.usefixtures("plugin")
def test_a_plug_in_adds_a_step_and_never_replaces_a_built_in_one() -> None:
    assert catalog.look_up("steps", "plugged").__name__ == "Target"
    assert catalog.entry("steps", "quantize.static").where.startswith("edgekit.quantize")
    assert catalog.plugin_names()["steps"] == ["plugged", "quantize.static"]


@pytest.mark.usefixtures("plugin")
def test_plug_ins_are_ignored_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalog.NO_PLUGINS, "1")
    assert "plugged" not in catalog.names("steps")
    with pytest.raises(RecipeError, match="unknown step 'plugged'"):
        catalog.look_up("steps", "plugged")
