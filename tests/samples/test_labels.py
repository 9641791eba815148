from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.card import DataCard
from edgekit.errors import InputError, RecipeError
from edgekit.samples.labels import boxes_from_table, check_labels, labels_from_column, numbers_below
from edgekit.samples.tables import Table


def card(task: str = "image-classification", **words: Any) -> DataCard:
    source = {"kind": "images", "path": "p", "classes": words.pop("classes", ())}
    return DataCard.model_validate({"name": "a", "task": task, "licence": "CC0", "source": source, **words})


def test_whole_numbers_are_class_numbers() -> None:
    labels = labels_from_column(["0", "7", "-1"], (), "a.csv")
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 7, -1]


def test_fractions_are_floats() -> None:
    assert labels_from_column(["0", "2.5"], (), "a.csv").tolist() == [0.0, 2.5]


def test_names_are_numbered_in_the_cards_order_or_sorted() -> None:
    assert labels_from_column(["dog", "cat"], ("dog", "cat"), "a.csv").tolist() == [0, 1]
    assert labels_from_column(["dog", "cat", "dog"], (), "a.csv").tolist() == [1, 0, 1]


def test_numbers_stay_numbers_beside_class_names() -> None:
    assert labels_from_column(["1", "0"], ("dog", "cat"), "a.csv").tolist() == [1, 0]


def test_a_name_that_is_no_class_is_told_with_its_row() -> None:
    with pytest.raises(InputError, match=r"a\.csv, row 2: 'cta' is no class; allowed: dog, cat; did you mean 'cat'\?"):
        labels_from_column(["dog", "cta"], ("dog", "cat"), "a.csv")


def boxes(rows: list[list[str]]) -> Table:
    names = ["file", "class_id", "x1"]
    return Table(Path("b.csv"), {name: [row[index] for row in rows] for index, name in enumerate(names)})


def test_boxes_are_gathered_by_picture_and_padded_with_nan() -> None:
    table = boxes([["b", "1", "0.5"], ["a", "2", "0.25"], ["b", "3", "0.75"], ["elsewhere", "9", "0.0"]])
    found = boxes_from_table(table, "file", ["class_id", "x1"], ["a", "b", "empty"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(
        found,
        np.array([[[2, 0.25], [np.nan] * 2], [[1, 0.5], [3, 0.75]], [[np.nan] * 2] * 2], np.float32),
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["a", "one", "0.5"]], r"b\.csv, row 1: could not convert"),
        ([["a", "1", "nan"]], r"b\.csv, row 1: a box is not finite"),
        ([["z", "1", "0.5"]], "no box belongs to a picture such as 'a'"),
    ],
)
def test_boxes_that_cannot_be_right_are_refused(rows: list[list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        boxes_from_table(boxes(rows), "file", ["class_id", "x1"], ["a"])


def test_a_box_column_that_is_not_there_is_named() -> None:
    with pytest.raises(RecipeError, match=r"source\.boxes\.columns \(x2\)"):
        boxes_from_table(boxes([["a", "1", "0.5"]]), "file", ["x2"], ["a"])


def test_more_boxes_than_a_picture_can_show_are_refused() -> None:
    with pytest.raises(InputError, match="10001 boxes in one picture"):
        boxes_from_table(boxes([["a", "1", "0.5"]] * 10_001), "file", ["class_id"], ["a"])


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_class_numbers_become_int64(dtype: str, shape: tuple[int, ...]) -> None:
    checked = check_labels(card(), {"target": np.array([0, 2, 1], dtype).reshape(shape)}, 3)
    assert checked["target"].dtype == np.int64
    assert checked["target"].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.0, np.nan, 1.0]), "is not of whole numbers"),
        (np.array([0.0, 0.5, 1.0]), "is not of whole numbers"),
        (np.array(["a", "b", "c"]), "is not of whole numbers"),
        (np.array([0, -1, 1]), "of sample 1 is -1; allowed: 0, 1, 2, ..."),
        (np.eye(3), r"has shape \[3, 3\]; classification needs one class number a sample"),
    ],
)
def test_class_labels_that_cannot_be_right_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_labels(card(), {"target": labels}, 3)


def test_class_numbers_beyond_the_named_classes_are_refused() -> None:
    with pytest.raises(InputError, match="of sample 2 is 2; allowed: 0 to 1"):
        check_labels(card(classes=("dog", "cat")), {"target": np.array([0, 1, 2])}, 3)


def test_a_task_that_needs_labels_says_so() -> None:
    for task in ("image-classification", "regression", "object-detection"):
        with pytest.raises(RecipeError, match=f"task '{task}' needs labels") as caught:
            check_labels(card(task), {}, 3)
        assert "agreement" in caught.value.hint
    assert check_labels(card("agreement"), {}, 3) == {}
    assert check_labels(card(metric={"python": "m:f"}), {}, 3) == {}


def test_a_label_of_another_name_is_told() -> None:
    with pytest.raises(RecipeError, match="no label is called 'target'; labels: y"):
        check_labels(card(), {"y": np.zeros(3, int)}, 3)
    assert check_labels(card(metric={"label": "y"}), {"y": np.zeros(3, int)}, 3)["y"].tolist() == [0, 0, 0]


def test_numbers_that_are_nan_are_refused_but_padding_of_boxes_is_not() -> None:
    with pytest.raises(InputError, match="label 'target' of sample 1 is NaN"):
        check_labels(card("regression"), {"target": np.array([0.0, np.nan])}, 2)
    assert "boxes" in check_labels(card("object-detection"), {"boxes": np.full((2, 1, 5), np.nan)}, 2)


def test_class_folders_are_numbered_by_name() -> None:
    folders = [Path("p/b"), Path("p/a")]
    assert numbers_below(Path("p"), folders, ()) == {Path("p/a"): 0, Path("p/b"): 1}
    assert numbers_below(Path("p"), folders, ("b", "c", "a")) == {Path("p/a"): 2, Path("p/b"): 0}
    with pytest.raises(InputError, match="'b' is no class; allowed: a"):
        numbers_below(Path("p"), folders, ("a",))
