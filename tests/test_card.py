from pathlib import Path
from typing import Any

import pytest

from edgekit.card import ArraysSource, DataCard, ImagesSource, TextSource, read_card
from edgekit.errors import RecipeError

ARRAYS = """
name = "a"
task = "regression"
licence = "CC0"
[source]
kind = "arrays"
path = "a.npz"
inputs = { x = "images" }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "card.toml"
    path.write_text(text)
    return path


def mistakes_of(folder: Path, text: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(RecipeError) as caught:
        read_card(path)
    return [mistake.removeprefix(f"{path}: ") for mistake in caught.value.mistakes]


def test_the_designs_arrays_card_reads_as_it_stands(tmp_path: Path) -> None:
    card = read_card(
        write(
            tmp_path,
            """
name = "cifar10"
task = "image-classification"
licence = "none stated; internal use"
[source]
kind = "arrays"
path = "cifar10.npz"
[source.inputs]
input = "test_images"
[source.labels]
target = "test_labels"
[preprocess.input]
layout = "NHWC->NCHW"
scale = 255.0
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
[calibration]
count = 512
seed = 0
from = { input = "train_images" }
[evaluation]
count = 5000
""",
        )
    )
    assert isinstance(card.source, ArraysSource)
    assert card.source.labels == {"target": "test_labels"}
    assert card.preprocess["input"].mean == (0.485, 0.456, 0.406)
    assert card.calibration.from_ == {"input": "train_images"}
    assert card.calibration.elsewhere
    assert not card.evaluation.elsewhere
    assert card.folder == tmp_path


def test_the_designs_text_card_reads_as_it_stands(tmp_path: Path) -> None:
    card = read_card(
        write(
            tmp_path,
            """
name = "stsb"
task = "text-embedding"
licence = "CC BY-SA 4.0"
golden = "samples"
[source]
kind = "text"
path = "stsb_dev.tsv.gz"
text = ["sentence1", "sentence2"]
label = "score"
tokenizer = "tokenizer.json"
max_length = 128
pooling = "mean"
[latency]
batch = 1
length = 32
""",
        )
    )
    assert isinstance(card.source, TextSource)
    assert card.source.columns == ("sentence1", "sentence2")
    assert card.latency.length == 32


def test_one_text_column_is_a_word() -> None:
    source = TextSource(kind="text", path="a.tsv", text="text", tokenizer="t.json")
    assert source.columns == ("text",)


def test_pictures_and_a_metric_of_ones_own_read(tmp_path: Path) -> None:
    card = read_card(
        write(
            tmp_path,
            """
name = "boxes"
task = "object-detection"
licence = "CC0"
[metric]
python = "metrics:ap50"
better = "higher"
[source]
kind = "images"
path = "pictures"
boxes = { path = "boxes.tsv" }
[preprocess.input]
colour = "BGR"
resize = { width = 352, height = 352, filter = "bilinear" }
crop = { width = 227, height = 227 }
""",
        )
    )
    assert isinstance(card.source, ImagesSource)
    assert card.source.boxes is not None
    assert card.source.boxes.columns == ("class_id", "x1", "y1", "x2", "y2")
    assert card.metric.python == "metrics:ap50"


def test_a_card_made_in_code_is_told_its_folder() -> None:
    card = DataCard.model_validate(
        {
            "name": "a",
            "task": "agreement",
            "licence": "CC0",
            "source": {"kind": "arrays", "path": "a.npz", "inputs": {"x": "x"}},
        }
    )
    assert card.folder == Path()
    assert card.within(Path("there")).folder == Path("there")
    assert card.folder == Path()


def test_misspelt_words_are_told_all_at_once(tmp_path: Path) -> None:
    text = ARRAYS.replace("regression", "regresion") + '[calibraton]\ncount = 1\n[preprocess.x]\ncolor = "RGB"\n'
    told = mistakes_of(tmp_path, text)
    assert len(told) == 3
    assert any(each.startswith('task: "regresion"; allowed: ') and "'regression'?" in each for each in told)
    assert any(each.startswith("calibraton: unknown key") and "'calibration'?" in each for each in told)
    assert any(each.startswith("preprocess.x.color: unknown key") and "'colour'?" in each for each in told)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("[evaluation]\ncount = 0", "evaluation.count: should be greater than or equal to 1, got 0"),
        ("[evaluation]\nseed = -1", "evaluation.seed: should be greater than or equal to 0, got -1"),
        (
            "[evaluation]\nshare = [0.5, 0.5]",
            "evaluation: share takes [from, to] with 0 <= from < to <= 1, got [0.5, 0.5]",
        ),
        (
            "[evaluation]\nshare = [0.0, 1.5]",
            "evaluation: share takes [from, to] with 0 <= from < to <= 1, got [0.0, 1.5]",
        ),
        (
            '[evaluation]\nlabels = "a.csv"',
            "evaluation.labels does not go with a source of kind 'arrays'; allowed: from, from_labels, path",
        ),
        ("[preprocess.x]\nscale = 0.0", "preprocess.x: scale and std must not be zero"),
        ("[preprocess.x]\nstd = [1.0, 0.0]", "preprocess.x: scale and std must not be zero"),
        (
            '[preprocess.x]\nlayout = "NHWC->NCH"',
            "preprocess.x: layout takes the same axes on both sides, each once, got 'NHWC->NCH'",
        ),
        (
            '[preprocess.x]\nlayout = "NHH"',
            "preprocess.x: layout takes the same axes on both sides, each once, got 'NHH'",
        ),
        (
            "[preprocess.x]\nresize = { width = 4 }",
            "preprocess.x.resize: resize takes width and height, or shorter alone",
        ),
        (
            "[preprocess.x]\nresize = { width = 4, height = 4, shorter = 4 }",
            "preprocess.x.resize: resize takes width and height, or shorter alone",
        ),
        ('[preprocess.x]\nfeatures = { kind = "mfcc" }', "preprocess.x: features need sample_rate"),
        (
            '[preprocess.x]\nsample_rate = 16000\nfeatures = { kind = "mfcc", low_hz = 9, high_hz = 8 }',
            "preprocess.x.features: low_hz (9) must be below high_hz (8)",
        ),
        (
            '[preprocess.x]\nsample_rate = 16000\nfeatures = { kind = "mfcc", coefficients = 41 }',
            "preprocess.x.features: coefficients (41) must not exceed mels (40)",
        ),
        (
            "[preprocess.x]\nresize = { width = 100000, height = 1 }",
            "preprocess.x.resize.width: should be less than or equal",
        ),
    ],
)
def test_contradictions_are_refused_at_birth(tmp_path: Path, words: str, sentence: str) -> None:
    (told,) = mistakes_of(tmp_path, ARRAYS + words + "\n")
    assert told.startswith(sentence)


@pytest.mark.parametrize("name", ["metrics", "metrics:", ":f", "a b:f", "os;x:f"])
def test_python_is_named_as_module_and_function(tmp_path: Path, name: str) -> None:
    (told,) = mistakes_of(tmp_path, ARRAYS + f'[metric]\npython = "{name}"\n')
    assert told.startswith("metric.python: ")


def test_a_card_needs_name_task_licence_and_source(tmp_path: Path) -> None:
    told = mistakes_of(tmp_path, "")
    assert told == [f"{key}: this key is missing" for key in ("name", "task", "licence", "source")]


def test_every_card_of_the_zoo_reads(shared: Path) -> None:
    cards = sorted(shared.glob("zoo/*/card.toml"))
    assert len(cards) == 22
    assert {read_card(path).task for path in cards} == {"agreement"}


def test_every_word_of_a_card_is_described() -> None:
    def undescribed(schema: dict[str, Any]) -> list[str]:
        found = []
        for name, model in schema["$defs"].items():
            told = {"description", "const", "$ref"}
            found += [f"{name}.{key}" for key, field in model["properties"].items() if not told & set(field)]
        return found

    assert undescribed(DataCard.model_json_schema()) == []
