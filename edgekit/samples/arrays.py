"""Arrays: the first axis counts samples; one array for each model input and each label."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgekit.card import ArraysSource, Pick
from edgekit.errors import InputError, RecipeError
from edgekit.reading import closest
from edgekit.samples.pool import Array, Labels, Wanted
from edgekit.samples.rows import Rows, open_arrays


class ArraysPool:
    """Rows of stored arrays; see :class:`edgekit.samples.pool.Pool`."""

    parts = 1

    def __init__(self, inputs: Mapping[str, Rows], labels: Labels, units: Sequence[str] | None) -> None:
        self._inputs = dict(sorted(inputs.items()))
        self.labels = labels
        self.units = units
        self.identity = tuple(f"{name} = {rows.name}" for name, rows in self._inputs.items())

    def __len__(self) -> int:
        return len(next(iter(self._inputs.values())))

    def name(self, index: int) -> str:
        """Name the first array and the row."""
        return f"{next(iter(self._inputs.values())).name}, row {index}"

    def digest(self, index: int) -> bytes:
        """Digest the rows with their names and dtypes, and refuse numbers that are not finite."""
        digest = hashlib.sha256()
        for name, rows in self._inputs.items():
            row = rows[index]
            check_finite(row, f"{rows.name}, row {index}")
            digest.update(f"{name}\0{row.dtype}\0{row.shape}\0".encode())
            digest.update(row.tobytes())
        return digest.digest()

    def read(self, index: int, part: int) -> dict[str, Array]:  # noqa: ARG002 - rows have one part
        """Read one row of each array."""
        return {name: rows[index] for name, rows in self._inputs.items()}


def check_finite(array: Array, name: str) -> None:
    """Raise InputError for NaN or infinities."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"{name}: holds NaN or infinity", hint="correct or remove the sample: no model can be measured on it"
        )


def open_pool(source: ArraysSource, pick: Pick, wanted: Wanted) -> ArraysPool:
    """Open the arrays of a pick: the source's, or others of the same form.

    Raises:
        RecipeError: the card names an array that is not there.
        InputError: a file is missing, damaged or does not hold samples.
    """
    path = wanted.card.folder / (pick.path or source.path)
    stored = open_arrays(path)
    part = "calibration" if pick is wanted.card.calibration else "evaluation"
    inputs_key = f"{part}.from" if pick.from_ else "source.inputs"
    labels_key = f"{part}.from_labels" if pick.from_labels else "source.labels"
    # other inputs without other labels have none: the source's labels belong to the source's own rows
    label_names = pick.from_labels or ({} if pick.from_ else source.labels)
    input_names = {**source.inputs, **pick.from_}
    mistakes = [f"{part}.from: {name!r} is not in source.inputs" for name in pick.from_ if name not in source.inputs]
    for key, names in ((inputs_key, input_names), (labels_key, label_names)):
        mistakes += [
            f"{key}.{name}: {_absent(array, stored, path)}" for name, array in names.items() if array not in stored
        ]
    if source.unit and not pick.from_ and source.unit not in stored:
        mistakes.append(f"source.unit: {_absent(source.unit, stored, path)}")
    if mistakes:
        raise RecipeError(mistakes, hint="correct the data card")
    chosen = {array: stored[array] for array in (*input_names.values(), *label_names.values())}
    _check_lengths(chosen, path)
    units = stored[source.unit].whole().astype(str).tolist() if source.unit and not pick.from_ else None
    labels = {name: stored[array].whole() for name, array in label_names.items()}
    return ArraysPool({name: _numbers(stored[array]) for name, array in input_names.items()}, labels, units)


def _absent(array: str, stored: Mapping[str, Rows], path: Path) -> str:
    guess = closest(array, stored)
    return f"no array {array!r} in {path}; it holds: {', '.join(sorted(stored))}" + (f";{guess}" if guess else "")


def _numbers(rows: Rows) -> Rows:
    """Return the rows; text cannot be an input."""
    if rows.dtype.kind == "U":
        raise InputError(
            f"{rows.name}: holds text; a model input takes numbers", hint="a source of kind text reads text"
        )
    return rows


def _check_lengths(chosen: Mapping[str, Rows], path: Path) -> None:
    """Every array must count the same samples, and some."""
    lengths = {name: len(rows) for name, rows in chosen.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"{path}: the arrays count different samples: {told}", hint="the first axis counts samples")
    if 0 in lengths.values():
        raise InputError(f"{path}: no samples in {', '.join(lengths)}", hint="add samples")
