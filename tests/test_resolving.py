from pathlib import Path

import pytest

from edgekit import resolving
from edgekit.errors import RecipeError
from edgekit.recipe import StepWords
from edgekit.resolving import find_model, own_targets, read_recipe, recipe_from_data, step_from_words, with_overrides
from edgekit.runner.host import Host

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
targets = ["openvino-cpu", "onnxruntime-x86"]
data = "card.toml"
threads = 2
[budget]
p90_ms = 8.0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A recipe with its card and model."""
    (tmp_path / "model.onnx").write_bytes(b"looked at later")
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def mistakes_of(project: Path, overrides: dict[str, object]) -> str:
    with pytest.raises(RecipeError) as caught:
        read_recipe(project / "recipe.toml", overrides)
    assert caught.value.hint
    return "\n".join(caught.value.mistakes)


def test_every_name_of_a_recipe_is_resolved(project: Path) -> None:
    recipe = read_recipe(project / "recipe.toml")
    assert recipe.model == project / "model.onnx"
    assert recipe.name == "model"
    assert [each.name for each in recipe.targets] == ["openvino-cpu", "onnxruntime-x86"]
    assert recipe.card.folder == project
    assert recipe.threads == 2
    assert recipe.steps == ()
    assert recipe.profiles["calibration/card.toml"] == project / "card.toml"
    assert recipe.profiles["targets/openvino-cpu"].name == "openvino-cpu.toml"


def test_a_budget_that_nobody_asked_for_is_marked(project: Path) -> None:
    budget = read_recipe(project / "recipe.toml").budget
    assert (budget.drop_points, budget.drop_is_default, budget.p90_ms) == (1.0, True, 8.0)
    asked = read_recipe(project / "recipe.toml", {"budget.drop_points": 1.0}).budget
    assert not asked.drop_is_default


def test_words_of_the_command_line_beat_the_file(project: Path) -> None:
    recipe = read_recipe(project / "recipe.toml", {"threads": 4, "budget.p90_ms": 2.5, "targets": ["openvino-cpu"]})
    assert (recipe.threads, recipe.budget.p90_ms) == (4, 2.5)
    assert [each.name for each in recipe.targets] == ["openvino-cpu"]


def test_a_target_that_is_named_twice_counts_once(project: Path) -> None:
    recipe = read_recipe(project / "recipe.toml", {"targets": ["openvino-cpu", "openvino-cpu"]})
    assert len(recipe.targets) == 1


def test_two_files_that_call_themselves_the_same_are_refused(project: Path) -> None:
    text = f'name = "openvino-cpu"\nruntime = "openvino"\nplace = "{project}"\n'
    (project / "mine.toml").write_text(text)
    assert "openvino-cpu named twice" in mistakes_of(project, {"targets": ["openvino-cpu", "mine.toml"]})


def test_every_mistake_of_the_file_is_told_at_once(project: Path) -> None:
    told = mistakes_of(project, {"thread": 2, "budget.p90": 1, "seed": -1})
    assert "thread: unknown key" in told
    assert "did you mean 'threads'?" in told
    assert "budget.p90: unknown key" in told
    assert "did you mean 'p90_ms'?" in told
    assert "seed" in told


def test_every_name_that_does_not_exist_is_told_at_once(project: Path) -> None:
    told = mistakes_of(project, {"model": "modell.onnx", "data": "numbrs", "targets": ["openvino-cqu"]})
    assert "did you mean 'model.onnx'?" in told
    assert "unknown data card 'numbrs'" in told
    assert "did you mean 'openvino-cpu'?" in told


@pytest.mark.parametrize("key", ["budget.drop_points", "budget.p90_ms", "budget.size_mib", "budget.rss_mib"])
def test_a_negative_budget_is_refused(project: Path, key: str) -> None:
    assert key in mistakes_of(project, {key: -1.0})


def test_an_unknown_step_is_told_with_its_neighbours(project: Path) -> None:
    assert "unknown step 'quantise.static'" in mistakes_of(project, {"step": [{"use": "quantise.static"}]})


def test_a_step_for_torch_after_one_for_onnx_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = resolving.catalog.Entry("edgekit.prune:Nothing", takes="torch", gives="torch")
    monkeypatch.setattr(resolving.catalog, "entry", lambda _kind, _name: entry)
    assert "step[0]: prune takes a torch module, but the model is ONNX by then" in mistakes_of(
        project, {"step": [{"use": "prune"}]}
    )


def test_a_module_and_its_factory_stand_for_a_torch_model(project: Path) -> None:
    recipe = read_recipe(project / "recipe.toml", {"model": "models:resnet20"})
    assert recipe.model == "models:resnet20"
    assert recipe.name == "resnet20"


def test_weights_beside_an_onnx_file_are_refused(project: Path) -> None:
    assert "given with the ONNX file" in mistakes_of(project, {"weights": "w.safetensors"})


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.pkl", "M.PT", "m.ckpt", "m.joblib"])
def test_a_pickle_is_refused_by_its_name_before_it_is_opened(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="pickles can run any code"):
        find_model(name, tmp_path)


def test_weights_in_a_pickle_are_refused(project: Path) -> None:
    told = mistakes_of(project, {"model": "models:resnet20", "weights": "resnet20.pth"})
    assert "pickles can run any code" in told


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="this is a folder, not a model"):
        find_model(".", tmp_path)


def test_an_override_may_reach_into_a_step_by_its_number() -> None:
    data = {"step": [{"use": "a"}, {"use": "b"}]}
    assert with_overrides(data, {"step.1.method": "entropy"})["step"][1] == {"use": "b", "method": "entropy"}


@pytest.mark.parametrize(
    ("key", "said"),
    [("step.2.use", "no entry '2' in a list of 1"), ("step.x.use", "no entry 'x'"), ("model.name", "is a value")],
)
def test_an_override_that_leads_nowhere_is_refused(key: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        with_overrides({"step": [{"use": "a"}], "model": "m.onnx"}, {key: 1})


def test_words_without_a_file_are_resolved_in_the_given_folder(project: Path) -> None:
    data = {"model": "model.onnx", "targets": ["openvino-cpu"], "data": "card.toml"}
    assert recipe_from_data(data, folder=project, source="command line").folder == project
    with pytest.raises(RecipeError, match=r"command line: threads"):
        recipe_from_data(data | {"threads": 0}, folder=project, source="command line")


@pytest.mark.parametrize(
    ("machine", "flags", "name"),
    [
        ("x86_64", {"avx2", "avx512_vnni"}, "onnxruntime-x86"),
        ("x86_64", {"avx2"}, "onnxruntime-x86-avx2"),
        ("aarch64", {"asimd"}, "onnxruntime-arm"),
    ],
)
def test_a_machine_has_a_target_of_its_own(
    machine: str, flags: set[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "read_host", lambda: host(machine, flags))
    assert own_targets() == [name]


def test_a_machine_that_no_target_fits_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "read_host", lambda: host("riscv64", set()))
    with pytest.raises(RecipeError, match="fits this machine"):
        own_targets()


def host(machine: str, flags: set[str]) -> Host:
    return Host("Linux", machine, None, frozenset(flags), 1, None, None, None, None)


def test_an_unknown_option_of_a_step_is_told_with_a_guess() -> None:
    pytest.importorskip("edgekit.quantize.static")
    with pytest.raises(RecipeError, match=r"unknown option 'rangs'; did you mean 'ranges'\?") as caught:
        step_from_words(StepWords(use="quantize.static", rangs="entropy"))
    assert "ranges" in caught.value.hint


def test_a_wrong_value_of_an_option_is_told_with_its_name() -> None:
    pytest.importorskip("edgekit.quantize.static")
    with pytest.raises(RecipeError, match=r"step quantize\.static: ranges"):
        step_from_words(StepWords(use="quantize.static", ranges=3))
