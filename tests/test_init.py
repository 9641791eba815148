import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgekit import init
from edgekit.card import read_card
from edgekit.errors import ModelError, RecipeError
from edgekit.resolving import read_recipe
from edgekit.runner.runtimes.base import Port
from edgekit.samples.sets import open_samples


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def ports(path: Path) -> list[Port]:
    return [
        Port(each.name, "float32", tuple(axis if isinstance(axis, int) else None for axis in each.shape))
        for each in session(path).get_inputs()
    ]


def model_with(path: Path, *inputs: onnx.ValueInfoProto) -> Path:
    """A model that hands its inputs through."""
    nodes = [helper.make_node("Identity", [each.name], [f"out{number}"]) for number, each in enumerate(inputs)]
    outputs = [helper.make_empty_tensor_value_info(node.output[0]) for node in nodes]
    for output, given in zip(outputs, inputs, strict=True):
        output.type.CopyFrom(given.type)
    graph = helper.make_graph(nodes, "g", list(inputs), outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("task", init.TASKS)
def test_an_example_is_a_project_whose_every_name_resolves(task: str, tmp_path: Path) -> None:
    written = init.init_example(tmp_path / "project", task)
    assert all(each.is_file() for each in written)
    recipe = read_recipe(tmp_path / "project/recipe.toml")
    assert recipe.card.task == task
    samples = open_samples(recipe.card, ports(tmp_path / "project/model.onnx"))
    assert len(samples.calibration) == 400
    assert len(samples.evaluation) == 599
    assert samples.dropped == 0


@pytest.mark.parametrize("task", ["image-classification", "classification"])
def test_the_network_of_an_example_has_learned_its_task(task: str, tmp_path: Path) -> None:
    init.init_example(tmp_path / "project", task)
    recipe = read_recipe(tmp_path / "project/recipe.toml")
    assert isinstance(recipe.model, Path)
    samples = open_samples(recipe.card, ports(recipe.model)).evaluation
    runner = session(recipe.model)
    answers = np.concatenate([runner.run(None, dict(batch))[0].argmax(1) for batch in samples.batches(64)])
    assert np.mean(answers == samples.labels["target"]) > 0.9


def test_an_example_is_the_same_on_every_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        init.init_example(tmp_path / name, "image-classification")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_draft_names_every_input_with_type_and_shape(tmp_path: Path) -> None:
    model = model_with(
        tmp_path / "m.onnx",
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 48]),
        helper.make_tensor_value_info("state.0", TensorProto.INT64, [1, 16]),
    )
    card, recipe = init.init_for_model(tmp_path / "project", model)
    read = read_card(card)
    assert read.source.kind == "arrays"
    assert read.source.inputs == {"image": "image", "state.0": "state_0"}
    text = card.read_text()
    assert 'image = "image"    # float32, (samples, 3, 32, 48)' in text
    assert '"state.0" = "state_0"    # int64, (1, 16)' in text
    assert 'numpy.savez("samples.npz", image=..., state_0=...)' in text
    assert "# resize = { width = 48, height = 32 }" in text
    assert read_recipe(recipe).model.resolve() == model.resolve()


def test_a_draft_with_its_samples_is_a_card_that_opens(tmp_path: Path) -> None:
    model = model_with(tmp_path / "m.onnx", helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4]))
    card, _ = init.init_for_model(tmp_path / "project", model)
    np.savez(card.parent / "samples.npz", x=np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32))
    samples = open_samples(read_card(card), ports(model))
    assert (len(samples.calibration), len(samples.evaluation)) == (3, 7)


def test_the_pictures_of_a_draft_are_a_card_once_they_are_uncommented(tmp_path: Path) -> None:
    model = model_with(tmp_path / "m.onnx", helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 48]))
    card, _ = init.init_for_model(tmp_path / "project", model)
    head, _, pictures = card.read_text().partition("# Or pictures")
    kept = head[: head.index("[source]")] + head[head.index("[calibration]") :]
    block = "\n".join(line.removeprefix("# ") for line in pictures.splitlines()[1:])
    read = tomllib.loads(kept + block)
    card.write_text(kept + block)
    assert read["source"]["kind"] == "images"
    assert read_card(card).preprocess["image"].layout == "HWC->CHW"


@pytest.mark.parametrize("name", ["a b", 'quo"te', "line\nbreak", "\u00fcber", "1", "x.y"])
def test_a_strange_name_stays_one_key(name: str, tmp_path: Path) -> None:
    model = model_with(tmp_path / "m.onnx", helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]))
    card, _ = init.init_for_model(tmp_path / "project", model)
    source = read_card(card).source
    assert source.kind == "arrays"
    assert list(source.inputs) == [name]
    assert source.inputs[name].isidentifier()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RecipeError, match="not empty"):
        init.init_example(tmp_path, "agreement")
    with pytest.raises(RecipeError, match="not empty"):
        init.init_example(tmp_path / "mine.txt", "agreement")
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    assert init.init_example(tmp_path / "project", "agreement")


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match="cannot be written"):
        init.init_example(tmp_path / "file/project", "agreement")


def test_a_file_that_is_no_model_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"not a model at all")
    with pytest.raises(ModelError):
        init.init_for_model(tmp_path / "project", tmp_path / "m.onnx")
    assert not (tmp_path / "project").exists()
