"""Labels become arrays: class numbers, numbers, or boxes; what cannot be right is refused before anything runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgekit.card import DataCard
from edgekit.errors import InputError, RecipeError
from edgekit.reading import closest
from edgekit.samples.pool import Array, Labels
from edgekit.samples.tables import Table

CLASS_TASKS = ("image-classification", "classification", "text-classification")
"""Tasks whose label is one class number a sample."""

_UNLABELLED_TASKS = ("agreement", "language-modelling")
_BOXES_MAX = 10_000


def labels_from_column(entries: Sequence[str], classes: Sequence[str], where: str) -> Array:
    """Turn a column into class numbers (whole numbers, or names out of ``classes``) or into floats.

    Args:
        entries: the column.
        classes: class names in order; without them, names are numbered in sorted order.
        where: file and column, for messages.

    Returns:
        int64 (samples,), or float64 where an entry has a fraction.

    Raises:
        InputError: an entry is neither a number nor a class.
    """
    if classes and not all(entry.lstrip("-").isdigit() for entry in entries):
        numbers = {name: number for number, name in enumerate(classes)}
        for row, entry in enumerate(entries):
            if entry not in numbers:
                guess = closest(entry, classes)
                told = f"{where}, row {row + 1}: {entry!r} is no class; allowed: {', '.join(classes)[:200]}"
                raise InputError(told + (f";{guess}" if guess else ""), hint="correct the label or source.classes")
        return np.array([numbers[entry] for entry in entries], np.int64)
    try:
        return np.array([int(entry) for entry in entries], np.int64)
    except (ValueError, OverflowError):
        pass  # not whole numbers: floats or names
    try:
        return np.array([float(entry) for entry in entries], np.float64)
    except ValueError:
        return labels_from_column(entries, sorted(set(entries)), where)


def boxes_from_table(table: Table, file_column: str, columns: Sequence[str], files: Sequence[str]) -> Array:
    """Gather the boxes of every picture.

    Returns:
        float32 (pictures, most boxes of one picture, columns), padded with NaN.

    Raises:
        RecipeError: a column is not there.
        InputError: an entry is no finite number, or a row's picture is not among ``files``.
    """
    names = table.column(file_column, "source.boxes.file")
    entries = [table.column(column, f"source.boxes.columns ({column})") for column in columns]
    by_file: dict[str, list[list[float]]] = {file: [] for file in files}
    for row, name in enumerate(names):
        if name not in by_file:
            continue  # boxes of pictures that another pick reads
        try:
            box = [float(column[row]) for column in entries]
        except ValueError as error:
            raise InputError(f"{table.path}, row {row + 1}: {error}", hint="boxes are numbers") from error
        if not np.isfinite(box).all():
            raise InputError(f"{table.path}, row {row + 1}: a box is not finite", hint="boxes are numbers")
        by_file[name].append(box)
    if not any(by_file.values()):
        raise InputError(
            f"{table.path}: no box belongs to a picture such as {files[0]!r}", hint="compare the file names"
        )
    most = max(1, *(len(boxes) for boxes in by_file.values()))
    if most > _BOXES_MAX:
        raise InputError(f"{table.path}: {most} boxes in one picture", hint=f"at most {_BOXES_MAX}")
    result = np.full((len(files), most, len(columns)), np.nan, np.float32)
    for index, file in enumerate(files):
        if by_file[file]:
            result[index, : len(by_file[file])] = by_file[file]
    return result


def check_labels(card: DataCard, labels: Mapping[str, Array], count: int) -> Labels:
    """Check the labels of the evaluation samples against what the task needs.

    Returns:
        The labels; class numbers as int64.

    Raises:
        RecipeError: the task needs a label and the card names none.
        InputError: a label is NaN, negative, no whole number, not one a sample, or not below the number of classes.
    """
    checked = dict(labels)
    if card.task in _UNLABELLED_TASKS or card.metric.python is not None:
        return checked
    if not labels:
        raise RecipeError(
            f"task {card.task!r} needs labels, and the card names none",
            hint="name them in [source.labels] (arrays) or label (tables), or use task = 'agreement', which needs none",
        )
    if card.task in CLASS_TASKS:
        if card.metric.label not in labels:
            told = f"no label is called {card.metric.label!r}; labels: {', '.join(labels)}"
            raise RecipeError(told, hint="call it 'target' in [source.labels], or name it in metric.label")
        classes = getattr(card.source, "classes", ())
        checked[card.metric.label] = _class_numbers(labels[card.metric.label], len(classes), card.metric.label, count)
        return checked
    for name, array in labels.items():
        if name != "boxes" and array.dtype.kind == "f" and np.isnan(array).any():
            row = int(np.argwhere(np.isnan(array))[0][0])
            raise InputError(f"label {name!r} of sample {row} is NaN", hint="correct or remove the sample")
    return checked


def _class_numbers(array: Array, classes: int, name: str, count: int) -> Array:
    """Return int64 (samples,)."""
    flat = array.reshape(array.shape[0], -1)
    if flat.shape != (count, 1):
        told = f"label {name!r} has shape {list(array.shape)}; classification needs one class number a sample"
        raise InputError(told, hint="one-hot labels: save their argmax")
    if array.dtype.kind not in "biuf" or not (np.isfinite(flat).all() and (flat == np.rint(flat)).all()):
        told = f"label {name!r} is not of whole numbers ({array.dtype})"
        raise InputError(told, hint="class numbers are 0, 1, 2, ...")
    numbers: Array = flat[:, 0].astype(np.int64)
    wrong = np.flatnonzero((numbers < 0) | ((numbers >= classes) if classes else np.zeros(count, bool)))
    if wrong.size:
        allowed = f"0 to {classes - 1}" if classes else "0, 1, 2, ..."
        told = f"label {name!r} of sample {wrong[0]} is {numbers[wrong[0]]}; allowed: {allowed}"
        raise InputError(told, hint="correct the labels")
    return numbers


def numbers_below(folder: Path, folders: Sequence[Path], classes: Sequence[str]) -> dict[Path, int]:
    """Number class folders by name: in sorted order, or by ``classes``.

    Raises:
        InputError: a folder is no class.
    """
    names = list(classes) or sorted(each.name for each in folders)
    unknown = [each.name for each in folders if each.name not in names]
    if unknown:
        told = f"{folder}: {unknown[0]!r} is no class; allowed: {', '.join(names)[:200]}"
        raise InputError(told, hint="correct source.classes or the folder's name")
    return {each: names.index(each.name) for each in folders}
