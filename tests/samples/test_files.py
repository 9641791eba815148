import os
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError, RecipeError
from edgekit.runner.runtimes.base import Port
from edgekit.samples.sets import Samples

Open = Callable[..., Samples]
PORT = Port("image", "uint8", (None, 4, 5, 3))
CLASSES = {"kind": "images", "path": "pictures"}
TABLE = {**CLASSES, "labels": "labels.csv"}


def save(folder: Path, name: str, value: int) -> None:
    path = folder / "pictures" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(path)


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """pictures/cat (4), pictures/dog (2), and things that are no samples."""
    for index in range(2):
        save(tmp_path, f"dog/{index}.png", 100 + index)
    for index in range(4):
        save(tmp_path, f"cat/{index}.PNG", index)
    (tmp_path / "pictures" / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "pictures" / "cat" / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "pictures" / ".cache").mkdir()
    return tmp_path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Six pictures and a table that names them out of order."""
    for index in range(6):
        save(tmp_path, f"{index}.png", index)
    (tmp_path / "labels.csv").write_text(
        "file,label,who\n" + "".join(f"{i}.png,{i % 2},p{i // 3}\n" for i in (5, 4, 3, 2, 1, 0))
    )
    return tmp_path


@pytest.mark.usefixtures("class_folders")
def test_class_folders_give_pictures_with_the_folders_number(open_card: Open) -> None:
    samples = open_card(CLASSES, PORT, task="image-classification", calibration={"count": 1})
    values = [int(feeds["image"][0, 0, 0, 0]) for feeds in samples.evaluation]
    assert values == [100, 1, 101, 2, 3]
    assert samples.evaluation.labels["target"].tolist() == [1, 0, 1, 0, 0]
    assert samples.evaluation.name(4).endswith("pictures/cat/3.PNG")


@pytest.mark.usefixtures("class_folders")
def test_classes_take_turns_so_that_every_share_holds_all(open_card: Open) -> None:
    samples = open_card(CLASSES, PORT, calibration={"share": [0.0, 0.34]}, evaluation={"share": [0.34, 1.0]})
    assert samples.calibration.labels["target"].tolist() == [0, 1]
    assert samples.evaluation.labels["target"].tolist() == [0, 1, 0, 0]


@pytest.mark.usefixtures("class_folders")
def test_classes_may_have_an_order_of_their_own(open_card: Open) -> None:
    samples = open_card({**CLASSES, "classes": ["dog", "cat"]}, PORT, calibration={"count": 1})
    assert samples.evaluation.labels["target"].tolist() == [0, 1, 0, 1, 1]


@pytest.mark.usefixtures("table")
def test_a_flat_folder_has_no_labels(open_card: Open) -> None:
    samples = open_card(CLASSES, PORT, calibration={"count": 2})
    assert samples.evaluation.labels == {}
    assert len(samples.evaluation) == 4


@pytest.mark.usefixtures("table")
def test_a_table_gives_order_labels_and_units(open_card: Open) -> None:
    samples = open_card(
        {**TABLE, "unit": "who"}, PORT, calibration={"share": [0.0, 0.5]}, evaluation={"share": [0.5, 1.0]}
    )
    assert [int(feeds["image"][0, 0, 0, 0]) for feeds in samples.calibration] == [5, 4, 3]
    assert [int(feeds["image"][0, 0, 0, 0]) for feeds in samples.evaluation] == [2, 1, 0]
    assert samples.evaluation.labels["target"].tolist() == [0, 1, 0]


def test_a_picture_in_both_tables_is_dropped_from_calibration_and_counted(table: Path, open_card: Open) -> None:
    save(table, "6.png", 6)
    (table / "calibration.csv").write_text("file,label\n6.png,0\n1.png,1\n")
    samples = open_card(TABLE, PORT, calibration={"labels": "calibration.csv"})
    assert samples.dropped == 1
    assert [int(feeds["image"][0, 0, 0, 0]) for feeds in samples.calibration] == [6]


def test_a_pick_may_have_another_folder(table: Path, open_card: Open) -> None:
    (table / "more").mkdir()
    Image.fromarray(np.full((4, 5, 3), 99, np.uint8)).save(table / "more" / "a.png")
    samples = open_card(TABLE, PORT, calibration={"path": "more"})
    assert samples.calibration[0]["image"].max() == 99


def test_boxes_come_with_their_pictures(table: Path, open_card: Open) -> None:
    (table / "boxes.tsv").write_text("file\tclass_id\tx1\ty1\tx2\ty2\n1.png\t3\t0\t0\t1\t1\n1.png\t4\t0\t0\t.5\t.5\n")
    source = {**CLASSES, "boxes": {"path": "boxes.tsv"}}
    samples = open_card(
        source, PORT, task="object-detection", calibration={"share": [0.5, 1.0]}, evaluation={"share": [0.0, 0.5]}
    )
    boxes = samples.evaluation.labels["boxes"]
    assert boxes.shape == (3, 2, 5)
    assert boxes[1, :, 0].tolist() == [3.0, 4.0]
    assert np.isnan(boxes[[0, 2]]).all()


@pytest.mark.usefixtures("table")
def test_memory_does_not_grow_with_the_pictures(open_card: Open) -> None:
    samples = open_card(CLASSES, PORT, calibration={"count": 2})
    first, again = samples.evaluation[0]["image"], samples.evaluation[0]["image"]
    assert first is not again
    assert first.tobytes() == again.tobytes()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({**CLASSES, "path": "nowhere"}, "nowhere: no such folder"),
        ({**TABLE, "labels": "no.csv"}, r"no\.csv: no such file"),
        ({**TABLE, "file": "path"}, r"source\.file: no column 'path' in .*; it has: file, label, who"),
        ({**TABLE, "label": "class"}, r"source\.label: no column 'class'"),
        ({**TABLE, "unit": "whom"}, r"source\.unit: no column 'whom' .* did you mean 'who'\?"),
        ({**CLASSES, "unit": "who"}, r"source\.unit names a column, and no table has it"),
        ({**CLASSES, "input": "imag"}, r"source\.input\.imag: the model has no such input; .* did you mean 'image'\?"),
    ],
)
@pytest.mark.usefixtures("table")
def test_what_the_card_names_must_be_there(open_card: Open, source: dict[str, object], message: str) -> None:
    with pytest.raises((InputError, RecipeError), match=message):
        open_card(source, PORT)


def test_an_empty_folder_says_which_files_count(tmp_path: Path, open_card: Open) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match=r"pictures: no files with \.bmp, "):
        open_card(CLASSES, PORT)


def test_a_listed_picture_that_is_missing_is_named_before_any_work(table: Path, open_card: Open) -> None:
    (table / "pictures" / "3.png").unlink()
    with pytest.raises(InputError, match=r"pictures/3\.png: no such file"):
        open_card(TABLE, PORT)


def test_a_listed_pipe_is_no_picture(table: Path, open_card: Open) -> None:
    (table / "pictures" / "3.png").unlink()
    os.mkfifo(table / "pictures" / "3.png")
    with pytest.raises(InputError, match=r"pictures/3\.png: no such file"):
        open_card(TABLE, PORT)


def test_a_damaged_picture_is_named_when_it_is_read(table: Path, open_card: Open) -> None:
    (table / "pictures" / "0.png").write_bytes(b"damaged")
    samples = open_card(TABLE, PORT, calibration={"count": 1})
    with pytest.raises(InputError, match=r"pictures/0\.png: no readable picture"):
        list(samples.evaluation)


def test_a_picture_of_another_size_is_named_with_the_way_out(table: Path, open_card: Open) -> None:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(table / "pictures" / "5.png")
    with pytest.raises(InputError, match=r"5\.png: input 'image': shape \[1, 9, 9, 3\] does not fit") as caught:
        open_card(TABLE, PORT, calibration={"count": 1})
    assert "resize" in caught.value.hint


@pytest.mark.usefixtures("table")
def test_a_model_of_several_inputs_needs_the_inputs_name(open_card: Open) -> None:
    with pytest.raises(RecipeError, match=r"the model has 2 inputs; source\.input must say"):
        open_card(CLASSES, PORT, Port("mask", "bool", (None, 4)))
    with pytest.raises(RecipeError, match="model input 'mask' gets no samples"):
        open_card({**CLASSES, "input": "image"}, PORT, Port("mask", "bool", (None, 4)))


def test_clips_become_features(tmp_path: Path, open_card: Open) -> None:
    (tmp_path / "clips").mkdir()
    random = np.random.default_rng(0)
    for index in range(4):
        with wave.open(str(tmp_path / "clips" / f"{index}.wav"), "wb") as stream:
            stream.setparams((1, 2, 8000, 0, "NONE", ""))
            stream.writeframes(random.integers(-999, 999, 4000).astype("<i2").tobytes())
    how = {"sample_rate": 8000, "seconds": 1.0, "layout": "TF->1TF", "features": {"kind": "mfcc"}}
    samples = open_card(
        {"kind": "audio", "path": "clips"}, Port("sound", "float32", (None, 1, 49, 10)), preprocess={"sound": how}
    )
    assert samples.evaluation[0]["sound"].shape == (1, 1, 49, 10)
    assert samples.evaluation.stacks
    with pytest.raises(InputError, match="sampled at 8000 Hz, preprocessing says 16000 Hz"):
        open_card(
            {"kind": "audio", "path": "clips"},
            Port("sound", "float32", (None, 1, 49, 10)),
            preprocess={"sound": {**how, "sample_rate": 16000}},
        )
