"""Pictures and clips: files in class folders, or a table that lists them with labels; decoded one at a time."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from edgekit.artifact import digest_file
from edgekit.card import AudioSource, ImagesSource, Pick
from edgekit.errors import InputError, RecipeError
from edgekit.runner import clips, pictures
from edgekit.runner.preprocess import Preprocessing
from edgekit.samples.labels import boxes_from_table, labels_from_column, numbers_below
from edgekit.samples.pool import Array, Labels, Wanted
from edgekit.samples.tables import read_table

Decode = Callable[[Path, Preprocessing], Array]


@dataclass(frozen=True)
class Listing:
    """Files in order, as they are called in tables, with labels and units."""

    files: tuple[str, ...]
    labels: Labels
    units: Sequence[str] | None = None


class FilesPool:
    """Files that are decoded when read; see :class:`edgekit.samples.pool.Pool`."""

    parts = 1

    def __init__(self, folder: Path, listing: Listing, decode: Decode, port: str, how: Preprocessing) -> None:
        self._folder = folder
        self._files = listing.files
        self._decode = decode
        self._port = port
        self._how = how
        self.labels = listing.labels
        self.units = listing.units
        self.identity = (str(folder.resolve()), *listing.files)

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Name the file."""
        return str(self._folder / self._files[index])

    def digest(self, index: int) -> bytes:
        """Digest the file's bytes."""
        path = self._folder / self._files[index]
        hint = "correct the table of files, or source.path"
        try:
            if not path.is_file():  # a pipe would never end
                raise InputError(f"{path}: no such file", hint=hint)
            return hashlib.sha256(digest_file(path).encode()).digest()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error

    def read(self, index: int, part: int) -> dict[str, Array]:  # noqa: ARG002 - a file has one part
        """Decode one file."""
        return {self._port: self._decode(self._folder / self._files[index], self._how)}


def open_pool(source: ImagesSource | AudioSource, pick: Pick, wanted: Wanted) -> FilesPool:
    """List the files of a pick.

    Raises:
        RecipeError: the card names a column or input that is not there.
        InputError: a folder or table is missing or empty, or a label is wrong.
    """
    folder = wanted.card.folder / (pick.path or source.path)
    suffixes = pictures.SUFFIXES if isinstance(source, ImagesSource) else clips.SUFFIXES
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint="source.path names a folder of files")
    # another folder without a table of its own is a folder of class folders, or of unlabelled files
    table = pick.labels or ("" if pick.path else source.labels)
    if source.unit and not table:
        raise RecipeError("source.unit names a column, and no table has it", hint="name the table in source.labels")
    listing = _from_table(source, wanted.card.folder / table) if table else _from_folder(source, folder, suffixes)
    if not listing.files:
        raise InputError(f"{folder}: no files with {', '.join(suffixes)}", hint="add samples, or correct source.path")
    if isinstance(source, ImagesSource) and source.boxes is not None:
        box_table = read_table(wanted.card.folder / source.boxes.path)
        boxes = boxes_from_table(box_table, source.boxes.file, source.boxes.columns, listing.files)
        listing = Listing(listing.files, {**listing.labels, "boxes": boxes}, listing.units)
    port = only_input(source.input, wanted)
    decode = pictures.picture_from_file if isinstance(source, ImagesSource) else clips.audio_from_file
    return FilesPool(folder, listing, decode, port, wanted.preparation(port))


def only_input(name: str, wanted: Wanted) -> str:
    """Return the model input that files go to: the named one, or the only one."""
    if name:
        return name
    if len(wanted.ports) != 1:
        told = f"the model has {len(wanted.ports)} inputs; source.input must say which gets the sample"
        raise RecipeError(told, hint=f"inputs: {', '.join(wanted.ports)}")
    return next(iter(wanted.ports))


def _from_table(source: ImagesSource | AudioSource, path: Path) -> Listing:
    """List what a table says; the label column may be left out where the task needs none."""
    table = read_table(path)
    files = table.column(source.file, "source.file")
    labels: Labels = {}
    if source.label in table.columns or "label" in source.model_fields_set:
        column = table.column(source.label, "source.label")
        labels["target"] = labels_from_column(column, source.classes, f"{path}, column {source.label!r}")
    units = table.column(source.unit, "source.unit") if source.unit else None
    return Listing(tuple(files), labels, units)


def _from_folder(source: ImagesSource | AudioSource, folder: Path, suffixes: Sequence[str]) -> Listing:
    """List class folders (label = number of the folder), or a folder of files without labels.

    Classes take turns, so that the first samples of a pool, and every share of it, hold all of them.
    """
    try:
        folders = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        numbers = numbers_below(folder, folders, source.classes)
        by_folder = [
            [each for each in sorted(parent.iterdir()) if _is_sample(each, suffixes)] for parent in folders or [folder]
        ]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error
    found = [each for turn in zip_longest(*by_folder) for each in turn if each is not None]
    files = tuple(each.relative_to(folder).as_posix() for each in found)
    labels = {"target": np.array([numbers[each.parent] for each in found], np.int64)} if folders else {}
    return Listing(files, labels)


def _is_sample(path: Path, suffixes: Sequence[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
