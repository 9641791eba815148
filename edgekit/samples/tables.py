"""Tables on disk: .csv (quoted as usual), .tsv (never quoted), .jsonl, and .gz of each, in UTF-8.

Rules: one heading line; text is bounded (256 MiB unpacked), so that an archive cannot fill the memory; every mistake
names the file and the line.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, RecipeError
from edgekit.reading import closest

_LIMIT_BYTES = 256 << 20
_KINDS = (".csv", ".tsv", ".jsonl")
_HINT = "tables are .csv, .tsv or .jsonl (or .gz of these), in UTF-8, with a heading line"


@dataclass(frozen=True)
class Table:
    """Columns of a table as text (numbers of .jsonl too)."""

    path: Path
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str, key: str) -> list[str]:
        """Return a column.

        Args:
            name: of the column.
            key: the card's key that names it, for the message.

        Raises:
            RecipeError: there is no such column.
        """
        if name not in self.columns:
            guess = closest(name, self.columns)
            told = f"{key}: no column {name!r} in {self.path}; it has: {', '.join(self.columns)}"
            raise RecipeError(told + (f";{guess}" if guess else ""), hint="correct the data card")
        return self.columns[name]


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        InputError: the file is missing, of another kind, damaged, empty, or its lines differ in length.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = "".join(suffixes[-2:-1] if packed else suffixes[-1:])
    if kind not in _KINDS:
        raise InputError(f"{path}: not a table", hint=_HINT)
    text = io.StringIO(_read_text(path, packed), newline="")
    heading, rows = _from_jsonl(text, path) if kind == ".jsonl" else _from_lines(text, kind, path)
    columns: dict[str, list[str]] = {name: [] for name in heading}
    if len(columns) != len(heading):
        raise InputError(f"{path}: a column name occurs twice: {', '.join(heading)}", hint=_HINT)
    for number, row in rows:
        if len(row) != len(heading):
            raise InputError(f"{path}, line {number}: {len(row)} entries, {len(heading)} columns", hint=_HINT)
        for name, entry in zip(heading, row, strict=True):
            columns[name].append(entry)
    if not columns or not next(iter(columns.values())):
        raise InputError(f"{path}: no rows below the heading line", hint=_HINT)
    return Table(path, columns)


def _read_text(path: Path, packed: bool) -> str:
    try:
        if not path.is_file():  # a pipe would never end
            raise InputError(f"{path}: no such file", hint=_HINT)
        with path.open("rb") as stream:
            data = (gzip.GzipFile(fileobj=stream) if packed else stream).read(_LIMIT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}", hint=_HINT) from error
    if len(data) > _LIMIT_BYTES:
        raise InputError(f"{path}: more than 256 MiB of text", hint="take a part of it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start}", hint=_HINT) from error


Numbered = Iterator[tuple[int, Sequence[str]]]


def _from_lines(text: io.StringIO, kind: str, path: Path) -> tuple[list[str], Numbered]:
    if kind == ".csv":
        reader = csv.reader(text, strict=True)
    else:
        reader = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    rows = _numbered(reader, path)
    return list(next(rows, (1, []))[1]), rows


def _numbered(reader: Any, path: Path) -> Numbered:
    """Yield line numbers and rows; blank lines are read over."""
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}", hint=_HINT) from error


def _from_jsonl(text: io.StringIO, path: Path) -> tuple[list[str], Numbered]:
    """Read objects, one a line; the first one's keys are the columns."""
    objects = _objects(text, path)
    first = next(objects, None)
    heading = list(first[1]) if first else []

    def rows() -> Numbered:
        if first:
            yield first[0], [_text(value) for value in first[1].values()]
        for number, each in objects:
            if set(each) != set(heading):
                told = f"keys {', '.join(each)} differ from the first line's {', '.join(heading)}"
                raise InputError(f"{path}, line {number}: {told}", hint=_HINT)
            yield number, [_text(each[name]) for name in heading]

    return heading, rows()


def _objects(text: io.StringIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: no JSON: {error}", hint=_HINT) from error
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}: not a JSON object", hint=_HINT)
        yield number, value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
